"""The hosts of a scenario: their settings, their sockets' options, and how late they are."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from ccsim.kernel.sock import PACING_FQ, PACING_NEEDED
from ccsim.sim.lateness import LateHost
from ccsim.spec import Flow, Scenario, Tcp
from ccsim.spec.plain import to_plain
from ccsim.tcp.host import Host
from ccsim.tcp.sender import Sender

__all__ = ["host_of", "hosts_of_ends", "late_host", "sending_host", "set_pacing", "tcp_of_ends"]


def tcp_of_ends(spec: Flow, scenario: Scenario) -> tuple[Tcp, Tcp]:
    """Return the TCP of a flow's sending and receiving host."""
    return spec.sender_tcp or scenario.tcp, spec.receiver_tcp or scenario.tcp


@lru_cache(maxsize=64)
def host_of(tcp: Tcp, hz: int) -> Host:
    """Return the host with some TCP."""
    found = {} if tcp.sysctls is None else to_plain(tcp.sysctls)
    found.pop("pacing", None)
    return Host(
        hz=hz,
        initial_window=tcp.initial_window,
        mss_bytes=tcp.mss_bytes,
        rto_min_us=tcp.min_rto_ns // 1000,
        tso=tcp.tso,
        **found,
    )


@lru_cache(maxsize=64)
def hosts_of_ends(sender: Tcp, receiver: Tcp, hz: int) -> tuple[Host, Host]:
    """Return the hosts at both ends of a connection: the options that it has are those that both
    offer in the handshake."""
    host, peer = host_of(sender, hz), host_of(receiver, hz)
    sack, timestamps = host.sack and peer.sack, host.timestamps and peer.timestamps
    return (
        replace(host, sack=sack, timestamps=timestamps),
        replace(peer, sack=sack, timestamps=timestamps),
    )


def sending_host(host: Host, spec: Flow, late: LateHost | None) -> Host:
    """Return the host of a flow's sender: with a send buffer of its own if the flow has one."""
    if spec.sndbuf_bytes is not None:
        host = replace(host, sndbuf_packets=spec.sndbuf_bytes // host.mss_bytes)
    return late_host(host, late)


def late_host(host: Host, late: LateHost | None) -> Host:
    """Return a host that sees to its timers when a late one does."""
    return host if late is None else replace(host, awake_ns=late.sees_to)


def set_pacing(sk: Sender, spec: Flow, tcp: Tcp) -> None:
    """Let fq pace a flow's socket if it paces all, and set SO_MAX_PACING_RATE
    (``sk_setsockopt``)."""
    sysctls, most_bps = tcp.sysctls, spec.max_pacing_rate_bps
    if most_bps:
        sk.max_pacing_rate = most_bps // 8
        sk.pacing_rate = min(sk.pacing_rate, sk.max_pacing_rate)
        sk.pacing_status = PACING_NEEDED
    if sysctls is not None and sysctls.pacing == "fq":
        sk.pacing_status = PACING_FQ
