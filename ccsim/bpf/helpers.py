"""The helpers that congestion controls may call, by number (``include/uapi/linux/bpf.h``;
``bpf_tcp_ca_get_func_proto``).

A helper takes the invocation and five registers. Time, jiffies and random numbers are the
simulation's: the clock of the event being processed, and the flow's own stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ccsim.bpf.maps import HashMap, QueueMap, RingBuffer, SockStorage
from ccsim.bpf.memory import FUNCTIONS, MAP_HANDLES, SOCK, U32, U64, BpfFault, Invocation
from ccsim.bpf.printing import formatted
from ccsim.kernel.kfuncs import TCP_CONGESTION

if TYPE_CHECKING:
    from ccsim.kernel.sock import Sock

__all__ = ["HELPERS", "Host", "helper"]

Helper = Callable[..., int]
EPERM, ENOENT, E2BIG, EAGAIN, EFAULT, EINVAL, ERANGE = 1, 2, 7, 11, 14, 22, 34
SOL_SOCKET, SOL_TCP = 1, 6
TCP_CA_NAME_MAX = 16
LOOPS = 1 << 23  # BPF_MAX_LOOPS
NS_PER_S = 1_000_000_000
_HELPERS: dict[int, tuple[str, Helper]] = {}


class Host:
    """What helpers ask the world around a socket; a replay of recordings has its own."""

    def ktime_ns(self, sk: Sock) -> int:
        """Return the monotonic clock [ns]: that of the event being processed."""
        return sk.tcp_clock_cache

    def jiffies64(self, sk: Sock) -> int:
        """Return the clock in ticks."""
        return sk.tcp_jiffies32

    def random(self, sk: Sock) -> int:
        """Draw 32 random bits from the socket's stream."""
        return sk.random.u32()

    def send_ack(self, sk: Sock, rcv_nxt: int) -> int:
        """Send an ACK at once."""
        sk.tcp_send_ack(rcv_nxt)
        return 0

    def setsockopt(self, sk: Sock, level: int, name: int, value: bytes) -> int:
        """Set an option of the socket; return 0 or minus an errno."""
        if (level, name) != (SOL_TCP, TCP_CONGESTION) or sk.kernel_data is None:
            return -EINVAL
        text = value.split(b"\0", 1)[0].decode("ascii", "replace")
        return sk.kernel_data.kernel.bpf_setsockopt(sk, TCP_CONGESTION, text)

    def getsockopt(self, sk: Sock, level: int, name: int) -> bytes | int:
        """Return an option of the socket, or minus an errno."""
        if (level, name) != (SOL_TCP, TCP_CONGESTION):
            return -EINVAL
        return sk.ca_ops.name.encode("ascii", "replace")


def helper(number: int) -> tuple[str, Helper]:
    """Return a helper's name and function; KeyError for a number that is not there."""
    return _HELPERS[number]


def _is(number: int) -> Callable[[Helper], Helper]:
    """Register a function under a helper's number; its name without the underscore is Linux's."""

    def register(function: Helper) -> Helper:
        _HELPERS[number] = ("bpf_" + function.__name__.lstrip("_"), function)
        return function

    return register


def _s32(value: int) -> int:
    return ((value & U32) ^ 0x80000000) - 0x80000000


def _socket(call: Invocation, address: int) -> Any:
    if address != SOCK:
        raise BpfFault(f"expected a socket, got {address:#x}")
    return call.sk


# --- maps ---


def _map(call: Invocation, handle: int) -> Any:
    if handle >> 32 != MAP_HANDLES >> 32 or handle & U32 >= len(call.runtime.maps):
        raise BpfFault(f"expected a map, got {handle:#x}")
    return call.runtime.maps[handle & U32]


@_is(1)
def _map_lookup_elem(call: Invocation, map: int, key: int, *rest: int) -> int:
    found = _map(call, map)
    return found.lookup(call.read(key, found.key_size))


@_is(2)
def _map_update_elem(call: Invocation, map: int, key: int, value: int, flags: int, *r: int) -> int:
    found = _map(call, map)
    data = call.read(value, found.value_size)
    return found.update(call.read(key, found.key_size), data, flags)


@_is(3)
def _map_delete_elem(call: Invocation, map: int, key: int, *rest: int) -> int:
    found = _map(call, map)
    return found.delete(call.read(key, found.key_size))


@_is(195)
def _map_lookup_percpu_elem(call: Invocation, map: int, key: int, cpu: int, *rest: int) -> int:
    return _map_lookup_elem(call, map, key) if cpu & U32 == 0 else 0


@_is(87)
def _map_push_elem(call: Invocation, map: int, value: int, flags: int, *rest: int) -> int:
    found = _map(call, map)
    if not isinstance(found, QueueMap):
        return -EINVAL
    return found.push(call.read(value, found.value_size), flags)


@_is(88)
def _map_pop_elem(call: Invocation, map: int, value: int, *rest: int) -> int:
    return _take(call, map, value, pop=True)


@_is(89)
def _map_peek_elem(call: Invocation, map: int, value: int, *rest: int) -> int:
    return _take(call, map, value, pop=False)


def _take(call: Invocation, map: int, value: int, *, pop: bool) -> int:
    found = _map(call, map)
    if not isinstance(found, QueueMap):
        return -EINVAL
    taken = found.peek(pop=pop)
    call.write(value, taken if taken is not None else bytes(found.value_size))
    return 0 if taken is not None else -ENOENT


@_is(164)
def _for_each_map_elem(
    call: Invocation, map: int, function: int, context: int, flags: int, *rest: int
) -> int:
    """Call ``function(map, &key, &value, context)`` for each element until it returns 1."""
    if flags:
        return -EINVAL
    found = _map(call, map)
    done = 0
    with call.scratch(found.key_size) as (key_address, key_data):
        for key, _ in found.items():
            value = found.address_of(key) if isinstance(found, HashMap) else found.lookup(key)
            if not value:
                continue
            key_data[: len(key)] = key
            done += 1
            if call.call(function & U32, map, key_address, value, context):
                break
    return done


@_is(107)
def _sk_storage_get(call: Invocation, map: int, sk: int, value: int, flags: int, *rest: int) -> int:
    found = _map(call, map)
    if not isinstance(found, SockStorage) or flags > 1 or not sk:
        return 0
    initial = None
    if flags:
        initial = call.read(value, found.value_size) if value else bytes(found.value_size)
    return found.of(_socket(call, sk), initial)


@_is(108)
def _sk_storage_delete(call: Invocation, map: int, sk: int, *rest: int) -> int:
    found = _map(call, map)
    if not isinstance(found, SockStorage) or not sk:
        return -EINVAL
    return found.forget(_socket(call, sk))


# --- ring buffers ---


def _ring(call: Invocation, map: int) -> RingBuffer:
    found = _map(call, map)
    if not isinstance(found, RingBuffer):
        raise BpfFault(f"map {found.name} is no ring buffer")
    return found


@_is(130)
def _ringbuf_output(call: Invocation, map: int, data: int, size: int, flags: int, *r: int) -> int:
    return -EINVAL if flags > 3 else _ring(call, map).output(call.read(data, size))


@_is(131)
def _ringbuf_reserve(call: Invocation, map: int, size: int, flags: int, *rest: int) -> int:
    return 0 if flags else _ring(call, map).reserve(size)


@_is(132)
def _ringbuf_submit(call: Invocation, sample: int, *rest: int) -> int:
    call.runtime.ring_at(sample).finish(sample, keep=True)
    return 0


@_is(133)
def _ringbuf_discard(call: Invocation, sample: int, *rest: int) -> int:
    call.runtime.ring_at(sample).finish(sample, keep=False)
    return 0


@_is(134)
def _ringbuf_query(call: Invocation, map: int, flags: int, *rest: int) -> int:
    ring = _ring(call, map)
    answers = {0: ring.used, 1: ring.max_entries, 2: 0, 3: ring.used}
    return answers.get(flags, 0)


# --- time, chance, the processor ---


@_is(5)
def _ktime_get_ns(call: Invocation, *rest: int) -> int:
    return call.runtime.host.ktime_ns(call.sk)


@_is(125)
def _ktime_get_boot_ns(call: Invocation, *rest: int) -> int:
    return call.runtime.host.ktime_ns(call.sk)


@_is(208)
def _ktime_get_tai_ns(call: Invocation, *rest: int) -> int:
    return call.runtime.host.ktime_ns(call.sk)


@_is(160)
def _ktime_get_coarse_ns(call: Invocation, *rest: int) -> int:
    """Return the clock of the last tick."""
    tick_ns = NS_PER_S // call.sk.hz
    return call.runtime.host.ktime_ns(call.sk) // tick_ns * tick_ns


@_is(118)
def _jiffies64(call: Invocation, *rest: int) -> int:
    return call.runtime.host.jiffies64(call.sk)


@_is(7)
def _get_prandom_u32(call: Invocation, *rest: int) -> int:
    return call.runtime.host.random(call.sk)


@_is(8)
def _get_smp_processor_id(call: Invocation, *rest: int) -> int:
    return 0


@_is(42)
def _get_numa_node_id(call: Invocation, *rest: int) -> int:
    return 0


@_is(153)
def _per_cpu_ptr(call: Invocation, address: int, cpu: int, *rest: int) -> int:
    return address if cpu & U32 == 0 else 0


@_is(154)
def _this_cpu_ptr(call: Invocation, address: int, *rest: int) -> int:
    return address


@_is(93)
def _spin_lock(call: Invocation, *rest: int) -> int:
    """Nothing runs beside a hook."""
    return 0


@_is(94)
def _spin_unlock(call: Invocation, *rest: int) -> int:
    return 0


# --- loops ---


@_is(181)
def _loop(call: Invocation, rounds: int, function: int, context: int, flags: int, *r: int) -> int:
    """Call ``function(index, context)`` so many times, or until it returns 1."""
    rounds &= U32
    if flags:
        return -EINVAL
    if rounds > LOOPS:
        return -E2BIG
    if function >> 32 != FUNCTIONS >> 32:
        raise BpfFault(f"expected a callback, got {function:#x}")
    for index in range(rounds):
        if call.call(function & U32, index, context):
            return index + 1
    return rounds


# --- sockets ---


@_is(116)
def _tcp_send_ack(call: Invocation, sk: int, rcv_nxt: int, *rest: int) -> int:
    return call.runtime.host.send_ack(_socket(call, sk), rcv_nxt & U32)


@_is(49)
def _setsockopt(call: Invocation, sk: int, level: int, name: int, value: int, size: int) -> int:
    data = call.read(value, min(size & U32, TCP_CA_NAME_MAX))
    return call.runtime.host.setsockopt(_socket(call, sk), _s32(level), _s32(name), data)


@_is(57)
def _getsockopt(call: Invocation, sk: int, level: int, name: int, value: int, size: int) -> int:
    size &= U32
    found = call.runtime.host.getsockopt(_socket(call, sk), _s32(level), _s32(name))
    if isinstance(found, int):
        call.write(value, bytes(size))
        return found
    call.write(value, found[: max(size - 1, 0)].ljust(size, b"\0"))
    return 0


# --- memory and text ---


@_is(113)
def _probe_read_kernel(call: Invocation, target: int, size: int, source: int, *rest: int) -> int:
    size &= U32
    try:
        data = call.read(source, size)
    except BpfFault:
        call.write(target, bytes(size))
        return -EFAULT
    call.write(target, data)
    return 0


@_is(115)
def _probe_read_kernel_str(call: Invocation, target: int, size: int, source: int, *r: int) -> int:
    size &= U32
    try:
        text = call.read_text(source, size - 1) + b"\0" if size else b""
    except BpfFault:
        call.write(target, bytes(size))
        return -EFAULT
    call.write(target, text)
    return len(text)


@_is(182)
def _strncmp(call: Invocation, one: int, size: int, other: int, *rest: int) -> int:
    a = call.read(one, size & U32).split(b"\0", 1)[0]
    b = call.read_text(other, len(a) + 1)
    return (a > b) - (a < b)


@_is(105)
def _strtol(call: Invocation, text: int, size: int, flags: int, result: int, *rest: int) -> int:
    return _number(call, text, size, flags, result, signed=True)


@_is(106)
def _strtoul(call: Invocation, text: int, size: int, flags: int, result: int, *rest: int) -> int:
    return _number(call, text, size, flags, result, signed=False)


def _number(
    call: Invocation, text: int, size: int, flags: int, result: int, *, signed: bool
) -> int:
    """Read a number at the beginning of a text; return how many characters it took."""
    if flags not in (0, 8, 10, 16):
        return -EINVAL
    pattern = rb"\s*([-+]?)(0[xX])?([0-9a-fA-F]+)" if flags in (0, 16) else rb"\s*([-+]?)()([0-9]+)"
    found = re.match(pattern, call.read(text, size & U32))
    if found is None or (found[1] == b"-" and not signed):
        return -EINVAL
    base = flags or (16 if found[2] else 8 if found[3][:1] == b"0" and len(found[3]) > 1 else 10)
    try:
        value = int(found[3], base)
    except ValueError:
        return -EINVAL
    value = -value if found[1] == b"-" else value
    low, high = (-(1 << 63), (1 << 63) - 1) if signed else (0, U64)
    if not low <= value <= high:
        return -ERANGE
    call.store(result, 8, value)
    return found.end()


@_is(6)
def _trace_printk(call: Invocation, text: int, size: int, *arguments: int) -> int:
    """Format a line for the trace pipe, which a run keeps (`Runtime.trace`)."""
    return call.runtime.trace_line(call, call.read_text(text, size & U32), list(arguments))


@_is(177)
def _trace_vprintk(call: Invocation, text: int, size: int, data: int, length: int, *r: int) -> int:
    arguments = [call.load(data + at, 8) for at in range(0, length & U32, 8)]
    return call.runtime.trace_line(call, call.read_text(text, size & U32), arguments)


@_is(165)
def _snprintf(call: Invocation, target: int, room: int, text: int, data: int, length: int) -> int:
    arguments = [call.load(data + at, 8) for at in range(0, length & U32, 8)]
    line = formatted(call, call.read_text(text, 256), arguments)
    room &= U32
    if room:
        call.write(target, line[: room - 1] + b"\0")
    return len(line) + 1


HELPERS: dict[int, str] = {number: name for number, (name, _) in sorted(_HELPERS.items())}
"""The helpers that are there, by number."""
