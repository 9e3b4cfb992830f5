"""The helpers that congestion controls may call, by number (``include/uapi/linux/bpf.h``;
``bpf_tcp_ca_get_func_proto``).

A helper takes the invocation and five registers. Time, jiffies and random numbers are the
simulation's: the clock of the event being processed, and the flow's own stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ccsim.bpf.text_helpers  # noqa: F401  fills in the table
from ccsim.bpf.helper_table import TABLE, Helper, is_helper
from ccsim.bpf.maps import HashMap, QueueMap, RingBuffer, SockStorage
from ccsim.bpf.memory import FUNCTIONS, MAP_HANDLES, SOCK, U32, BpfFault, Invocation
from ccsim.kernel.kfuncs import TCP_CONGESTION
from ccsim.units import NS_PER_S

if TYPE_CHECKING:
    from ccsim.bpf.timers import Timers
    from ccsim.kernel.sock import Sock

__all__ = ["HELPERS", "TIMER_START", "Host", "helper"]

EPERM, ENOENT, E2BIG, EAGAIN, EFAULT, EINVAL, ERANGE = 1, 2, 7, 11, 14, 22, 34
SOL_SOCKET, SOL_TCP = 1, 6
TCP_CA_NAME_MAX = 16
TIMER_START = 171
LOOPS = 1 << 23  # BPF_MAX_LOOPS


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
    return TABLE[number]


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


@is_helper(1)
def _map_lookup_elem(call: Invocation, map: int, key: int, *rest: int) -> int:
    found = _map(call, map)
    return found.lookup(call.read(key, found.key_size))


@is_helper(2)
def _map_update_elem(call: Invocation, map: int, key: int, value: int, flags: int, *r: int) -> int:
    found = _map(call, map)
    data = call.read(value, found.value_size)
    return found.update(call.read(key, found.key_size), data, flags)


@is_helper(3)
def _map_delete_elem(call: Invocation, map: int, key: int, *rest: int) -> int:
    found = _map(call, map)
    return found.delete(call.read(key, found.key_size))


@is_helper(195)
def _map_lookup_percpu_elem(call: Invocation, map: int, key: int, cpu: int, *rest: int) -> int:
    return _map_lookup_elem(call, map, key) if cpu & U32 == 0 else 0


@is_helper(87)
def _map_push_elem(call: Invocation, map: int, value: int, flags: int, *rest: int) -> int:
    found = _map(call, map)
    if not isinstance(found, QueueMap):
        return -EINVAL
    return found.push(call.read(value, found.value_size), flags)


@is_helper(88)
def _map_pop_elem(call: Invocation, map: int, value: int, *rest: int) -> int:
    return _take(call, map, value, pop=True)


@is_helper(89)
def _map_peek_elem(call: Invocation, map: int, value: int, *rest: int) -> int:
    return _take(call, map, value, pop=False)


def _take(call: Invocation, map: int, value: int, *, pop: bool) -> int:
    found = _map(call, map)
    if not isinstance(found, QueueMap):
        return -EINVAL
    taken = found.peek(pop=pop)
    call.write(value, taken if taken is not None else bytes(found.value_size))
    return 0 if taken is not None else -ENOENT


@is_helper(164)
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


@is_helper(107)
def _sk_storage_get(call: Invocation, map: int, sk: int, value: int, flags: int, *rest: int) -> int:
    found = _map(call, map)
    if not isinstance(found, SockStorage) or flags > 1 or not sk:
        return 0
    initial = None
    if flags:
        initial = call.read(value, found.value_size) if value else bytes(found.value_size)
    return found.of(_socket(call, sk), initial)


@is_helper(108)
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


@is_helper(130)
def _ringbuf_output(call: Invocation, map: int, data: int, size: int, flags: int, *r: int) -> int:
    return -EINVAL if flags > 3 else _ring(call, map).output(call.read(data, size))


@is_helper(131)
def _ringbuf_reserve(call: Invocation, map: int, size: int, flags: int, *rest: int) -> int:
    return 0 if flags else _ring(call, map).reserve(size)


@is_helper(132)
def _ringbuf_submit(call: Invocation, sample: int, *rest: int) -> int:
    call.runtime.ring_at(sample).finish(sample, keep=True)
    return 0


@is_helper(133)
def _ringbuf_discard(call: Invocation, sample: int, *rest: int) -> int:
    call.runtime.ring_at(sample).finish(sample, keep=False)
    return 0


@is_helper(134)
def _ringbuf_query(call: Invocation, map: int, flags: int, *rest: int) -> int:
    ring = _ring(call, map)
    answers = {0: ring.used, 1: ring.max_entries, 2: 0, 3: ring.used}
    return answers.get(flags, 0)


# --- time, chance, the processor ---


@is_helper(5)
def _ktime_get_ns(call: Invocation, *rest: int) -> int:
    return call.runtime.host.ktime_ns(call.sk)


@is_helper(125)
def _ktime_get_boot_ns(call: Invocation, *rest: int) -> int:
    return call.runtime.host.ktime_ns(call.sk)


@is_helper(208)
def _ktime_get_tai_ns(call: Invocation, *rest: int) -> int:
    return call.runtime.host.ktime_ns(call.sk)


@is_helper(160)
def _ktime_get_coarse_ns(call: Invocation, *rest: int) -> int:
    """Return the clock of the last tick."""
    tick_ns = NS_PER_S // call.sk.hz
    return call.runtime.host.ktime_ns(call.sk) // tick_ns * tick_ns


@is_helper(118)
def _jiffies64(call: Invocation, *rest: int) -> int:
    return call.runtime.host.jiffies64(call.sk)


@is_helper(7)
def _get_prandom_u32(call: Invocation, *rest: int) -> int:
    return call.runtime.host.random(call.sk)


@is_helper(8)
def _get_smp_processor_id(call: Invocation, *rest: int) -> int:
    return 0


@is_helper(42)
def _get_numa_node_id(call: Invocation, *rest: int) -> int:
    return 0


@is_helper(153)
def _per_cpu_ptr(call: Invocation, address: int, cpu: int, *rest: int) -> int:
    return address if cpu & U32 == 0 else 0


@is_helper(154)
def _this_cpu_ptr(call: Invocation, address: int, *rest: int) -> int:
    return address


@is_helper(93)
def _spin_lock(call: Invocation, *rest: int) -> int:
    """Nothing runs beside a hook."""
    return 0


@is_helper(94)
def _spin_unlock(call: Invocation, *rest: int) -> int:
    return 0


# --- loops ---


@is_helper(181)
def _loop(call: Invocation, rounds: int, function: int, context: int, flags: int, *r: int) -> int:
    """Call ``function(index, context)`` that many times, or until it returns 1."""
    rounds &= U32
    if flags:
        return -EINVAL
    if rounds > LOOPS:
        return -E2BIG
    if function >> 32 != FUNCTIONS >> 32:
        raise BpfFault(f"expected a callback, got {function:#x}")
    for index in range(rounds):
        call.go_round()
        if call.call(function & U32, index, context):
            return index + 1
    return rounds


# --- timers ---


def _timers(call: Invocation) -> Timers:
    timers = call.runtime.timers
    if timers is None:
        raise BpfFault("a timer of an object that starts none")
    return timers


@is_helper(169)
def _timer_init(call: Invocation, timer: int, map: int, flags: int, *rest: int) -> int:
    return _timers(call).init(timer, _map(call, map), flags)


@is_helper(170)
def _timer_set_callback(call: Invocation, timer: int, function: int, *rest: int) -> int:
    assert call.code is not None
    return _timers(call).set_callback(timer, call.code, function & U32)


@is_helper(TIMER_START)
def _timer_start(call: Invocation, timer: int, ns: int, flags: int, *rest: int) -> int:
    return _timers(call).start(timer, call.sk, ns, flags)


@is_helper(172)
def _timer_cancel(call: Invocation, timer: int, *rest: int) -> int:
    return _timers(call).cancel(timer)


# --- sockets ---


@is_helper(116)
def _tcp_send_ack(call: Invocation, sk: int, rcv_nxt: int, *rest: int) -> int:
    return call.runtime.host.send_ack(_socket(call, sk), rcv_nxt & U32)


@is_helper(49)
def _setsockopt(call: Invocation, sk: int, level: int, name: int, value: int, size: int) -> int:
    data = call.read(value, min(size & U32, TCP_CA_NAME_MAX))
    return call.runtime.host.setsockopt(_socket(call, sk), _s32(level), _s32(name), data)


@is_helper(57)
def _getsockopt(call: Invocation, sk: int, level: int, name: int, value: int, size: int) -> int:
    size &= U32
    found = call.runtime.host.getsockopt(_socket(call, sk), _s32(level), _s32(name))
    if isinstance(found, int):
        call.write(value, bytes(size))
        return found
    call.write(value, found[: max(size - 1, 0)].ljust(size, b"\0"))
    return 0


HELPERS: dict[int, str] = {number: name for number, (name, _) in sorted(TABLE.items())}
"""The helpers that are there, by number."""
