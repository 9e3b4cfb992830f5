"""The kernel's functions that congestion controls may call (``bpf_tcp_ca_check_kfunc_ids``): those
of ``tcp_cong.c``, and those of the built-in CUBIC, BBR and DCTCP, which are the hooks of the
shipped algorithms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccsim.bpf.kernel_state import LAYOUTS, Layout
from ccsim.bpf.memory import ACK_SAMPLE, RATE_SAMPLE, SOCK, U32, BpfFault, Invocation, PrivateArea
from ccsim.catalog import algorithm_files
from ccsim.kernel import kfuncs
from ccsim.kernel.loader import load_tables
from ccsim.kernel.ops import TcpCongestionOps

__all__ = [
    "MODULE_FUNCTIONS",
    "NAMES",
    "NO_WINDOW",
    "direct",
    "kernel_function",
    "module_hook",
]

Function = Callable[..., int]

_MEMBERS = {
    "cubictcp_init": ("cubic", "init"),
    "cubictcp_recalc_ssthresh": ("cubic", "ssthresh"),
    "cubictcp_cong_avoid": ("cubic", "cong_avoid"),
    "cubictcp_state": ("cubic", "set_state"),
    "cubictcp_cwnd_event": ("cubic", "cwnd_event"),
    "cubictcp_acked": ("cubic", "pkts_acked"),
    "bbr_init": ("bbr", "init"),
    "bbr_main": ("bbr", "cong_control"),
    "bbr_sndbuf_expand": ("bbr", "sndbuf_expand"),
    "bbr_undo_cwnd": ("bbr", "undo_cwnd"),
    "bbr_cwnd_event": ("bbr", "cwnd_event"),
    "bbr_ssthresh": ("bbr", "ssthresh"),
    "bbr_min_tso_segs": ("bbr", "min_tso_segs"),
    "bbr_set_state": ("bbr", "set_state"),
    "dctcp_init": ("dctcp", "init"),
    "dctcp_update_alpha": ("dctcp", "in_ack_event"),
    "dctcp_cwnd_event": ("dctcp", "cwnd_event"),
    "dctcp_ssthresh": ("dctcp", "ssthresh"),
    "dctcp_cwnd_undo": ("dctcp", "undo_cwnd"),
    "dctcp_state": ("dctcp", "set_state"),
}
"""Kernel functions of modules: the shipped algorithm, and the member of its table."""


def _socket(call: Invocation, address: int) -> Any:
    if address != SOCK:
        raise BpfFault(f"expected a socket, got {address:#x}")
    return call.sk


def _tcp_reno_ssthresh(call: Invocation, sk: int, *rest: int) -> int:
    return kfuncs.tcp_reno_ssthresh(_socket(call, sk))


def _tcp_reno_undo_cwnd(call: Invocation, sk: int, *rest: int) -> int:
    return kfuncs.tcp_reno_undo_cwnd(_socket(call, sk))


def _tcp_reno_cong_avoid(call: Invocation, sk: int, ack: int, acked: int, *rest: int) -> int:
    kfuncs.tcp_reno_cong_avoid(_socket(call, sk), ack & U32, acked & U32)
    return 0


def _tcp_slow_start(call: Invocation, tp: int, acked: int, *rest: int) -> int:
    return kfuncs.tcp_slow_start(_socket(call, tp), acked & U32)


NO_WINDOW = "tcp_cong_avoid_ai: w is 0, by which Linux would divide"


def _tcp_cong_avoid_ai(call: Invocation, tp: int, w: int, acked: int, *rest: int) -> int:
    cong_avoid_ai(_socket(call, tp), w & U32, acked & U32)
    return 0


def cong_avoid_ai(sk: Any, w: int, acked: int) -> None:
    """As the kernel's, for a ``w`` of which nothing is known: 0 is divided by as BPF does."""
    if w == 0:
        raise BpfFault(NO_WINDOW)
    kfuncs.tcp_cong_avoid_ai(sk, w, acked)


_PLAIN: dict[str, Function] = {
    function.__name__[1:]: function
    for function in (
        _tcp_reno_ssthresh,
        _tcp_reno_undo_cwnd,
        _tcp_reno_cong_avoid,
        _tcp_slow_start,
        _tcp_cong_avoid_ai,
    )
}


def _rcu_read_lock(call: Invocation, *rest: int) -> int:
    """Nothing goes away while a hook runs."""
    return 0


_PLAIN |= {"bpf_rcu_read_lock": _rcu_read_lock, "bpf_rcu_read_unlock": _rcu_read_lock}


def _iter_num_new(call: Invocation, it: int, start: int, end: int, *rest: int) -> int:
    """Begin counting from ``start`` up to ``end`` (``bpf_iter_num_new``): the iterator holds the
    number before the next, and the end."""
    first, last = _s32(start), _s32(end)
    if first > last or last - first > 1 << 23:
        call.store(it, 8, 0)
        return -22 if first > last else -7
    call.store(it, 4, first - 1)
    call.store(it + 4, 4, last)
    return 0


def _iter_num_next(call: Invocation, it: int, *rest: int) -> int:
    """Return the address of the next number, 0 at the end."""
    following = _s32(call.load(it, 4)) + 1
    if following >= _s32(call.load(it + 4, 4)):
        call.store(it, 8, 0)
        return 0
    call.store(it, 4, following)
    call.go_round()
    call.back_jumps -= 1  # such a loop ends by itself
    return it


def _iter_num_destroy(call: Invocation, it: int, *rest: int) -> int:
    call.store(it, 8, 0)
    return 0


_PLAIN |= {
    "bpf_iter_num_new": _iter_num_new,
    "bpf_iter_num_next": _iter_num_next,
    "bpf_iter_num_destroy": _iter_num_destroy,
}

MODULE_FUNCTIONS = frozenset(_MEMBERS)
"""Those of modules, which share the private area with the program."""
NAMES = frozenset({*_PLAIN, *_MEMBERS})
"""The kernel functions that are there."""


def kernel_function(name: str) -> Function:
    """Return a kernel function, which takes the invocation and five registers; KeyError for one
    that is not there."""
    if name in _PLAIN:
        return _PLAIN[name]
    if name not in _MEMBERS:
        raise KeyError(name)
    return _of_module(name)


def _s32(value: int) -> int:
    return ((value & U32) ^ 0x80000000) - 0x80000000


_tables: dict[str, TcpCongestionOps] = {}


def _table(algorithm: str) -> TcpCongestionOps:
    """Return the shipped algorithm's table; it is loaded when an object first links to it."""
    if algorithm not in _tables:
        _tables[algorithm] = load_tables(algorithm_files()[algorithm])[algorithm]
    return _tables[algorithm]


def module_hook(name: str) -> tuple[TcpCongestionOps, Layout, str, Function]:
    """Return the shipped algorithm's table whose hook a kernel function is, how its state lies in
    the private area, the hook's member, and the kernel function; KeyError for another one."""
    algorithm, member = _MEMBERS[name]
    return _table(algorithm), LAYOUTS[algorithm], member, kernel_function(name)


def direct(name: str) -> tuple[str, Callable[..., int]]:
    """Return a kernel function as one of the socket and a hook's own arguments, and the member of
    the table that it is; KeyError for one that is no hook of a shipped algorithm.

    While it runs, the socket's private area is the algorithm's own state, and its table the
    algorithm's; the bytes of the area follow when somebody looks at them.
    """
    algorithm, member = _MEMBERS[name]
    ops = _table(algorithm)
    hook = getattr(ops, member)
    layout = LAYOUTS[algorithm]

    def function(sk: Any, *arguments: Any) -> int:
        area, own = sk.ca, sk.ca_ops
        if not isinstance(area, PrivateArea):
            raise BpfFault("the private area is another implementation's")
        state = layout.begin(area, ops, sk) if member == "init" else layout.state(area, ops, sk)
        sk.ca, sk.ca_ops = state, ops
        try:
            return hook(sk, *arguments) or 0
        finally:
            if sk.ca is state:
                sk.ca = area
                layout.changed(area, state)
            if sk.ca_ops is ops:
                sk.ca_ops = own

    return member, function


def _of_module(name: str) -> Function:
    """Return a hook of a shipped algorithm as a kernel function."""
    member, run = direct(name)

    def function(call: Invocation, address: int, *registers: int) -> int:
        return run(_socket(call, address), *_given(call, member, registers))

    return function


def _given(call: Invocation, member: str, registers: tuple[int, ...]) -> tuple[Any, ...]:
    """Return a hook's arguments after the socket."""
    if member in ("pkts_acked", "cong_control"):
        at = 0 if member == "pkts_acked" else 2
        number = (ACK_SAMPLE if member == "pkts_acked" else RATE_SAMPLE) >> 32
        region = call.regions.get(registers[at] >> 32)
        if region is None or registers[at] >> 32 != number:
            raise BpfFault(f"expected the sample, got {registers[at]:#x}")
        sample = region.sample  # type: ignore[attr-defined]
        return (sample,) if at == 0 else (registers[0] & U32, _s32(registers[1]), sample)
    if member == "cong_avoid":
        return registers[0] & U32, registers[1] & U32
    if member in ("set_state", "cwnd_event", "in_ack_event"):
        return (registers[0] & (0xFF if member == "set_state" else U32),)
    return ()
