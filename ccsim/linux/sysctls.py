"""The sysctls of the hosts of a run on a kernel, and the TCP settings that have no sysctl."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ccsim.spec import Scenario, Tcp
from ccsim.spec.plain import to_plain

__all__ = ["ECN", "SYSCTLS", "host_sysctls", "wrong_sysctls"]

BUFFERS = "4096 33554432 67108864"
SEND_BUFFERS = "4096 4194304 67108864"
SYSCTLS = {
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.tcp_comp_sack_nr": "0",  # the simulated receiver does not compress SACKs either
    "net.ipv4.tcp_rmem": BUFFERS,
    "net.ipv4.tcp_wmem": SEND_BUFFERS,
    "net.ipv6.conf.default.disable_ipv6": "1",
}
ECN: Mapping[bool | str, str] = {"off": "0", True: "1", False: "2", "accecn": "3"}
ONE_TCP = "hosts on a kernel have the TCP of all; simulate what differs"
ON = {"early_retrans": "3", "frto": "2"}  # of those of which 1 is something else


def host_sysctls(tcp: Tcp) -> dict[str, str]:
    """Return the sysctls of a host with a scenario's TCP, by their whole names."""
    own = {} if tcp.sysctls is None else to_plain(tcp.sysctls)
    own.pop("pacing", None)
    if lowat := own.pop("notsent_lowat_bytes", 0):
        own["notsent_lowat"] = lowat
    if "min_rtt_wlen_s" in own:
        own["min_rtt_wlen"] = own.pop("min_rtt_wlen_s")
    return {**SYSCTLS, **_named(own)}


def _named(sysctls: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"net.ipv4.tcp_{key}": ON[key] if value and key in ON else str(int(value))
        for key, value in sysctls.items()
    }


def wrong_sysctls(scenario: Scenario) -> Iterator[str]:
    """Yield what of pacing is no sysctl of a host, and that nothing but flows goes to a kernel,
    with one TCP."""
    if scenario.traffic:
        yield "traffic: there is no cross traffic to a kernel; simulate it"
    if scenario.tcp.sysctls is not None and scenario.tcp.sysctls.pacing == "fq":
        yield "tcp.pacing: hosts on a kernel have no fq; sockets pace themselves"
    for number, load in enumerate(scenario.workloads):
        if load.flow.sender_tcp or load.flow.receiver_tcp:
            yield f"workloads.{number}.tcp: {ONE_TCP}"
    for number, flow in enumerate(scenario.flows):
        if flow.sender_tcp or flow.receiver_tcp:
            yield f"flows.{number}.tcp: {ONE_TCP}"
        if flow.max_pacing_rate_bps:
            yield f"flows.{number}.max_pacing_rate: it is not set on a kernel; simulate it"
