"""A state of the verifier: frames with their registers and stacks, and when one covers another."""

from __future__ import annotations

from ccsim.bpf.verifier import values as v
from ccsim.bpf.verifier.bounds import within
from ccsim.bpf.verifier.values import ANYTHING, NOTHING, Reg, Slot

__all__ = ["Frame", "Node", "State", "covers", "widen"]

EXACT, RANGES, LOOSE = range(3)
"""How states are compared: equal; all ranges within; ranges only where they matter."""


class Frame:
    """One function's registers and stack. ``stack`` maps -1, -2, ... (slots of eight bytes below
    the frame pointer) to what they hold.

    start: slot of the function; callsite: of the call, -1 for the program itself; callback: the
    helper that called it, 0 for a plain call; rounds: how often that helper has called back.
    """

    __slots__ = ("callback", "callsite", "regs", "rounds", "stack", "start")

    def __init__(self, start: int, callsite: int, callback: int = 0) -> None:
        self.start = start
        self.callsite = callsite
        self.callback = callback
        self.rounds = 0
        self.regs: list[Reg] = [NOTHING] * 11
        self.stack: dict[int, Slot] = {}

    def copy(self) -> Frame:
        """Return a copy that can change by itself."""
        new = Frame.__new__(Frame)
        new.start, new.callsite, new.callback = self.start, self.callsite, self.callback
        new.rounds = self.rounds
        new.regs = self.regs.copy()
        new.stack = self.stack.copy()
        return new


class Node:
    """A state that was kept at an instruction; ``open`` paths from it are not at their end yet.

    hits, misses: how often it ended another path, and how often it was asked in vain.
    """

    __slots__ = ("hits", "misses", "open", "parent", "pc", "state")

    def __init__(self, state: State, pc: int, parent: Node | None) -> None:
        self.state = state
        self.pc = pc
        self.parent = parent
        self.open = 1
        self.hits = self.misses = 0


class State:
    """Where a path of the program stands.

    refs: reservations to be given back, by id the slot that made them; lock: id of the lock held,
    0 for none; jumps: how often ``may_goto`` went on; length: instructions on this path.
    """

    __slots__ = ("frames", "jumps", "length", "lock", "refs")

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames
        self.refs: dict[int, int] = {}
        self.lock = 0
        self.jumps = 0
        self.length = 0

    def copy(self) -> State:
        """Return a copy that can change by itself."""
        new = State([frame.copy() for frame in self.frames])
        new.refs = self.refs.copy()
        new.lock, new.jumps, new.length = self.lock, self.jumps, self.length
        return new

    @property
    def frame(self) -> Frame:
        """The frame of the function that runs."""
        return self.frames[-1]


class _Ids:
    """Pairs of ids that mean the same in an old and a new state (``check_ids``)."""

    def __init__(self) -> None:
        self._old: dict[int, int] = {}
        self._new: dict[int, int] = {}

    def same(self, old: int, new: int) -> bool:
        if not old or not new:
            return old == new
        if self._old.setdefault(old, new) != new:
            return False
        return self._new.setdefault(new, old) == old

    def scalars(self, old: int, new: int) -> bool:
        """An old number without relations covers any; a new one without gets one of its own."""
        return not old or (bool(new) and self.same(old, new))


def covers(
    old: State, new: State, level: int, live: list[int], precise: list[int], precise_slots: int
) -> bool:
    """Return whether all that the new state may do, the old one may do too (``states_equal``).

    ``live`` and ``precise`` are bit sets of registers for each frame, from the outermost; bit 11
    and on in ``precise`` are stack slots.
    """
    if len(old.frames) != len(new.frames) or old.lock != new.lock:
        return False
    if len(old.refs) != len(new.refs):
        return False
    ids = _Ids()
    for index, (a, b) in enumerate(zip(old.frames, new.frames, strict=True)):
        if (a.start, a.callsite, a.callback) != (b.start, b.callsite, b.callback):
            return False
        if level == EXACT and a.rounds != b.rounds:
            return False
        if not _frame_covers(a, b, level, live[index], precise[index] | precise_slots, ids):
            return False
    return True


def _frame_covers(a: Frame, b: Frame, level: int, live: int, precise: int, ids: _Ids) -> bool:
    for number in range(10):
        if not live >> number & 1:
            continue
        if not _reg_covers(a.regs[number], b.regs[number], level, bool(precise >> number & 1), ids):
            return False
    return _stack_covers(a.stack, b.stack, level, precise, ids)


def _reg_covers(a: Reg, b: Reg, level: int, precise: bool, ids: _Ids) -> bool:
    if a is b and not a.id:
        return True
    if level == EXACT:
        return a._replace(id=0) == b._replace(id=0) and ids.same(a.id, b.id)
    if a.kind == v.UNSET:
        return level == LOOSE or b.kind == v.UNSET
    if a.kind != b.kind or a.maybe_null != b.maybe_null:
        return False
    if a.kind == v.SCALAR:
        if level == LOOSE and not precise:
            return True
        return a.delta == b.delta and ids.scalars(a.id, b.id) and within(b.bounds, a.bounds)
    if (a.where, a.off, a.storage) != (b.where, b.off, b.storage):
        return False
    return within(b.bounds, a.bounds) and ids.same(a.id, b.id) and ids.same(a.ref, b.ref)


_FRESH = Slot(bytes(8))


def _stack_covers(
    a: dict[int, Slot], b: dict[int, Slot], level: int, precise: int, ids: _Ids
) -> bool:
    """Compare stacks; what was never written may be anything (``stacksafe``)."""
    if level == EXACT and a.keys() != b.keys():
        return False
    for number, old in a.items():
        new = b.get(number, _FRESH)
        matters = bool(precise >> 10 - number & 1)
        if old is new and (old.reg is None or not old.reg.id):
            continue
        if old.reg is not None and new.reg is not None and old.bytes == new.bytes:
            if not _reg_covers(old.reg, new.reg, level, matters, ids):
                return False
            continue
        if not _bytes_cover(old, new, level, matters):
            return False
    return True


def _bytes_cover(old: Slot, new: Slot, level: int, matters: bool) -> bool:
    if old.reg is not None and old.reg.kind != v.SCALAR:
        return False
    if level == EXACT:
        return old == new
    if old.reg is not None:
        # a number was spilled: other bytes may stand for it where its value does not matter
        if new.reg is not None and new.reg.kind != v.SCALAR:
            return False
        return (not matters and level == LOOSE) or within_unknown(old.reg)
    for was, now in zip(old.bytes, new.bytes, strict=True):
        if was == now or was == v.INVALID:
            continue
        if was == v.MISC and now in (v.INVALID, v.NAUGHT):
            continue
        if was == v.MISC and now == v.SPILL and new.reg and new.reg.kind == v.SCALAR:
            continue
        if not matters and level == LOOSE and v.ITER not in (was, now) and _number(new):
            continue
        return False
    return True


def _number(slot: Slot) -> bool:
    return slot.reg is None or slot.reg.kind == v.SCALAR


def within_unknown(reg: Reg) -> bool:
    """Report whether nothing is known of a register's value."""
    return reg.bounds == ANYTHING.bounds


def widen(old: State, new: State, precise: list[int], precise_slots: int) -> None:
    """Forget what differs between two rounds of a loop and does not matter, so that the next round
    is like this one (``widen_imprecise_scalars``).
    """
    for index, (a, b) in enumerate(zip(old.frames, new.frames, strict=False)):
        bits = precise[index] | precise_slots if index < len(precise) else 0
        for number in range(10):
            b.regs[number] = _widened(a.regs[number], b.regs[number], bits >> number & 1)
        for number, slot in b.stack.items():
            before = a.stack.get(number)
            if slot.reg is not None and before is not None and before.reg is not None:
                reg = _widened(before.reg, slot.reg, bits >> 10 - number & 1)
                b.stack[number] = Slot(slot.bytes, reg)


def _widened(old: Reg, new: Reg, matters: int) -> Reg:
    if old.kind != v.SCALAR or new.kind != v.SCALAR or matters or old.bounds == new.bounds:
        return new
    return ANYTHING
