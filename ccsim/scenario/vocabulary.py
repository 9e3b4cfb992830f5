"""The words that a scenario may use, each with one line of description; near misses of them."""

from __future__ import annotations

from collections.abc import Mapping

from ccsim.words import did_you_mean, listed

__all__ = [
    "GUARD_METRICS",
    "LINK_NAME_BYTES",
    "MECHANISMS",
    "PROFILES",
    "QDISCS",
    "STATE_POLICIES",
    "TRIGGER_STATES",
    "did_you_mean",
    "listed",
]

MECHANISMS: Mapping[str, str] = {
    "setsockopt": "TCP_CONGESTION on each named flow's or listener's socket; a listener's new "
    "connections inherit it",
    "link_update": "BPF_LINK_UPDATE: another map behind a name; running flows keep the old one",
    "sweep": "setsockopt on every matching running flow, at once or staggered over a time",
    "sysctl": "net.ipv4.tcp_congestion_control of a namespace: the default of its new sockets",
    "reregister": "unregister, wait, register under the same name: who asks in between gets the "
    "default",
    "staged": "link_update, then setsockopt on growing fractions of the running flows; a guard "
    "rolls back",
}
"""How an implementation can be replaced (``swaps.*.via``)."""

STATE_POLICIES: Mapping[str, str] = {
    "linux": "cwnd, ssthresh, RTT and scoreboard stay on the socket; private state is lost",
    "cold": "restart from the initial window, in slow start",
    "keep_cwnd": "cwnd stays and ssthresh becomes it: no slow start",
    "rate": "cwnd and ssthresh from the measured delivery rate times the least RTT",
    "model": "the new implementation imports what the old one exports of its model of the path",
    "safe_retreat": "half the window until a round trip has validated it; retreat on loss",
    "pacing_ramp": "paced from the measured delivery rate up to the new one's own, over four RTTs",
}
"""What a new implementation starts from (``swaps.*.state``)."""

TRIGGER_STATES: Mapping[str, str] = {
    "Open": "all is in order",
    "Disorder": "something is SACKed or a duplicate came, nothing is held for lost",
    "CWR": "the window is being reduced without a loss",
    "Recovery": "fast recovery",
    "Loss": "recovery after a retransmission timeout",
    "slow-start": "cwnd is below ssthresh",
    "app-limited": "the application has nothing to send",
    "Startup": "BBR looks for the bandwidth",
    "Drain": "BBR empties the queue that Startup made",
    "ProbeBW": "BBR holds and probes the bandwidth",
    "ProbeBW_DOWN": "BBRv3 empties the queue that a probe made",
    "ProbeBW_CRUISE": "BBRv3 sends at the bandwidth",
    "ProbeBW_REFILL": "BBRv3 fills the pipe before a probe",
    "ProbeBW_UP": "BBRv3 sends faster than the bandwidth",
    "ProbeRTT": "BBR lets the window fall to measure the least RTT",
    "Competitive": "Copa competes with flows that fill the queue",
    "Slowdown": "LEDBAT++ empties its part of the queue",
}
"""States of a flow that a swap can wait for (``swaps.*.when.state``)."""

GUARD_METRICS: Mapping[str, str] = {
    "goodput": "payload acknowledged in order: trips when it falls by the threshold",
    "retransmissions": "share of packets sent again: trips when it rises by that many points",
    "drops": "share of packets dropped: trips when it rises by that many points",
    "rtt_p99": "99th percentile of the smoothed RTT: trips when it rises by the threshold",
    "stall": "longest time without progress of a flow: trips when it is longer by the threshold",
}
"""What a staged roll-out can be guarded by (``swaps.*.guard.metric``)."""

QDISCS: Mapping[str, str] = {
    "fifo": "drop-tail first in, first out; its limit counts the packet on the line too",
}
"""Queueing disciplines that are none of tc's (``path.qdisc``)."""

PROFILES: Mapping[str, str] = {
    "linux": "struct_ops links as merged and running today",
    "linux-6.9": "the same, where BPF objects find Linux before 6.10: cong_control(sk, rs)",
    "v2": "struct_ops links as the second version of the patch series had them",
}
"""Behaviours of the emulated kernel (``kernel.profile``)."""

LINK_NAME_BYTES = 15
"""The longest registered name: TCP_CA_NAME_MAX less the closing NUL."""
