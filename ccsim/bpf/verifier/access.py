"""Accesses to memory, each by the kind of pointer it goes through (``check_mem_access``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf, Member, Type
from ccsim.bpf.kernel_btf import kernel_btf
from ccsim.bpf.verifier import stack
from ccsim.bpf.verifier import values as v
from ccsim.bpf.verifier.bounds import S64_MIN, Bounds, describe_bits, known, s64, unsigned_below
from ccsim.bpf.verifier.pointers import BPF_MAX_VAR_OFF
from ccsim.bpf.verifier.refusal import Refusal
from ccsim.bpf.verifier.values import ANYTHING, Reg, describe_reg, scalar
from ccsim.kernel.errors import EACCES, EINVAL

if TYPE_CHECKING:
    from ccsim.bpf.verifier.check import Checker
    from ccsim.bpf.verifier.state import State

__all__ = ["WRITABLE", "Access", "check_memory", "load", "store"]

PRIVATE = range(1296, 1400)  # icsk_ca_priv
WRITABLE = {
    "sk_pacing_rate": (488, 496),
    "sk_pacing_status": (428, 432),
    "icsk_ca_priv": (1296, 1400),
    "icsk_ack.pending": (1256, 1257),
    "snd_cwnd": (1444, 1448),
    "snd_cwnd_cnt": (1932, 1936),
    "snd_cwnd_stamp": (1944, 1948),
    "snd_ssthresh": (1492, 1496),
    "ecn_flags": (1640, 1641),
    "app_limited": (1716, 1720),
}
"""What a congestion control may write in a socket: where it begins and ends
(``bpf_tcp_ca_btf_struct_access``)."""
_STARTS = {start: end for name, (start, end) in WRITABLE.items() if name != "icsk_ca_priv"}


@dataclass(frozen=True, slots=True)
class Access:
    """What one instruction does to memory, on all paths together.

    region: ``ctx``, ``sock``, ``private``, ``ack_sample``, ``rate_sample``, ``stack``,
    ``map_value``, ``map_key``, ``sk_storage``, ``mem``; ``mixed`` where paths differ. where: frame
    of the stack (counted from the innermost, 0 is its own), number of the map, else None. offset:
    in bytes, None where it is not constant. guarded: not proven to stay within, so checked when it
    runs.
    """

    region: str
    where: int | None
    offset: int | None
    size: int
    write: bool
    guarded: bool = False

    def joined(self, other: Access) -> Access:
        """Return what holds for both."""
        if self == other:
            return self
        if self.region != other.region:
            return replace(self, region="mixed", where=None, offset=None)
        where = self.where if self.where == other.where else None
        offset = self.offset if self.offset == other.offset and where == self.where else None
        return replace(self, where=where, offset=offset, write=self.write or other.write)


def load(env: Checker, state: State, number: int, off: int, size: int) -> Reg:
    """Check a read through a register; return what it gives."""
    return _access(env, state, number, off, size, None)


def store(env: Checker, state: State, number: int, off: int, size: int, value: Reg) -> None:
    """Check a write through a register."""
    _access(env, state, number, off, size, value)


def _access(env: Checker, state: State, number: int, off: int, size: int, value: Reg | None) -> Reg:
    reg = state.frame.regs[number]
    if reg.kind == v.UNSET:
        raise Refusal(EACCES, f"R{number} !read_ok")
    if reg.maybe_null or reg.kind not in _REGIONS:
        raise Refusal(EACCES, f"R{number} invalid mem access '{describe_reg(reg)}'")
    return _REGIONS[reg.kind](env, state, number, reg, off, size, value)


def _unknown(size: int) -> Reg:
    return ANYTHING if size == 8 else scalar(unsigned_below(8 * size))


def _offset(reg: Reg, off: int) -> int | None:
    """Return the constant offset of an access, None for one that varies."""
    return reg.off + off + s64(reg.bounds.value) if reg.bounds.const else None


def _context(
    env: Checker, state: State, number: int, reg: Reg, off: int, size: int, value: Reg | None
) -> Reg:
    """Arguments, eight bytes each, are read only (``btf_ctx_access``)."""
    if reg.off:
        raise Refusal(EACCES, f"dereference of modified ctx ptr R{number} off={reg.off} disallowed")
    if not reg.bounds.const or reg.bounds.value:
        raise Refusal(
            EACCES,
            f"variable ctx access var_off={describe_bits(reg.bounds)} disallowed",
        )
    bad = value is not None or not 0 <= off < 12 * 8 or off % size or off % 8
    if bad:
        raise Refusal(EACCES, f"invalid bpf_context access off={off} size={size}")
    if off // 8 >= len(env.arguments):
        missing = len(env.arguments) + (1 if env.returns else 2)
        env.note(f"func '{env.member}' doesn't have {missing}-th argument")
        raise Refusal(EACCES, f"invalid bpf_context access off={off} size={size}")
    struct = env.arguments[off // 8]
    if struct and size != 8:
        env.note(f"func '{env.member}' size {size} must be 8")
        raise Refusal(EACCES, f"invalid bpf_context access off={off} size={size}")
    env.access("ctx", None, off, size, write=False)
    return Reg(v.STRUCT, where=struct) if struct else _unknown(size)


def _stack(
    env: Checker, state: State, number: int, reg: Reg, off: int, size: int, value: Reg | None
) -> Reg:
    what = "read from" if value is None else "write to"
    bounds = reg.bounds
    if (bounds.value + reg.off + off) % size or bounds.mask & size - 1:
        raise Refusal(
            EACCES,
            f"misaligned stack access off {describe_bits(bounds)}+{reg.off}+{off} size {size}",
        )
    low, high = stack.check_range(reg, off, size, number, what)
    frame = state.frames[reg.where]
    env.use_stack(frame.start, low)
    outer = len(state.frames) - 1 - reg.where
    env.access("stack", outer, low if low == high else None, size, write=value is not None)
    if value is None:
        env.note_stack_read(frame, outer, low, high, size)
        return stack.read(frame, low, high, size)
    if low == high:
        if outer and size == 8 and value.kind == v.STACK:
            raise Refusal(EINVAL, "cannot spill pointers to stack into stack frame of the caller")
        stack.write(frame, low, size, value)
    else:
        env.matters(number)
        stack.write_any(frame, low, high, size)
    return ANYTHING


def _within(
    number: int, bounds: Bounds, off: int, size: int, limit: int, what: str, *, zero: bool = False
) -> None:
    """Refuse an access that may begin before or end behind memory (``check_mem_region_access``)."""
    smin = bounds.smin
    if smin < 0 and (smin == S64_MIN or smin + off < 0):
        raise Refusal(
            EACCES,
            f"R{number} min value is negative, either use unsigned index or do a if (index >=0) "
            "check.",
        )

    def check(at: int) -> str:
        if at >= 0 and (size > 0 or zero) and at + size <= limit:
            return ""
        return f"invalid access to {what}={limit} off={at} size={size}"

    low = check(smin + off)
    if low:
        raise Refusal(EACCES, f"{low}\nR{number} min value is outside of the allowed memory range")
    if bounds.umax >= BPF_MAX_VAR_OFF:
        raise Refusal(
            EACCES,
            f"R{number} unbounded memory access, make sure to bounds check any such access",
        )
    high = check(bounds.umax + off)
    if high:
        raise Refusal(EACCES, f"{high}\nR{number} max value is outside of the allowed memory range")


def _map_value(
    env: Checker, state: State, number: int, reg: Reg, off: int, size: int, value: Reg | None
) -> Reg:
    spec = env.maps[reg.where]
    at = reg.off + off
    if value is not None and spec.flags & 1 << 7:
        raise Refusal(
            EACCES,
            f"write into map forbidden, value_size={spec.value_size} off={at} size={size}",
        )
    if not reg.bounds.const:
        env.matters(number)
    _within(number, reg.bounds, at, size, spec.value_size, "map value, value_size")
    _check_special(env, reg, at, size)
    place = _offset(reg, off)
    region = "sk_storage" if reg.storage else "map_value"
    env.access(region, reg.where, place, size, write=value is not None)
    if value is None and spec.frozen and place is not None and spec.data is not None:
        return scalar(known(int.from_bytes(spec.data[place : place + size], "little")))
    return _unknown(size)


def _check_special(env: Checker, reg: Reg, at: int, size: int) -> None:
    """A lock in a map's value is not read or written directly."""
    for name, start, end in env.special(reg.where):
        if at + reg.bounds.umax + size > start and at + max(reg.bounds.smin, 0) < end:
            raise Refusal(EACCES, f"{name} cannot be accessed directly by load/store")


def _map_key(
    env: Checker, state: State, number: int, reg: Reg, off: int, size: int, value: Reg | None
) -> Reg:
    if value is not None:
        raise Refusal(EACCES, f"write to change key R{number} not allowed")
    limit = env.maps[reg.where].key_size
    _within(number, reg.bounds, reg.off + off, size, limit, "map key, key_size")
    env.access("map_key", reg.where, _offset(reg, off), size, write=False)
    return _unknown(size)


def _memory(
    env: Checker, state: State, number: int, reg: Reg, off: int, size: int, value: Reg | None
) -> Reg:
    if value is not None and not reg.ref:
        raise Refusal(EACCES, f"R{number} cannot write into rdonly_mem")
    if not reg.bounds.const:
        env.matters(number)
    _within(number, reg.bounds, reg.off + off, size, reg.where, "memory, mem_size")
    env.access("mem", None, _offset(reg, off), size, write=value is not None)
    return _unknown(size)


def _struct(
    env: Checker, state: State, number: int, reg: Reg, off: int, size: int, value: Reg | None
) -> Reg:
    """A struct of the kernel: at constant offsets, and only some members may be written."""
    name, at = str(reg.where), reg.off + off
    if at < 0:
        raise Refusal(EACCES, f"R{number} is ptr_{name} invalid negative access: off={at}")
    if not reg.bounds.const or reg.bounds.value:
        raise Refusal(
            EACCES,
            f"R{number} is ptr_{name} invalid variable offset: off={at}, "
            f"var_off={describe_bits(reg.bounds)}",
        )
    if value is not None:
        _check_write(name, at, size)
    else:
        _check_read(name, at, size)
    region = name
    if name == "tcp_sock":
        region = "private" if at in PRIVATE else "sock"
    env.access(region, None, at, size, write=value is not None)
    return _unknown(size)


def _check_write(name: str, at: int, size: int) -> None:
    if name != "tcp_sock":
        raise Refusal(EACCES, "only read is supported")
    end = PRIVATE.stop if at in PRIVATE else _STARTS.get(at)
    if end is None:
        raise Refusal(EACCES, f"no write support to tcp_sock at off {at}")
    if at + size > end:
        raise Refusal(
            EACCES,
            f"write access at off {at} with size {size} beyond the member of tcp_sock ended at "
            f"{end}",
        )


def _check_read(name: str, at: int, size: int) -> None:
    """Refuse a read that is in no member, or leaves it (``btf_struct_walk``)."""
    btf = kernel_btf()
    number = btf.find(name, kinds.STRUCT)
    if at + size > btf[number].size:
        raise Refusal(EACCES, f"access beyond struct {name} at off {at} size {size}")
    _walk(btf, btf[number], at, size)


def _walk(btf: Btf, it: Type, at: int, size: int) -> None:
    for member in it.members:
        start = member.bit_offset // 8
        if member.bits:
            end = (member.bit_offset + member.bits + 7) // 8
            if at <= start and end <= at + size:
                return
            continue
        end = start + btf.size_of(member.type)
        if at >= end:
            continue
        if at + size <= start:
            break
        _enter(btf, it, member, at, size, start, end)
        return
    raise Refusal(EINVAL, f"struct {it.name or '(anon)'} doesn't have field at offset {at}")


def _enter(btf: Btf, it: Type, member: Member, at: int, size: int, start: int, end: int) -> None:
    inner = btf.plain(member.type)
    true_end = end
    if inner.kind == kinds.ARRAY:
        element = btf.plain(inner.type)
        step = btf.size_of(inner.type)
        start += (at - start) // step * step
        inner, end = element, start + step
    if inner.kind == kinds.STRUCT:
        _walk(btf, inner, at - start, size)
    elif inner.kind == kinds.PTR and (size != 8 or at != start):
        raise Refusal(
            EACCES,
            f"cannot access ptr member {member.name} with moff {start} in struct {it.name} with "
            f"off {at} size {size}",
        )
    elif at + size > true_end or at < start:
        raise Refusal(
            EACCES,
            f"access beyond the end of member {member.name} (mend:{true_end}) in struct {it.name} "
            f"with off {at} size {size}",
        )


_REGIONS = {
    v.CTX: _context,
    v.STACK: _stack,
    v.MAP_VALUE: _map_value,
    v.MAP_KEY: _map_key,
    v.MEM: _memory,
    v.STRUCT: _struct,
}


def check_memory(
    env: Checker, state: State, number: int, size: int, *, write: bool, zero: bool = False
) -> None:
    """Check memory that a helper reads or writes (``check_helper_mem_access``)."""
    reg = state.frame.regs[number]
    if reg.maybe_null:
        raise Refusal(EACCES, f"R{number} type={describe_reg(reg)} expected=fp, mem, map_value")
    if reg.kind == v.STACK:
        if not size:
            return
        low, high = stack.check_range(reg, 0, size, number, "indirect access to")
        frame = state.frames[reg.where]
        env.use_stack(frame.start, low)
        if write:
            stack.write_any(frame, low, high, size)
        else:
            env.note_stack_read(frame, 1, low, high, size)
        return
    if reg.kind == v.MAP_VALUE:
        if write and env.maps[reg.where].flags & 1 << 7:
            raise Refusal(EACCES, f"write into map forbidden, value_size={size}")
        limit, what = env.maps[reg.where].value_size, "map value, value_size"
    elif reg.kind == v.MAP_KEY and not write:
        limit, what = env.maps[reg.where].key_size, "map key, key_size"
    elif reg.kind == v.MEM and (reg.ref or not write):
        limit, what = reg.where, "memory, mem_size"
    elif reg.kind == v.STRUCT and not write:
        _check_struct(reg, number, size)
        return
    elif zero and reg.kind == v.SCALAR and reg.bounds.const and not reg.bounds.value:
        return
    else:
        raise Refusal(EACCES, f"R{number} type={describe_reg(reg)} expected=fp, mem, map_value")
    if not reg.bounds.const:
        env.matters(number)
    _within(number, reg.bounds, reg.off, size, limit, what, zero=zero)


def _check_struct(reg: Reg, number: int, size: int) -> None:
    """A helper may read a struct's members where a load of them might."""
    if reg.bounds != v.ZERO:
        raise Refusal(EACCES, f"R{number} is ptr_{reg.where} invalid variable offset")
    _check_read(str(reg.where), reg.off, max(size, 1))
