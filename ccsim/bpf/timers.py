"""Timers in the values of maps (``bpf_timer``, kernel/bpf/helpers.c), on the simulated clock.

A callback reaches maps and variables alone, and those are looked at by the object's own programs
and at the end of a run. So what is due runs just before the next program does, at its own time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ccsim.bpf.interpreter import interpreted
from ccsim.bpf.maps import HashMap
from ccsim.bpf.memory import MAP_HANDLES, MAP_VALUES, BpfFault
from ccsim.units import NS_PER_S

if TYPE_CHECKING:
    from ccsim.bpf.runtime import Code, Runtime

__all__ = ["Timers"]

EBUSY, EINVAL, EDEADLK = 16, 22, 35
CLOCKS = frozenset({0, 1, 7})  # CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME: all are one here
ABSOLUTE, PINNED = 1, 2  # BPF_F_TIMER_ABS, BPF_F_TIMER_CPU_PIN
MOST_CALLS = 1 << 20  # in a row, before the run is ended
NEVER = 1 << 63


@dataclass
class _Timer:
    """One timer: the map and address that it lies at, its callback, when it is due [ns], and the
    socket whose program started it."""

    map: Any
    address: int
    run: Callable[..., int] | None = None
    code: Code | None = None
    slot: int = 0
    due_ns: int = NEVER
    sk: Any = None


class _Clock:
    """What a callback has instead of a socket: the time, and the starting socket's stream."""

    def __init__(self, sk: Any, t_ns: int) -> None:
        self.tcp_clock_cache = t_ns
        self.hz = sk.hz
        self.random = sk.random
        host = getattr(sk, "host", None)
        later = (t_ns - sk.tcp_clock_cache) * sk.hz // NS_PER_S
        self.tcp_jiffies32 = host.jiffies(t_ns) if host else sk.tcp_jiffies32 + later


class Timers:
    """The timers of one object; ``next_ns`` is when the next one is due."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.next_ns = NEVER
        self._timers: dict[int, _Timer] = {}
        self._due: list[tuple[int, int, _Timer]] = []
        self._number = 0
        self._running: _Timer | None = None
        self._runs: dict[str, Callable[..., int]] = {}

    # --- the helpers ---

    def init(self, address: int, map: Any, flags: int) -> int:
        """Make a timer of a value's bytes; EBUSY if it is one."""
        if flags not in CLOCKS:
            return -EINVAL
        if address in self._timers:
            return -EBUSY
        map.timer_at = (address - map.address) % map.stride
        map.timer_freed = self.forget
        self._timers[address] = _Timer(map, address)
        return 0

    def set_callback(self, address: int, code: Code, slot: int) -> int:
        """Say which function of a program is called."""
        timer = self._timers.get(address)
        if timer is None:
            return -EINVAL
        if code.name not in self._runs:
            self._runs[code.name] = interpreted(self.runtime, code)
        timer.run, timer.code, timer.slot = self._runs[code.name], code, slot
        return 0

    def start(self, address: int, sk: Any, ns: int, flags: int) -> int:
        """Let a timer be due in, or with BPF_F_TIMER_ABS at, that many nanoseconds."""
        timer = self._timers.get(address)
        if flags & ~(ABSOLUTE | PINNED) or timer is None or timer.run is None:
            return -EINVAL
        now = sk.tcp_clock_cache
        timer.due_ns = max(now, ns if flags & ABSOLUTE else now + ns)
        timer.sk = sk
        self._number += 1
        heapq.heappush(self._due, (timer.due_ns, self._number, timer))
        self.next_ns = self._due[0][0]
        return 0

    def cancel(self, address: int) -> int:
        """Stop a timer and forget its callback; return whether it was waiting."""
        timer = self._timers.get(address)
        if timer is None:
            return -EINVAL
        if timer is self._running:
            return -EDEADLK
        waited = timer.due_ns != NEVER
        timer.due_ns, timer.run = NEVER, None
        return int(waited)

    def forget(self, address: int) -> None:
        """Let a timer go with its value."""
        timer = self._timers.pop(address, None)
        if timer is not None:
            timer.due_ns = NEVER

    # --- time ---

    def come_to(self, t_ns: int) -> None:
        """Call what is due by a time, in its order."""
        calls = 0
        while self._due and self._due[0][0] <= t_ns:
            due_ns, _, timer = heapq.heappop(self._due)
            if timer.due_ns != due_ns or timer.run is None:  # was stopped, or started anew
                continue
            calls += 1
            if calls > MOST_CALLS:
                name = timer.code.name if timer.code else ""
                raise BpfFault(f"program {name}: its timer ran {MOST_CALLS} times in a row")
            timer.due_ns = NEVER
            self._call(timer, due_ns)
        self.next_ns = self._due[0][0] if self._due else NEVER

    def _call(self, timer: _Timer, t_ns: int) -> None:
        """Call ``callback(map, &key, &value)``."""
        clock = _Clock(timer.sk, t_ns)
        run, slot = timer.run, timer.slot
        assert run is not None
        invocation = self.runtime.invocation(clock, "timer", (), timer.code)
        invocation.call = lambda slot, *arguments: run(invocation, slot, *arguments)
        value = timer.address - timer.map.timer_at
        index = (value - timer.map.address) // timer.map.stride
        key = index.to_bytes(4, "little")
        if isinstance(timer.map, HashMap):
            key = next(key for key, at in timer.map.slots.items() if at == index)
        handle = MAP_HANDLES | (timer.map.address - MAP_VALUES) >> 32
        before, self._running = self._running, timer
        try:
            with invocation.scratch(len(key)) as (address, data):
                data[:] = key
                run(invocation, slot, handle, address, value)
        finally:
            self._running = before
