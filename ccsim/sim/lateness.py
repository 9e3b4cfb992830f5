"""Hosts that are late: timers, ACKs and packets that a host sees to when it is awake and gets round
to them.

What falls due in a stall (`ccsim.sim.stalls`) waits for its end. Then it takes a delay, of which
each packet and each ACK has its own, drawn in their order, and each timer one that its time
decides. So no number depends on how many are looked at in one go.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.stalls import HostStalls, draws_of, uniform
from ccsim.sim.streams import stream_seed
from ccsim.sim.workloads import PlannedFlow
from ccsim.spec import Hosts, Lateness

__all__ = ["DRAWS", "Handover", "LateHost", "LateHosts"]

Column = NDArray[np.int64]

DRAWS = 4096  # delays, used over and over
MASK = DRAWS - 1
SPREAD = 0x9E37_79B9_7F4A_7C15  # of times over the delays (Fibonacci hashing)
U64 = (1 << 64) - 1
TOP_BITS = 64 - 12


class LateHost:
    """One host: its stalls, and the delays that it shares with others of its kind."""

    def __init__(self, stalls: HostStalls | None, delays: Column, seed: int) -> None:
        self.stalls = stalls
        self.delays = delays
        self.drawn: list[int] = delays.tolist()
        self.salt = seed

    def sees_to(self, t_ns: int) -> int:
        """Return when it sees to a timer that is due at ``t_ns``."""
        awake = t_ns if self.stalls is None else self.stalls.awake(t_ns)
        return awake + self.drawn[((t_ns ^ self.salt) * SPREAD & U64) >> TOP_BITS]


class Handover:
    """What one flow has one host do, in order: a receiver's packets, or a sender's ACKs.

    ``first`` is the delay that the first of them has.
    """

    __slots__ = ("_host", "_last_ns", "_next")

    def __init__(self, host: LateHost, first: int) -> None:
        self._host = host
        self._next = first & MASK
        self._last_ns = 0

    def times(self, times: list[int]) -> list[int]:
        """Return when it has dealt with what comes at ``times`` [ns]."""
        stalls, drawn, last, k = self._host.stalls, self._host.drawn, self._last_ns, self._next
        done = []
        for t in times:
            late = (t if stalls is None else stalls.awake(t)) + drawn[k]
            last = late if late > last else last
            k = (k + 1) & MASK
            done.append(last)
        self._last_ns, self._next = last, k
        return done

    def column(self, t_ns: Column) -> Column:
        """Like `times`, with a column."""
        n = len(t_ns)
        if not n:
            return t_ns
        stalls, k = self._host.stalls, self._next
        late = t_ns if stalls is None else stalls.awake_column(t_ns)
        late = late + self._host.delays[np.arange(k, k + n) & MASK]
        late[0] = max(int(late[0]), self._last_ns)
        np.maximum.accumulate(late, out=late)
        self._last_ns, self._next = int(late[-1]), (k + n) & MASK
        return late


class LateHosts:
    """The hosts of one run, by name."""

    def __init__(self, hosts: Hosts, seed: int) -> None:
        self._spec = hosts
        self._seed = seed
        self._delays: dict[Lateness, Column] = {}
        self._made: dict[tuple[str, Lateness], LateHost] = {}

    def of(self, flow: PlannedFlow, index: int) -> tuple[LateHost | None, LateHost | None]:
        """Return the sending and the receiving host of a flow: those it names, else two that the
        connections of its workload share, or that it has to itself."""
        own = flow.workload or f"flow {index}"
        names = flow.spec.hosts or (f"sender of {own}", f"receiver of {own}")
        return self._host(names[0], self._spec.sender), self._host(names[1], self._spec.receiver)

    def handover(self, host: LateHost | None, component: str, index: int) -> Handover | None:
        """Return what flow number ``index`` has a host do."""
        if host is None:
            return None
        return Handover(host, stream_seed(self._seed, component, index))

    def _host(self, name: str, lateness: Lateness | None) -> LateHost | None:
        if lateness is None:
            return None
        key = name, lateness
        if key not in self._made:
            seed = stream_seed(self._seed, f"host/{name}")
            stalls = None if lateness.stalls is None else HostStalls(lateness.stalls, seed)
            self._made[key] = LateHost(stalls, self._delays_of(lateness), seed)
        return self._made[key]

    def _delays_of(self, lateness: Lateness) -> Column:
        found = self._delays.get(lateness)
        if found is None:
            found = self._delays[lateness] = np.zeros(DRAWS, dtype=np.int64)
            if lateness.delay_ns is not None:
                bits = np.random.PCG64(stream_seed(self._seed, "host delays"))
                found[:] = draws_of(lateness.delay_ns, uniform(bits, DRAWS))
        return found
