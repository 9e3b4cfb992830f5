"""Which types of two BTFs mean the same (``bpf_core_types_are_compat`` and kin in
``relo_core.c``)."""

from __future__ import annotations

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import MAX_DEPTH, Btf, Member, Type

__all__ = ["essential", "fields_compatible", "same_kind", "types_compatible", "types_match"]


def essential(name: str) -> str:
    """Return a type's name without its flavour: ``tcp_sock`` of ``tcp_sock___old``."""
    at = name.rfind("___")
    # a flavour has something before and behind its three underscores, and no fourth one
    if at > 0 and at + 3 < len(name) and name[at - 1] != "_" and name[at + 3] != "_":
        return name[:at]
    return name


def same_kind(local: Type, target: Type) -> bool:
    """Return whether two types are of one kind; enumerations are, whatever their width."""
    return local.kind == target.kind or {local.kind, target.kind} <= kinds.ENUMS


def types_compatible(local: Btf, number: int, target: Btf, other: int, depth: int = 0) -> bool:
    """Return whether two types may stand for each other; names do not matter here."""
    for _ in range(MAX_DEPTH):
        number, other = local.resolve(number), target.resolve(other)
        a, b = local[number], target[other]
        if not same_kind(a, b) or depth > MAX_DEPTH:
            return False
        if a.kind in (kinds.PTR, kinds.ARRAY):
            number, other = a.type, b.type
            continue
        if a.kind != kinds.FUNC_PROTO:
            return True
        if len(a.params) != len(b.params):
            return False
        pairs = zip(a.params, b.params, strict=True)
        if not all(types_compatible(local, m, target, n, depth + 1) for (_, m), (_, n) in pairs):
            return False
        number, other = a.type, b.type
    return False


def fields_compatible(local: Btf, number: int, target: Btf, other: int) -> bool:
    """Return whether a member may be read as the other (``bpf_core_fields_are_compat``)."""
    for _ in range(MAX_DEPTH):
        a, b = local.plain(number), target.plain(other)
        if a.kind in kinds.COMPOSITES and b.kind in kinds.COMPOSITES:
            return True
        if not same_kind(a, b):
            return False
        if a.kind == kinds.ARRAY:
            number, other = a.type, b.type
            continue
        if a.kind in kinds.ENUMS or a.kind == kinds.FWD:
            return _names_agree(a, b)
        return a.kind in (kinds.PTR, kinds.FLOAT, kinds.INT)
    return False


def _names_agree(a: Type, b: Type) -> bool:
    return not a.name or not b.name or essential(a.name) == essential(b.name)


def types_match(
    local: Btf, number: int, target: Btf, other: int, *, behind: bool = False, depth: int = 0
) -> bool:
    """Return whether the target's type has all that the local one has
    (``bpf_core_types_match``).

    ``behind`` tells that a pointer was followed: then a struct's name is enough.
    """
    if depth > MAX_DEPTH:
        return False
    number, other = local.resolve(number), target.resolve(other)
    a, b = local[number], target[other]
    if essential(a.name) != essential(b.name):
        return False
    if a.kind == b.kind == kinds.FWD:
        return True
    if behind and (a.kind == kinds.FWD or b.kind == kinds.FWD):
        return {a.kind, b.kind} <= {kinds.FWD, *kinds.COMPOSITES}
    if not same_kind(a, b):
        return False
    if a.kind in kinds.COMPOSITES:
        return behind or _members_match(local, a, target, b, depth)
    if a.kind in kinds.ENUMS:
        names = {essential(name) for name, _ in b.values}
        return behind or all(essential(name) in names for name, _ in a.values)
    return _others_match(local, a, target, b, behind=behind, depth=depth)


def _others_match(local: Btf, a: Type, target: Btf, b: Type, *, behind: bool, depth: int) -> bool:
    if a.kind == kinds.INT:
        return a.size == b.size and a.signed == b.signed
    if a.kind == kinds.PTR:
        return types_match(local, a.type, target, b.type, behind=True, depth=depth + 1)
    if a.kind == kinds.ARRAY:
        return a.count == b.count and types_match(
            local, a.type, target, b.type, behind=behind, depth=depth + 1
        )
    if a.kind != kinds.FUNC_PROTO:
        return a.kind == kinds.VOID
    if len(a.params) != len(b.params):
        return False
    pairs = [(a.type, b.type)]
    pairs += [(m, n) for (_, m), (_, n) in zip(a.params, b.params, strict=True)]
    return all(types_match(local, m, target, n, behind=behind, depth=depth + 1) for m, n in pairs)


def _members_match(local: Btf, a: Type, target: Btf, b: Type, depth: int) -> bool:
    def found(member: Member) -> bool:
        return any(
            essential(member.name) == essential(other.name)
            and types_match(local, member.type, target, other.type, depth=depth + 1)
            for other in b.members
        )

    return all(found(member) for member in a.members)
