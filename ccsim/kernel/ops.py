"""The table of operations of a congestion control and what its hooks receive
(``include/net/tcp.h``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccsim.kernel.sock import Sock

__all__ = [
    "PLAIN_ACK",
    "TCP_CA_NAME_MAX",
    "TCP_CONG_NEEDS_ECN",
    "TCP_CONG_NON_RESTRICTED",
    "TCP_INFINITE_SSTHRESH",
    "AckFlag",
    "AckInfo",
    "AckSample",
    "CaEvent",
    "CaState",
    "RateSample",
    "TcpCongestionOps",
]

TCP_CA_NAME_MAX = 16  # bytes, the closing NUL included
TCP_CONG_NON_RESTRICTED = 0x1
TCP_CONG_NEEDS_ECN = 0x2
TCP_INFINITE_SSTHRESH = 0x7FFFFFFF  # packets


class CaState(IntEnum):
    """``enum tcp_ca_state``."""

    OPEN = 0
    DISORDER = 1
    CWR = 2
    RECOVERY = 3
    LOSS = 4


class CaEvent(IntEnum):
    """``enum tcp_ca_event``."""

    TX_START = 0
    CWND_RESTART = 1
    COMPLETE_CWR = 2
    LOSS = 3
    ECN_NO_CE = 4
    ECN_IS_CE = 5


class AckFlag(IntFlag):
    """``enum tcp_ca_ack_event_flags``: what ``in_ack_event`` is told."""

    SLOWPATH = 1
    WIN_UPDATE = 2
    ECE = 4


class AckInfo(IntFlag):
    """``FLAG_*`` of ``net/ipv4/tcp_input.c``: what ``cong_control`` is told of an ACK.

    WIN_UPDATE: of a fixed window, whatever advances; SLOWPATH: SACK blocks or ECE, and
    UPDATE_TS_RECENT goes with it. Never set, as nothing here could mean them: DATA, SYN_ACKED,
    SACK_RENEGING, NO_CHALLENGE_ACK, TS_PROGRESS.
    """

    WIN_UPDATE = 0x2
    DATA_ACKED = 0x4
    RETRANS_DATA_ACKED = 0x8
    DATA_SACKED = 0x20
    ECE = 0x40
    LOST_RETRANS = 0x80
    SLOWPATH = 0x100
    ORIG_SACK_ACKED = 0x200
    SND_UNA_ADVANCED = 0x400
    DSACKING_ACK = 0x800
    SET_XMIT_TIMER = 0x1000
    UPDATE_TS_RECENT = 0x4000
    ACK_MAYBE_DELAYED = 0x10000
    DSACK_TLP = 0x20000


PLAIN_ACK = int(
    AckInfo.WIN_UPDATE | AckInfo.DATA_ACKED | AckInfo.SND_UNA_ADVANCED | AckInfo.SET_XMIT_TIMER
)
"""What every ACK of a train is: it acknowledges packets in order, and no more."""


class AckSample:
    """``struct ack_sample``: what ``pkts_acked`` is told. One object a socket, overwritten by each
    ACK.

    pkts_acked: packets cumulatively acknowledged by this ACK; rtt_us: microseconds, -1 for none;
    in_flight: bytes in flight when the newest of them was sent.
    """

    __slots__ = ("in_flight", "pkts_acked", "rtt_us")

    def __init__(self, pkts_acked: int = 0, rtt_us: int = -1, in_flight: int = 0) -> None:
        self.pkts_acked = pkts_acked
        self.rtt_us = rtt_us
        self.in_flight = in_flight


class RateSample:
    """``struct rate_sample``: what ``cong_control`` is told. One object a socket, overwritten by
    each ACK.

    `ccsim.kernel.fields` says what the fields hold; ``delivered`` and ``interval_us`` are -1 when
    the sample is invalid, ``rtt_us`` is -1 without one
    (draft-cheng-iccrg-delivery-rate-estimation).
    """

    __slots__ = (
        "acked_sacked",
        "delivered",
        "delivered_ce",
        "interval_us",
        "is_ack_delayed",
        "is_app_limited",
        "is_retrans",
        "last_end_seq",
        "losses",
        "prior_delivered",
        "prior_delivered_ce",
        "prior_in_flight",
        "prior_mstamp",
        "rcv_interval_us",
        "rtt_us",
        "snd_interval_us",
    )

    def __init__(self) -> None:
        self.prior_mstamp = 0
        self.prior_delivered = 0
        self.prior_delivered_ce = 0
        self.delivered = -1
        self.delivered_ce = 0
        self.interval_us = -1
        self.snd_interval_us = 0
        self.rcv_interval_us = 0
        self.rtt_us = -1
        self.losses = 0
        self.acked_sacked = 0
        self.prior_in_flight = 0
        self.last_end_seq = 0
        self.is_app_limited = False
        self.is_retrans = False
        self.is_ack_delayed = False


@dataclass(frozen=True, eq=False, kw_only=True)
class TcpCongestionOps:
    """``struct tcp_congestion_ops``: the table with which an algorithm file declares one
    implementation.

    Each module-level table of a file is one struct_ops map, named for its variable. An absent
    operation is None, as the NULL member is in C. Hooks are plain functions of the socket; what an
    implementation remembers lives in the socket's private area ``sk.ca``, which the kernel makes
    afresh with ``private()`` before ``init`` runs.

    link: the map is of the kind ``SEC(".struct_ops.link")`` (BPF_F_LINK): it is registered by a
    link and can be replaced; False is the older kind, registered by writing the element.
    params: module parameters, a frozen dataclass; hooks read them as ``sk.ca_ops.params``.
    train: optional; ``train(sk, acks)`` takes a prefix of an `AckTrain`, or with ``cong_control``
    of a `RateTrain`, at once and returns its length, leaving everything exactly as the hooks would
    have, called ACK by ACK (see `ccsim.cc.train`, `ccsim.cc.rate_train`).
    sack_train: optional; ``sack_train(sk, rtt_us)`` takes the RTT samples [us] of ACKs in Recovery,
    each of which only SACKs one packet more, as ``pkts_acked`` and ``in_ack_event`` would have, one
    by one, while ``snd_cwnd`` is not below ``snd_ssthresh``; False, with nothing changed, leaves
    them to the hooks. Without these two hooks there is nothing to take.
    rtt_floor: optional; ``rtt_floor(sk)`` returns from where on RTT samples [us], in congestion
    avoidance, change nothing that the hooks do then or later; 0 if all may. It changes nothing.
    With it ``train`` is also given ACKs whose RTTs are not known yet: ``rtt_us`` is that floor, and
    it is not told what was in flight. What it did may be taken back, so ``copy.copy(sk.ca)`` must
    copy all that it changes.
    export_model, import_model: optional; how an implementation hands what it knows of the path to
    the next one. ``export_model(sk)`` returns it as integers, leaving out what is not known, under
    keys such as ``bw_bps`` [bit/s of payload], ``min_rtt_us``, ``cwnd_packets``,
    ``ssthresh_packets``, ``w_max_packets``; it changes nothing. ``import_model(sk, model)`` is
    called after ``init`` and takes what it can use, from whomever it came. The kernel itself calls
    neither.
    phase: optional; ``phase(sk)`` names the phase that the algorithm is in, such as ``ProbeRTT``,
    and changes nothing: triggers wait for it.
    ect_1: whether packets are marked ECT(1), for the queue of L4S (RFC 9331), and not ECT(0).
    """

    name: str
    flags: int = 0
    ssthresh: Callable[[Sock], int] | None = None
    undo_cwnd: Callable[[Sock], int] | None = None
    cong_avoid: Callable[[Sock, int, int], None] | None = None
    cong_control: Callable[[Sock, int, int, RateSample], None] | None = None
    set_state: Callable[[Sock, int], None] | None = None
    cwnd_event: Callable[[Sock, int], None] | None = None
    in_ack_event: Callable[[Sock, int], None] | None = None
    pkts_acked: Callable[[Sock, AckSample], None] | None = None
    min_tso_segs: Callable[[Sock], int] | None = None
    sndbuf_expand: Callable[[Sock], int] | None = None
    get_info: Callable[[Sock], dict[str, int]] | None = None
    init: Callable[[Sock], None] | None = None
    release: Callable[[Sock], None] | None = None
    private: Callable[[], Any] | None = None
    params: Any = None
    link: bool = True
    train: Callable[[Sock, Any], int] | None = None
    sack_train: Callable[[Sock, Any], bool] | None = None
    rtt_floor: Callable[[Sock], int] | None = None
    export_model: Callable[[Sock], dict[str, int]] | None = None
    import_model: Callable[[Sock, Mapping[str, int]], None] | None = None
    phase: Callable[[Sock], str] | None = None
    ect_1: bool = False
