"""State policies: what a new implementation finds on a socket when it takes over.

The kernel's own way is that windows, RTT and scoreboard stay on the socket while private state is
lost. A policy does something else around that moment, with what any program may set on a Linux
socket: window, threshold, window clamp, greatest pacing rate. A file that a scenario lists under
``objects`` may hold policies of its own: subclasses of `StatePolicy` with a ``name``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ccsim.kernel.sock import Sock

__all__ = ["PathSample", "StatePolicy"]

US_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class PathSample:
    """What the socket had measured of its path when the swap came.

    ``delivered`` packets in ``interval_us`` are the latest delivery rate, over about one round trip
    (both 0: there is none); ``rtt_min_us`` is 0xffffffff and ``srtt_us`` (not shifted) 0 before the
    first sample.
    """

    snd_cwnd: int  # packets
    in_flight: int  # packets
    delivered: int
    interval_us: int
    rtt_min_us: int
    srtt_us: int
    mss_bytes: int
    initial_window: int  # packets

    @property
    def rate_Bps(self) -> int:
        """The delivery rate, else a window per smoothed RTT, else 0 [bytes/s]."""
        if self.interval_us:
            return self.delivered * self.mss_bytes * US_PER_S // self.interval_us
        return self.snd_cwnd * self.mss_bytes * US_PER_S // self.srtt_us if self.srtt_us else 0

    @property
    def bdp_packets(self) -> int:
        """The delivery rate times the least RTT; the window where nothing is known [packets]."""
        rtt_us = min(self.rtt_min_us, self.srtt_us or self.rtt_min_us)
        if self.interval_us:
            return self.delivered * rtt_us // self.interval_us
        return self.snd_cwnd * rtt_us // self.srtt_us if self.srtt_us else self.snd_cwnd


def _unheard(policy: str, phase: str, detail: dict[str, int]) -> None:
    """Ignore what a policy tells: there is no listener."""


class StatePolicy:
    """What one connection's new implementation starts from: one object a swap and connection.

    ``before`` runs while the old implementation still serves, so what it sets is what the new one's
    ``init`` finds; ``after`` runs when the new one has begun. Neither runs when the swap fails or
    changes nothing. A policy with a phase returns True from ``after``; from then on ``on_ack`` runs
    after each ACK and each timer of the connection, until it returns False. ``end`` undoes what
    the phase has set; it runs at its end, and when another swap cuts it short.

    All must depend on nothing but the socket, so that a run does not depend on how it was cut.
    ``tell`` puts a ``policy`` event into the run's list.
    """

    name: ClassVar[str] = ""

    def __init__(self) -> None:
        self.tell: Callable[[str, str, dict[str, int]], None] = _unheard

    def before(self, sk: Sock, path: PathSample) -> None:
        """Set what the new implementation's ``init`` is to find."""

    def after(self, sk: Sock) -> bool:
        """Act once the new implementation has begun; True if a phase follows."""
        return False

    def on_ack(self, sk: Sock) -> bool:
        """Act after an ACK or timer in the phase; False when the phase is over."""
        return False

    def end(self, sk: Sock) -> None:
        """Take back what the phase has set on the socket."""

    def note(self, phase: str, **detail: int) -> None:
        """Tell what the policy did: a word and numbers with their units in the names."""
        self.tell(self.name, phase, detail)
