"""Senders brought into a known state, and what they send."""

from __future__ import annotations

from typing import Any

from ccsim.catalog import algorithms_dir
from ccsim.ints import Ints
from ccsim.kernel import load_tables
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.tcp.host import Host
from ccsim.tcp.input import on_ack
from ccsim.tcp.sender import Sender

MS = 1_000_000
RTT_NS = 40 * MS
T0 = RTT_NS  # when the handshake ends, the SYN having left at 0


def algorithm(name: str) -> TcpCongestionOps:
    """Return the table of a shipped algorithm."""
    return load_tables(algorithms_dir() / f"{name}.py")[name]


class Clocked(Sender):
    """A sender that notes its events."""

    __slots__ = ("heard",)

    heard: list[tuple[int, str, dict[str, int]]]


def connected(
    ops: TcpCongestionOps | str = "reno", cwnd: int = 10, *, limit: int | None = None, **host: Any
) -> Clocked:
    """Return a sender whose handshake took 40 ms and which has just sent its first window."""
    sk = Clocked(Host(**host))
    sk.ca_ops = algorithm(ops) if isinstance(ops, str) else ops
    sk.ca = sk.ca_ops.private() if sk.ca_ops.private is not None else None
    sk.heard = []
    sk.on_event = lambda _, kind, detail: sk.heard.append((sk.tcp_clock_cache, kind, dict(detail)))
    if limit is not None:
        sk.write_limit = limit
    sk.handshake_done(T0, 0)
    sk.snd_cwnd = cwnd
    if sk.ca_ops.init is not None:
        sk.ca_ops.init(sk)
    sk.begin()
    return sk


def sent(sk: Sender) -> list[int]:
    """Return the packets sent since the last call."""
    out, sk.out_seq, sk.out_t = sk.out_seq, Ints(), Ints()
    return out.tolist()


def ack(
    sk: Sender, t_ns: int, number: int, *blocks: tuple[int, int], echo_ns: int = T0
) -> list[int]:
    """Let an ACK come; return the packets that it lets out."""
    on_ack(sk, t_ns, number, echo_ns // 1000, blocks or None)
    return sent(sk)


def fire(sk: Sender) -> int:
    """Let the retransmission timer fire when it is due; return that time [ns]."""
    while not sk.timer_settled:
        sk.fire_timer(sk.timer_ns)
    due = sk.timer_ns
    sk.fire_timer(due)
    return due


def due(sk: Sender) -> int:
    """Return when the retransmission timer is due [ns]."""
    from ccsim.tcp.output import settle_timer

    if not sk.timer_settled:
        settle_timer(sk)
    return sk.timer_ns
