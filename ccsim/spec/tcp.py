"""The TCP of hosts: windows, timers, and ``net.ipv4.tcp_*``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ccsim.spec.limits import MAX_MIN_RTT_WLEN_S, MAX_MSS_BYTES, Packets, PositiveNs, Within
from ccsim.spec.plain import SPARSE
from ccsim.units import MAX_PACKETS, MAX_SIZE_BYTES

__all__ = ["Sysctls", "Tcp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctls:
    """``net.ipv4.tcp_*`` of the hosts, and how they pace: sockets that need it by themselves, or
    all of them as behind fq.

    Of what is written no more than ``notsent_lowat_bytes`` waits to be sent (0: no limit).
    ``recovery`` has the bits of ``tcp_recovery``: 1, 2 (a static window) and 4 (no threshold of
    duplicates).
    """

    slow_start_after_idle: bool = True
    sack: bool = True
    dsack: bool = True
    timestamps: bool = True
    early_retrans: bool = True
    frto: bool = True
    recovery: Literal[1, 3, 5, 7] = 1
    min_rtt_wlen_s: Annotated[int, Within(0, MAX_MIN_RTT_WLEN_S)] = 300
    reordering: Annotated[int, Within(1, 300)] = 3
    max_reordering: Annotated[int, Within(1, MAX_PACKETS)] = 300
    pacing_ss_ratio: Annotated[int, Within(1, 1000)] = 200
    pacing_ca_ratio: Annotated[int, Within(1, 1000)] = 120
    notsent_lowat_bytes: Annotated[int, Within(0, MAX_SIZE_BYTES)] = 0
    pacing: Literal["internal", "fq"] = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcp:
    """The hosts' TCP: ``quickack_packets`` are acknowledged one by one before ACKs are delayed.

    ``ecn`` is ``tcp_ecn``: whether it is asked for, or Accurate ECN, or not even agreed to.
    ``sysctls`` are those that are not Linux's defaults (None: all are).
    """

    initial_window: Packets = 10
    mss_bytes: Annotated[int, Within(1, MAX_MSS_BYTES)] = 1448
    quickack_packets: Annotated[int, Within(0, MAX_PACKETS)] = 1465
    min_rto_ns: PositiveNs = 200_000_000
    delayed_ack: bool = True
    ecn: bool | Literal["accecn", "off"] = False
    tso: bool = False
    sysctls: Sysctls | None = field(default=None, metadata=SPARSE)
