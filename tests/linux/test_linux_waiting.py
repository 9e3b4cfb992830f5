"""Waiting on a machine that wakes late, on a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Sequence

from ccsim.linux.waiting import Waiter

US = 1000
MS = 1_000_000


class Machine:
    """A clock; sleeps last ``late_ns`` too long, a look 1 us. Packets come at ``comes``."""

    def __init__(self, late_ns: int, comes: Sequence[int] = ()) -> None:
        self.late_ns = late_ns
        self.comes = list(comes)
        self.now = 0
        self.slept: list[int] = []

    def clock(self) -> int:
        return self.now

    def poll(self, timeout: float) -> Sequence[int]:
        asked = round(timeout * 1e9)
        if not asked:
            self.now += US
        elif self.comes and self.comes[0] < self.now + asked:
            self.now = self.comes[0] + self.late_ns
        else:
            self.slept.append(asked)
            self.now += asked + self.late_ns
        if self.comes and self.comes[0] <= self.now:
            self.comes.pop(0)
            return [7]
        return []


def waiter(machine: Machine, *, prompt: bool = True) -> Waiter:
    return Waiter([7], prompt=prompt, clock=machine.clock, poll=machine.poll)


def test_it_learns_how_late_it_wakes_and_is_then_ready_at_the_instant() -> None:
    machine = Machine(40 * US)
    it = waiter(machine)
    it.learn(100 * MS)
    assert 39 * US <= it.late_ns <= 40 * US
    machine.slept.clear()
    due = machine.now + 5 * MS
    ready, came = it.wait(due)
    assert not ready
    assert due <= came == machine.now <= due + US
    assert machine.slept == [5 * MS - it.late_ns]


def test_a_packet_that_woke_it_came_earlier_by_as_much() -> None:
    machine = Machine(40 * US, comes=[103 * MS])
    it = waiter(machine)
    it.learn(100 * MS)
    ready, came = it.wait(110 * MS)
    assert list(ready) == [7]
    assert abs(came - 103 * MS) <= US


def test_a_packet_did_not_come_before_it_was_waited_for() -> None:
    machine = Machine(100 * US)
    it = waiter(machine)
    it.learn(100 * MS)
    machine.late_ns = 10 * US  # as for once
    entered = machine.now
    machine.comes = [entered + 5 * US]
    assert it.wait(entered + MS) == ([7], entered)


def test_a_packet_that_it_finds_when_it_looks_came_just_then() -> None:
    machine = Machine(40 * US)
    it = waiter(machine)
    it.learn(100 * MS)
    machine.late_ns = 20 * US  # it wakes 20 us before the instant, and looks
    due = machine.now + MS
    machine.comes = [due - 10 * US]
    ready, came = it.wait(due)
    assert list(ready) == [7]
    assert due - 10 * US <= came <= due - 9 * US


def test_without_priority_it_sleeps_up_to_the_instant() -> None:
    machine = Machine(40 * US)
    it = waiter(machine, prompt=False)
    it.learn(100 * MS)
    machine.slept.clear()
    it.wait(machine.now + 5 * MS)
    assert machine.slept == [5 * MS]


def test_a_stall_says_little_of_how_late_it_is_as_a_rule() -> None:
    machine = Machine(10 * MS)
    it = waiter(machine)
    it.wait(MS)
    assert it.late_ns == 200 * US // 16


def test_it_looks_for_no_more_than_its_share_of_the_time() -> None:
    """Instants 100 us apart and wakings 90 us early would be nine tenths of the time."""
    machine = Machine(100 * US)
    it = waiter(machine)
    it.learn(100 * MS)
    machine.late_ns = 5 * US
    began, slept = machine.now, len(machine.slept)
    for k in range(1, 5000):
        it.late_ns = 95 * US
        it.wait(began + k * 100 * US)
    naps = machine.slept[slept:]
    looked = machine.now - began - sum(naps) - 5 * US * len(naps)
    assert looked < (machine.now - began) // 4 + 30 * MS
