"""What the tests of shipped algorithms share: a file's module, and a socket that takes notes."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ccsim.kernel.ops import AckSample
from ccsim.kernel.sock import TCP_ESTABLISHED, Sock

__all__ = ["ROOT", "HostSock", "acked", "connect", "shipped"]

ROOT = Path(__file__).resolve().parents[2]


@cache
def shipped(name: str) -> ModuleType:
    """Return the module of ``algorithms/<name>.py``."""
    path = ROOT / "algorithms" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"shipped_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class HostSock(Sock):
    """A socket whose host notes what it is asked for, and whose random source repeats itself."""

    __slots__ = ("bpf_base_rtt", "draw", "host_calls")

    def __init__(self) -> None:
        super().__init__()
        self.bpf_base_rtt = -1
        self.draw = 0
        self.host_calls: list[Any] = []
        self.random = self

    def u32(self) -> int:
        return self.draw

    def u32_below(self, bound: int) -> int:
        return self.draw % bound

    def u8(self) -> int:
        return self.draw & 0xFF

    def tcp_enter_cwr(self) -> None:
        self.host_calls.append("cwr")

    def tcp_send_ack(self, rcv_nxt: int) -> None:
        self.host_calls.append((rcv_nxt, self.ecn_flags))


def connect(name: str, params: dict[str, int] | None = None, /, **fields: Any) -> HostSock:
    """Return a socket of 1000 ticks a second that runs the algorithm; ``fields`` precede init."""
    sk = HostSock()
    sk.hz = 1000
    sk.sk_state = TCP_ESTABLISHED
    sk.is_cwnd_limited = True
    sk.tcp_jiffies32 = 1_000_000
    sk.snd_una = sk.snd_nxt = 1
    for field, value in fields.items():
        setattr(sk, field, value)
    ops = vars(shipped(name))[name]
    sk.ca_ops = replace(ops, params=replace(ops.params, **params)) if params else ops
    sk.ca = ops.private() if ops.private else None
    if ops.init:
        ops.init(sk)
    return sk


def acked(sk: Sock, rtt_us: int, pkts_acked: int = 1, in_flight: int = 1448) -> None:
    """Tell the algorithm about an ACK."""
    hook = sk.ca_ops.pkts_acked
    assert hook is not None
    hook(sk, AckSample(pkts_acked, rtt_us, in_flight))
