"""The verifier's walk over all paths of one program (``do_check`` and ``is_state_visited``).

Each instruction is carried out on what is known of registers and stack. Where a jump may go both
ways, both are followed; where a path meets a state that was followed to its end and covers its own,
it ends. What Linux refuses is refused with its errno and sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ccsim.bpf import instructions as isa
from ccsim.bpf.btf import Btf
from ccsim.bpf.instructions import Instruction
from ccsim.bpf.mapspec import MapSpec
from ccsim.bpf.verifier import steps
from ccsim.bpf.verifier import values as v
from ccsim.bpf.verifier.access import Access
from ccsim.bpf.verifier.bounds import Bounds
from ccsim.bpf.verifier.flow import Flow
from ccsim.bpf.verifier.helpers import FOR_EACH, LOOP, TIMER_SET_CALLBACK
from ccsim.bpf.verifier.prototypes import prototype_of, special_members
from ccsim.bpf.verifier.refusal import Refusal
from ccsim.bpf.verifier.state import EXACT, LOOSE, RANGES, Frame, Node, State, covers, widen
from ccsim.bpf.verifier.values import ANYTHING, NOTHING, Reg, Slot
from ccsim.kernel.errors import E2BIG, EACCES, EINVAL

__all__ = ["COMPLEXITY_LIMIT", "Checker", "Verdict"]

COMPLEXITY_LIMIT = 1_000_000  # instructions on all paths together (BPF_COMPLEXITY_LIMIT_INSNS)
FORKS_SHARE = 250  # ours: with more than one fork in that many of these, it is guarded instead
MAX_BRANCHES = 8192  # BPF_COMPLEXITY_LIMIT_JMP_SEQ
MAX_FRAMES = 8
STACK_LIMIT = 512


@dataclass(frozen=True)
class Verdict:
    """What was found out about a program that may run.

    processed: instructions on all paths together; accesses: by slot; guarded: whether the paths
    were too many to follow, so that every access is checked when it runs; reached: slots that some
    path reaches; helpers, kfuncs, maps: names of what is used.
    """

    processed: int
    accesses: dict[int, Access] = field(default_factory=dict)
    guarded: bool = False
    reached: frozenset[int] = frozenset()
    helpers: frozenset[str] = frozenset()
    kfuncs: frozenset[str] = frozenset()
    maps: frozenset[str] = frozenset()


class Checker:
    """One program under the eyes of the verifier.

    member: of tcp_congestion_ops that it implements; poison: why a slot must not be reached; limit:
    of instructions on all paths together.
    """

    def __init__(
        self,
        program: list[Instruction],
        member: str,
        maps: Sequence[MapSpec],
        btf: Btf,
        kfuncs: Sequence[str] = (),
        poison: dict[int, str] | None = None,
        *,
        arguments: int = 4,
        limit: int = COMPLEXITY_LIMIT,
    ) -> None:
        self.program = program
        self.member = member
        self.maps = maps
        self.btf = btf
        self.kfuncs = kfuncs
        self.poison = poison or {}
        self.limit = limit
        self.arguments, self.returns = prototype_of(member, arguments)
        self.flow = Flow(program)
        self.slot = 0
        self.processed = 0
        self.forks = 0
        self.accesses: dict[int, Access] = {}
        self.helpers: set[str] = set()
        self.kernel_functions: set[str] = set()
        self.used_maps: set[str] = set()
        self.reached: set[int] = set()
        self.notes: list[str] = []
        self.pending: list[tuple[int, State, Node | None]] = []
        self.node: Node | None = None
        self.kept: dict[int, list[Node]] = {}
        self.timers: set[tuple[int, int]] = set()  # callbacks that are followed, by map
        self._ids = 0
        self._depths: dict[int, int] = {}
        self._special: dict[int, list[tuple[str, int, int]]] = {}
        self._prune = self._prune_points()

    def run(self) -> Verdict:
        """Follow all paths. Raises Refusal for what Linux refuses."""
        frame = Frame(0, -1)
        frame.regs[1] = Reg(v.CTX)
        frame.regs[10] = Reg(v.STACK, where=0)
        self.pending.append((0, State([frame]), None))
        guarded = False
        while self.pending:
            slot, state, self.node = self.pending.pop()
            if not self._follow(slot, state):
                guarded = True
                break
            self._close()
        if not guarded:
            self._check_depth()
        return Verdict(
            self.processed,
            self.accesses,
            guarded,
            frozenset(self.reached),
            frozenset(self.helpers),
            frozenset(self.kernel_functions),
            frozenset(self.used_maps),
        )

    def _follow(self, slot: int, state: State) -> bool:
        """Follow one path to its end; False where there are too many paths to follow."""
        while slot >= 0:
            self.slot = slot
            self.processed += 1
            state.length += 1
            if self.processed > self.limit:
                raise Refusal(E2BIG, f"BPF program is too large. Processed {self.processed} insn")
            if self.forks > self.limit // FORKS_SHARE:
                return False
            if slot in self._prune and self._visited(slot, state):
                return True
            self.reached.add(slot)
            slot = steps.step(self, state, slot)
        return True

    # --- what the steps tell and ask ---

    def new_id(self) -> int:
        """Return an id that no value has yet."""
        self._ids += 1
        return self._ids

    def note(self, text: str) -> None:
        """Keep a line for the log, before the sentence of a refusal."""
        self.notes.append(text)

    def push(self, slot: int, state: State) -> None:
        """Leave a path for later."""
        if len(self.pending) >= MAX_BRANCHES:
            raise Refusal(E2BIG, f"The sequence of {MAX_BRANCHES} jumps is too complex.")
        if self.node is not None:
            self.node.open += 1
        self.forks += 1
        self.pending.append((slot, state, self.node))

    def access(
        self, region: str, where: int | None, offset: int | None, size: int, *, write: bool
    ) -> None:
        """Note what the instruction does to memory."""
        new = Access(region, where, offset, size, write)
        old = self.accesses.get(self.slot)
        self.accesses[self.slot] = new if old is None else old.joined(new)

    def matters(self, number: int) -> None:
        """Note that a register's value, not only its kind, was relied on here."""
        self.flow.mark(self.slot, 1 << number)

    def use_stack(self, start: int, low: int) -> None:
        """Note how deep a function's stack is."""
        self._depths[start] = max(self._depths.get(start, 0), -low)

    def note_stack_read(self, frame: Frame, outer: int, low: int, high: int, size: int) -> None:
        """Note where a value comes from; from another frame, or unclear: it always matters."""
        bits = 0
        for number in range(low >> 3, (high + size - 1 >> 3) + 1):
            bits |= 1 << 10 - number
        if outer or low != high:
            self.flow.need_slots |= bits
        else:
            loads = self.flow.loads
            if bits & ~loads.get(self.slot, 0):
                loads[self.slot] = loads.get(self.slot, 0) | bits
                needed = self.flow.need[self.slot]
                self.flow.need[self.slot] = 0
                self.flow.mark(self.slot, needed | self._wanted_behind(bits))

    def _wanted_behind(self, bits: int) -> int:
        """Return the slots read if what is read here matters later on."""
        it = self.program[self.slot]
        after = 0
        for target in self.flow.next[self.slot]:
            after |= self.flow.need[target]
        return bits if after >> it.dst & 1 else 0

    def special(self, number: int) -> list[tuple[str, int, int]]:
        """Return the locks and timers in a map's value: (name, start, end)."""
        if number not in self._special:
            self._special[number] = special_members(self.btf, self.maps[number].value_type)
        return self._special[number]

    # --- calls ---

    def enter(self, state: State, start: int, callback: int = 0) -> Frame:
        """Put a new frame on top; its arguments are the caller's."""
        if len(state.frames) >= MAX_FRAMES:
            raise Refusal(E2BIG, f"the call stack of {len(state.frames) + 1} frames is too deep")
        frame = Frame(start, self.slot, callback)
        frame.regs[10] = Reg(v.STACK, where=len(state.frames))
        state.frames.append(frame)
        return frame

    def loop(
        self, state: State, helper: int, start: int, rounds: Bounds, context: Reg, map: int
    ) -> None:
        """Try a callback once more, on a path of its own; this path is the one after the last
        round.
        """
        frame = state.frame
        if helper != FOR_EACH and frame.rounds >= rounds.umax:
            frame.rounds = 0
            return
        inner = state.copy()
        called = self.enter(inner, start, helper)
        caller = inner.frames[-2]
        for number in range(6):
            caller.regs[number] = NOTHING
        if helper == FOR_EACH:
            called.regs[1] = Reg(v.MAP, where=map)
            called.regs[2] = Reg(v.MAP_KEY, where=map)
            called.regs[3] = Reg(v.MAP_VALUE, where=map)
            called.regs[4] = context
        else:
            called.regs[1] = ANYTHING
            called.regs[2] = context
        self._remember_arguments(caller, state)
        frame.rounds = 0
        self.push(start, inner)

    def later(self, start: int, map: int) -> None:
        """Follow a timer's callback on a path of its own, which begins where nothing else is
        (``push_async_cb``)."""
        if (start, map) in self.timers:
            return
        self.timers.add((start, map))
        frame = Frame(start, -1, TIMER_SET_CALLBACK)
        frame.regs[1] = Reg(v.MAP, where=map)
        frame.regs[2] = Reg(v.MAP_KEY, where=map)
        frame.regs[3] = Reg(v.MAP_VALUE, where=map)
        frame.regs[10] = Reg(v.STACK, where=0)
        self.push(start, State([frame]))

    def check_timer_end(self, result: Reg) -> None:
        """Refuse a timer's callback that does not return 0 (``check_return_code``)."""
        self._check_result("At async callback return", result, 0)

    def _check_result(self, when: str, result: Reg, most: int) -> None:
        if result.kind == v.UNSET:
            raise Refusal(EACCES, "R0 !read_ok")
        if result.kind != v.SCALAR:
            raise Refusal(EACCES, "R0 not a scalar value")
        self.matters(0)
        if result.bounds.umax > most:
            has = v.describe_range(result.bounds)
            raise Refusal(
                EINVAL, f"{when} the register R0 has {has} should have been in [0, {most}]"
            )

    def _remember_arguments(self, caller: Frame, state: State) -> None:
        """Keep the call's arguments in the caller's frame: the call is made again after a round."""
        caller.regs[:6] = self.call_arguments

    call_arguments: Sequence[Reg] = (NOTHING,) * 6

    def back(self, state: State) -> int:
        """Return from a callback to the call that made it, which may call again."""
        frame = state.frames[-1]
        self._check_result("At callback return", frame.regs[0], 1)
        state.frames.pop()
        state.frame.rounds += 1
        self.widen(state, frame.callsite)
        return frame.callsite

    def iterate(self, state: State, name: str, place: Reg) -> None:
        """Follow an open-coded iterator: it has a next number, or has not."""
        frame = state.frames[place.where]
        number = place.off >> 3
        self.use_stack(frame.start, place.off)
        at = frame.stack.get(number)
        ready = at is not None and at.bytes == _ITERATOR
        if name.endswith("_new"):
            if ready:
                raise Refusal(EINVAL, "expected uninitialized iter_num as arg #0")
            frame.stack[number] = Slot(_ITERATOR)
            return
        if not ready:
            raise Refusal(EINVAL, "expected an initialized iter_num as arg #0")
        if name.endswith("_destroy"):
            frame.stack[number] = Slot(bytes([v.MISC] * 8))
            return
        more = state.copy()
        more.frame.regs[0] = Reg(v.MEM, where=4, id=self.new_id())
        self.widen(more, self.slot, skip=True)
        more.frame.rounds += 1
        self.push(self.slot + 1, more)
        state.frame.regs[0] = v.NULL

    def widen(self, state: State, slot: int, *, skip: bool = False) -> None:
        """Forget what changed since the round before and does not matter; ``skip`` the state that
        was kept just now.
        """
        node = self.node.parent if skip and self.node is not None else self.node
        while node is not None and node.pc != slot:
            node = node.parent
        if node is not None and len(node.state.frames) == len(state.frames):
            widen(node.state, state, self._needs(state, slot), self.flow.need_slots)

    # --- states that were met before ---

    def _prune_points(self) -> set[int]:
        """Slots where states are kept: where paths meet, and where loops go round."""
        found: set[int] = set()
        for slot, it in enumerate(self.program):
            if it.cls in (isa.JMP, isa.JMP32) and it.op not in (isa.CALL, isa.EXIT):
                found.update(self.flow.next[slot] if it.op != isa.JA else self.flow.next[slot][:1])
            elif (it.opcode == isa.CALL_OPCODE and it.src != isa.CALL_HELPER) or (
                it.opcode == isa.CALL_OPCODE and it.imm in (LOOP, FOR_EACH)
            ):
                found.update((slot, slot + 1))
        return found

    def _needs(self, state: State, slot: int) -> list[int]:
        return self._sets(self.flow.need, state, slot)

    def _sets(self, sets: list[int], state: State, slot: int) -> list[int]:
        """Return the bit set of each frame: at its call's return, or where the path stands."""
        outer = []
        for frame in state.frames[1:]:
            at = frame.callsite
            outer.append(sets[at] if frame.callback else sets[min(at + 1, len(sets) - 1)])
        return [*outer, sets[slot]]

    def _visited(self, slot: int, state: State) -> bool:
        """Return whether the path may end here; else keep the state."""
        live = self._sets(self.flow.live, state, slot)
        needs = self._needs(state, slot)
        slots = self.flow.need_slots
        it = self.program[slot]
        rounds = self._is_round(it)
        kept = self.kept.setdefault(slot, [])
        looping = False
        for node in reversed(kept):
            if node.open:
                if rounds and covers(node.state, state, RANGES, live, needs, slots):
                    if self._goes_round(slot, node, state):
                        return True
                elif self._same_rounds(node.state, state) and covers(
                    node.state, state, EXACT, live, needs, slots
                ):
                    raise Refusal(EINVAL, f"infinite loop detected at insn {slot}")
                looping = True
            elif covers(node.state, state, LOOSE, live, needs, slots):
                node.hits += 1
                return True
            node.misses += 1
        if rounds or self._worth_keeping(slot, state, looping):
            self.node = Node(state.copy(), slot, self.node)
            kept[:] = [n for n in kept if n.misses <= 3 * n.hits + (64 if rounds else 3)]
            kept.append(self.node)
        return False

    def _is_round(self, it: Instruction) -> bool:
        """Whether an instruction is where a loop goes round that Linux ends by itself."""
        if it.opcode != isa.CALL_OPCODE:
            return it.cls == isa.JMP and it.op == isa.JCOND
        if it.src == isa.CALL_KFUNC:
            return self.kfuncs[it.imm].endswith("_next")
        return it.src == isa.CALL_HELPER and it.imm in (LOOP, FOR_EACH)

    def _goes_round(self, slot: int, node: Node, state: State) -> bool:
        """Whether a call is of an iterator's next, or a may_goto, that went round since."""
        jumps = self.program[slot].op == isa.JCOND
        return not jumps or node.state.jumps != state.jumps

    def _same_rounds(self, old: State, new: State) -> bool:
        if old.jumps != new.jumps:
            return False
        return [f.rounds for f in old.frames] == [f.rounds for f in new.frames]

    def _worth_keeping(self, slot: int, state: State, looping: bool) -> bool:
        """Whether to keep a state: too many cost more than they save, above all in long loops
        (``is_state_visited``).
        """
        if self.node is None:
            return True
        since = state.length - self.node.state.length
        if looping:
            return since >= 100
        return since >= 8 or len(self.flow.before[slot]) > 1

    def _close(self) -> None:
        """A path is at its end; so are the states from which no other path is left."""
        node = self.node
        while node is not None:
            node.open -= 1
            if node.open:
                return
            node = node.parent

    # --- the stacks of functions that call each other ---

    def _check_depth(self) -> None:
        """Refuse stacks that are too deep together (``check_max_stack_depth``)."""
        calls: dict[int, set[int]] = {}
        alone = {start for start, _ in self.timers}
        for target, sites in self.flow.calls.items():
            for site in sites:
                calls.setdefault(self.flow.function[site], set()).add(target)
        for slot, it in enumerate(self.program):
            if it.opcode == isa.LD_IMM64 and it.src == isa.PSEUDO_FUNC and it.imm not in alone:
                calls.setdefault(self.flow.function[slot], set()).add(it.imm)
        work = [(start, self._rounded(start), 1) for start in (0, *alone)]
        while work:
            start, depth, frames = work.pop()
            if depth > STACK_LIMIT:
                raise Refusal(
                    EACCES, f"combined stack size of {frames} calls is {depth}. Too large", 0
                )
            if frames >= MAX_FRAMES and calls.get(start):
                raise Refusal(E2BIG, f"the call stack of {frames} frames is too deep !", 0)
            for target in calls.get(start, ()):
                work.append((target, depth + self._rounded(target), frames + 1))

    def _rounded(self, start: int) -> int:
        return -(-max(self._depths.get(start, 0), 1) // 16) * 16


_ITERATOR = bytes([v.ITER] * 8)
