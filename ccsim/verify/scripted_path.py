"""The scripted path of an episode: a drop-tail FIFO towards the receiver, a constant delay back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ccsim.units import NS_PER_S
from ccsim.verify.episode_script import Action, EpisodeScript, Span

__all__ = ["ScriptedPath"]


class ScriptedPath:
    """Says when what is emitted arrives: nothing (dropped), one time, or two (duplicated) [ns].

    ``rate_bps`` [bit/s] holds until the first ``ratechange``; ``limit`` packets find room, the one
    in service included; ``delay_ns`` is the delay of each direction.
    """

    def __init__(self, script: EpisodeScript, rate_bps: int, limit: int, delay_ns: int) -> None:
        self.script = script
        self.rates = [(0, rate_bps), *script.rates]
        self.limit = limit
        self.delay_ns = delay_ns
        self._inside: deque[int] = deque()  # finish times
        self._last_ns = 0
        self._data = 0
        self._acks = 0
        self._transmissions: dict[int, int] = {}
        self._order: dict[int, int] = {}  # packet number -> place in order of first transmission

    def control(self, t_ns: int, size_bytes: int) -> int:
        """Take a packet of the sender that has no number (SYN, bare ACK); return its arrival
        [ns]."""
        return self._serve(t_ns, size_bytes) + self.delay_ns

    def data(self, t_ns: int, seq: int, size_bytes: int) -> tuple[list[int], bool]:
        """Take data packet ``seq``, ``size_bytes`` with headers; return its arrivals and whether
        it bears CE."""
        script = self.script
        self._data += 1
        place = self._order.setdefault(seq, len(self._order) + 1)
        self._transmissions[seq] = count = self._transmissions.get(seq, 0) + 1
        actions = script.data.get(self._data, []) + script.transmissions.get((place, count), [])
        marked = any(action.kind == "ce" for action in actions)
        if _dropped(actions) or _holds(script.blackout_data, t_ns):
            return [], marked
        while self._inside and self._inside[0] <= t_ns:
            self._inside.popleft()
        if len(self._inside) >= self.limit:
            return [], marked
        return _arrivals(self._serve(t_ns, size_bytes) + self.delay_ns, actions), marked

    def ack(self, t_ns: int) -> list[int]:
        """Take an ACK of the receiver; return its arrivals [ns]."""
        self._acks += 1
        actions = self.script.acks.get(self._acks, [])
        if _dropped(actions) or _holds(self.script.blackout_acks, t_ns):
            return []
        return [
            _held(self.script.hold_acks, due) for due in _arrivals(t_ns + self.delay_ns, actions)
        ]

    def _serve(self, t_ns: int, size_bytes: int) -> int:
        start = _held(self.script.hold_data, max(t_ns, self._last_ns))
        rate = next(rate for since, rate in reversed(self.rates) if since <= start)
        self._last_ns = start + 8 * size_bytes * NS_PER_S // rate
        self._inside.append(self._last_ns)
        return self._last_ns


def _dropped(actions: Iterable[Action]) -> bool:
    return any(action.kind == "drop" for action in actions)


def _holds(spans: Iterable[Span], t_ns: int) -> bool:
    return any(span.holds(t_ns) for span in spans)


def _held(spans: Iterable[Span], t_ns: int) -> int:
    """Return ``t_ns``, or the end of the stall that it falls into."""
    for span in spans:
        if span.holds(t_ns):
            return span.stop_ns
    return t_ns


def _arrivals(due_ns: int, actions: Iterable[Action]) -> list[int]:
    due_ns += sum(action.ns for action in actions if action.kind == "delay")
    return [due_ns, *(due_ns + action.ns for action in actions if action.kind == "dup")]
