"""The hosts of a scenario: their settings, their sockets' options, and how late they are."""

from __future__ import annotations

from dataclasses import replace

from ccsim.kernel.sock import PACING_FQ, PACING_NEEDED
from ccsim.sim.lateness import LateHost
from ccsim.spec import Flow, Scenario
from ccsim.spec.plain import to_plain
from ccsim.tcp.host import Host
from ccsim.tcp.sender import Sender

__all__ = ["host_of", "late_host", "sending_host", "set_pacing"]


def host_of(scenario: Scenario) -> Host:
    """Return the host that all senders share."""
    tcp = scenario.tcp
    found = {} if tcp.sysctls is None else to_plain(tcp.sysctls)
    found.pop("pacing", None)
    return Host(
        hz=scenario.kernel.hz,
        initial_window=tcp.initial_window,
        mss_bytes=tcp.mss_bytes,
        rto_min_us=tcp.min_rto_ns // 1000,
        tso=tcp.tso,
        **found,
    )


def sending_host(host: Host, spec: Flow, late: LateHost | None) -> Host:
    """Return the host of a flow's sender: with a send buffer of its own if the flow has one."""
    if spec.sndbuf_bytes is not None:
        host = replace(host, sndbuf_packets=spec.sndbuf_bytes // host.mss_bytes)
    return late_host(host, late)


def late_host(host: Host, late: LateHost | None) -> Host:
    """Return a host that sees to its timers when a late one does."""
    return host if late is None else replace(host, awake_ns=late.sees_to)


def set_pacing(sk: Sender, spec: Flow, scenario: Scenario) -> None:
    """Let fq pace a flow's socket if it paces all, and set SO_MAX_PACING_RATE
    (``sk_setsockopt``)."""
    sysctls, most_bps = scenario.tcp.sysctls, spec.max_pacing_rate_bps
    if most_bps:
        sk.max_pacing_rate = most_bps // 8
        sk.pacing_rate = min(sk.pacing_rate, sk.max_pacing_rate)
        sk.pacing_status = PACING_NEEDED
    if sysctls is not None and sysctls.pacing == "fq":
        sk.pacing_status = PACING_FQ
