"""CO-RE: what an object asks of the kernel's types, answered (libbpf's ``relo_core.c``)."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import MAX_DEPTH, Btf, Type
from ccsim.bpf.btf_ext import CoreRelocation
from ccsim.bpf.core_match import (
    essential,
    fields_compatible,
    same_kind,
    types_compatible,
    types_match,
)
from ccsim.bpf.errors import LOAD, BpfObjectError
from ccsim.kernel.errors import E2BIG, EINVAL, EOPNOTSUPP

__all__ = ["Answer", "CoreError", "resolve"]

(
    BYTE_OFFSET,
    BYTE_SIZE,
    FIELD_EXISTS,
    FIELD_SIGNED,
    LSHIFT_U64,
    RSHIFT_U64,
    TYPE_ID_LOCAL,
    TYPE_ID_TARGET,
    TYPE_EXISTS,
    TYPE_SIZE,
    ENUMVAL_EXISTS,
    ENUMVAL_VALUE,
    TYPE_MATCHES,
) = range(13)
KIND_NAMES = (
    *("byte_off", "byte_sz", "field_exists", "signed", "lshift_u64", "rshift_u64"),
    *("local_type_id", "target_type_id", "type_exists", "type_size"),
    *("enumval_exists", "enumval_value", "type_matches"),
)
_FIELD = frozenset(range(BYTE_OFFSET, TYPE_ID_LOCAL))
_ENUMVAL = frozenset({ENUMVAL_EXISTS, ENUMVAL_VALUE})
_EXISTENCE = frozenset({FIELD_EXISTS, TYPE_EXISTS, ENUMVAL_EXISTS, TYPE_MATCHES, TYPE_ID_TARGET})
"""What is answered with 0 where there is nothing, instead of poisoning the instruction."""


class CoreError(BpfObjectError):
    """A relocation that cannot be understood, whatever the kernel."""

    def __init__(self, message: str, number: int = EINVAL) -> None:
        super().__init__(LOAD, number, message)
        self.args = (message, number)


@dataclass(frozen=True, slots=True)
class Step:
    """One step into a type: a member by name, or an element of an array by index."""

    type: int
    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Spec:
    """A path into a type: where it ends, and the steps that lead there."""

    root: int
    bit_offset: int
    steps: tuple[Step, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The value to put in the place of another.

    value: None where the kernel has nothing of the kind, which poisons the instruction; original:
    what the compiler put there, None where that is not certain (bit-fields); size: bytes that a
    load or store moves on this kernel, 0 to leave it; resizable: whether another size is harmless;
    what: the relocation as libbpf describes it.
    """

    value: int | None
    original: int | None
    size: int
    original_size: int
    resizable: bool
    what: str


@dataclass(frozen=True, slots=True)
class _Value:
    value: int
    certain: bool = True
    size: int = 0
    type: int = 0


def resolve(local: Btf, relocation: CoreRelocation, target: Btf) -> Answer:
    """Answer one relocation. Raises CoreError for one that libbpf itself refuses."""
    spec = _local_spec(local, relocation)
    what = _describe(local, relocation, spec)
    kind = relocation.kind
    if kind == TYPE_ID_LOCAL:
        return Answer(spec.root, spec.root, 0, 0, True, what)
    original = _value(local, kind, spec)
    found: list[tuple[Spec, _Value]] = []
    for number in _candidates(local, spec, target):
        match = _match(local, kind, spec, target, number)
        if match is not None:
            found.append((match, _value(target, kind, match)))
    if not found:
        value = 0 if kind in _EXISTENCE else None
        return Answer(value, original.value, 0, 0, True, what)
    if len({new.value for _, new in found}) > 1:
        raise CoreError(f"CO-RE relocation {what}: the kernel's types disagree")
    new = found[0][1]
    resizable = original.size == new.size or _harmless(local, original, target, new)
    before = original.value if original.certain else None
    return Answer(new.value, before, new.size, original.size, resizable, what)


def _harmless(local: Btf, original: _Value, target: Btf, new: _Value) -> bool:
    """Return whether a load of another size reads the same number: pointers and unsigned
    integers do.
    """
    a, b = local.plain(original.type), target.plain(new.type)
    if a.kind == b.kind == kinds.INT:
        return not a.signed and not b.signed
    return a.kind == b.kind == kinds.PTR


def _describe(local: Btf, relocation: CoreRelocation, spec: Spec) -> str:
    """Return ``<byte_off> [27] struct tcp_sock.snd_cwnd (0:3 @ offset 12)``."""
    head = f"<{KIND_NAMES[relocation.kind]}> [{spec.root}] {local.describe(spec.root)}"
    if relocation.kind in _ENUMVAL:
        name, value = local.plain(spec.root).values[spec.steps[0].index]
        return f"{head}::{name} = {value}"
    if relocation.kind not in _FIELD:
        return head
    first, *rest = spec.steps
    path = f"[{first.index}]" if first.index else ""
    path += "".join(f".{s.name}" if s.name else f"[{s.index}]" for s in rest)
    where = f"{spec.bit_offset // 8}"
    if spec.bit_offset % 8:
        where += f".{spec.bit_offset % 8}"
    return f"{head}{path} ({spec.text} @ offset {where})"


def _local_spec(local: Btf, relocation: CoreRelocation) -> Spec:
    """Read the path of a relocation (``bpf_core_parse_spec``)."""
    kind, text = relocation.kind, relocation.path
    if not 0 <= kind < len(KIND_NAMES):
        raise CoreError(f"CO-RE relocation: there is no kind {kind}")
    indexes = [int(part) for part in text.split(":") if part.isascii() and part.isdigit()]
    if not indexes or len(indexes) != text.count(":") + 1 or len(indexes) > 64:
        raise CoreError(f"CO-RE relocation: path {text!r}: expected numbers and colons")
    if kind != TYPE_ID_LOCAL and not local[relocation.type].name:
        raise CoreError("CO-RE relocation: it does not support anonymous types", EOPNOTSUPP)
    if kind in _FIELD:
        return _walk(local, relocation.type, indexes, text)
    if kind in _ENUMVAL:
        it = local.plain(relocation.type)
        if it.kind not in kinds.ENUMS or len(indexes) > 1 or indexes[0] >= len(it.values):
            raise CoreError(f"CO-RE relocation: path {text!r} leads to no enumerator")
        step = Step(local.resolve(relocation.type), indexes[0], it.values[indexes[0]][0])
        return Spec(local.resolve(relocation.type), 0, (step,), text)
    if indexes != [0]:
        raise CoreError(f"CO-RE relocation: path {text!r}: expected 0 for a type")
    return Spec(relocation.type, 0, (), text)


def _walk(local: Btf, root: int, indexes: list[int], text: str) -> Spec:
    number = local.resolve(root)
    steps = [Step(number, indexes[0], "")]
    offset = indexes[0] * 8 * local.size_of(number)
    for index in indexes[1:]:
        number = local.resolve(number)
        it = local[number]
        if it.kind in kinds.COMPOSITES:
            if index >= len(it.members):
                raise CoreError(f"CO-RE relocation: path {text!r} leaves {local.describe(number)}")
            member = it.members[index]
            if member.name:
                steps.append(Step(number, index, member.name))
            offset += member.bit_offset
            number = member.type
        elif it.kind == kinds.ARRAY:
            if index >= it.count and not _flexible(local, it, steps):
                raise CoreError(f"CO-RE relocation: path {text!r} leaves an array of {it.count}")
            number = local.resolve(it.type)
            steps.append(Step(number, index, ""))
            offset += index * 8 * local.size_of(number)
        else:
            raise CoreError(f"CO-RE relocation: path {text!r} enters {local.describe(number)}")
    return Spec(root, offset, tuple(steps), text)


def _flexible(btf: Btf, array: Type, steps: list[Step]) -> bool:
    """Return whether an array is its struct's last member and may be longer than it says."""
    last = steps[-1] if steps else None
    if last is None or not last.name or array.count > 1:
        return False
    return last.index == len(btf[last.type].members) - 1


def _candidates(local: Btf, spec: Spec, target: Btf) -> list[int]:
    """Return the kernel's types of the same name, flavour aside (``bpf_core_find_cands``)."""
    it = local[spec.root]
    return [n for n in target.named(essential(it.name)) if same_kind(it, target[n])]


def _match(local: Btf, kind: int, spec: Spec, target: Btf, number: int) -> Spec | None:
    """Return the path in the kernel's type that a local one stands for, or None
    (``bpf_core_spec_match``).
    """
    if kind in _FIELD:
        return _match_field(local, spec, target, number)
    if kind in _ENUMVAL:
        wanted = essential(spec.steps[0].name)
        for index, (name, _) in enumerate(target.plain(number).values):
            if essential(name) == wanted:
                return Spec(number, 0, (Step(number, index, name),), "")
        return None
    same = types_match if kind == TYPE_MATCHES else types_compatible
    return Spec(number, 0, (), "") if same(local, spec.root, target, number) else None


def _match_field(local: Btf, spec: Spec, target: Btf, root: int) -> Spec | None:
    number = target.resolve(root)
    steps: list[Step] = []
    offset = 0
    for step in spec.steps:
        if step.name:
            wanted = local[step.type].members[step.index]
            found = _find_member(local, wanted.name, wanted.type, target, number, offset, 0)
            if found is None:
                return None
            inner, offset, number = found
            steps.append(inner)
            continue
        if steps:
            number = target.resolve(number)
            it = target[number]
            if it.kind != kinds.ARRAY:
                return None
            if step.index >= it.count and not _flexible(target, it, steps):
                return None
            number = target.resolve(it.type)
        steps.append(Step(number, step.index, ""))
        offset += step.index * 8 * target.size_of(number)
    return Spec(root, offset, tuple(steps), "")


def _find_member(
    local: Btf, name: str, type: int, target: Btf, number: int, offset: int, depth: int
) -> tuple[Step, int, int] | None:
    """Find a member by name, in unnamed members too; return (step, bit offset, its type)."""
    number = target.resolve(number)
    if target[number].kind not in kinds.COMPOSITES or depth > MAX_DEPTH:
        return None
    for index, member in enumerate(target[number].members):
        at = offset + member.bit_offset
        if not member.name:
            found = _find_member(local, name, type, target, member.type, at, depth + 1)
            if found is not None:
                return found
        elif member.name == name:
            if fields_compatible(local, type, target, member.type):
                return Step(number, index, name), at, member.type
            return None
    return None


def _value(btf: Btf, kind: int, spec: Spec) -> _Value:
    """Return what a relocation asks of one path (``bpf_core_calc_field_relo`` and kin)."""
    if kind in (FIELD_EXISTS, TYPE_EXISTS, ENUMVAL_EXISTS, TYPE_MATCHES):
        return _Value(1)
    if kind == TYPE_ID_TARGET:
        return _Value(spec.root, certain=False)
    if kind == TYPE_SIZE:
        return _Value(btf.size_of(spec.root))
    if kind == ENUMVAL_VALUE:
        return _Value(btf.plain(spec.root).values[spec.steps[0].index][1])
    last = spec.steps[-1]
    if last.name:
        return _member_value(btf, kind, spec)
    size = btf.size_of(last.type)
    if kind == BYTE_OFFSET:
        return _Value(spec.bit_offset // 8, size=size, type=last.type)
    if kind == BYTE_SIZE:
        return _Value(size)
    raise CoreError(f"CO-RE relocation {KIND_NAMES[kind]} cannot be applied to array access")


def _member_value(btf: Btf, kind: int, spec: Spec) -> _Value:
    last = spec.steps[-1]
    member = btf[last.type].members[last.index]
    it = btf.plain(member.type)
    if kind == FIELD_SIGNED:
        return _Value(int(it.kind in (kinds.INT, *kinds.ENUMS) and it.signed))
    at, width, size = _bytes_around(btf, member.type, member.bits, spec.bit_offset)
    bits = member.bits or 8 * size
    if kind == BYTE_OFFSET:
        if member.bits:
            return _Value(at, certain=False)
        return _Value(at, size=width, type=member.type)
    if kind == BYTE_SIZE:
        return _Value(width, certain=not member.bits)
    if kind == LSHIFT_U64:
        return _Value(64 - (spec.bit_offset + bits - 8 * at), certain=not member.bits)
    return _Value(64 - bits)


def _bytes_around(btf: Btf, type: int, bits: int, bit_offset: int) -> tuple[int, int, int]:
    """Return (offset, width, size of the type) of the bytes that hold a member, or its
    bit-field.
    """
    size = btf.size_of(type)
    if not bits:
        return bit_offset // 8, size, size
    width = max(size, 1)
    at = bit_offset // 8 // width * width
    while bit_offset + bits - 8 * at > 8 * width:
        if width >= 8:
            raise CoreError("CO-RE relocation: a bit-field spans more than 8 bytes", E2BIG)
        width *= 2
        at = bit_offset // 8 // width * width
    return at, width, size
