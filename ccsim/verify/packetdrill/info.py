"""TCP_INFO of a connection, as the snippets of a script see it (``tcp_get_info``)."""

from __future__ import annotations

from typing import Any

from ccsim.units import NS_PER_MS
from ccsim.verify.packetdrill.chrono import BUSY, RWND_LIMITED, SNDBUF_LIMITED
from ccsim.verify.packetdrill.code import OPTION_BITS, SOCKET_STATES
from ccsim.verify.packetdrill.connection import Connection

__all__ = ["INFO_NAMES", "tcp_info"]

BEFORE: dict[str, Any] = {
    "tcpi_snd_cwnd": 10,
    "tcpi_snd_ssthresh": 0x7FFFFFFF,
    "tcpi_ca_state": 0,
}
WINDOW = (
    *("snd_cwnd", "snd_ssthresh", "ca_state", "reordering", "reord_seen", "delivered"),
    *("delivered_ce", "data_segs_out", "backoff", "total_retrans", "dsack_dups"),
)


def tcp_info(connection: Connection | None, now_ns: int) -> dict[str, Any]:
    """Return ``tcpi_…`` by name."""
    if connection is None or not connection.opened_ns:
        state = "CLOSE" if connection is None else connection.state
        return dict.fromkeys(INFO_NAMES, 0) | {
            **BEFORE,
            "tcpi_state": SOCKET_STATES.index(state) + 1,
        }
    sk = connection.sk
    info: dict[str, Any] = {f"tcpi_{name}": getattr(sk, name) for name in WINDOW}
    info |= _packets(connection) | _times(connection, now_ns) | _sizes(connection)
    info["tcpi_state"] = SOCKET_STATES.index(connection.state) + 1
    info["tcpi_options"] = _options(connection)
    return info


def _packets(connection: Connection) -> dict[str, Any]:
    sk, out = connection.sk, connection.out
    return {
        "tcpi_unacked": sk.nxt - sk.una,
        "tcpi_sacked": sk.sacked_out,
        "tcpi_lost": sk.lost_out,
        "tcpi_retrans": sk.retrans_out,
        "tcpi_retransmits": sk.icsk_retransmits,
        "tcpi_fackets": 0,
        "tcpi_probes": out.probes,
        "tcpi_backoff": max(sk.backoff, out.probe_backoff),
        "tcpi_segs_out": connection.segs_out,
        "tcpi_segs_in": connection.segs_in,
        "tcpi_data_segs_in": connection.data_segs_in,
        "tcpi_rcv_ooopack": len(connection.inbox.receiver.starts),
        "tcpi_total_rto": sk.counters["rtos"],
    }


def _times(connection: Connection, now_ns: int) -> dict[str, Any]:
    sk, host = connection.sk, connection.host
    return {
        "tcpi_rtt": sk.srtt_us >> 3,
        "tcpi_rttvar": sk.mdev_us >> 2,
        "tcpi_min_rtt": sk.rtt_min_us,
        "tcpi_rto": sk.rto_jiffies * host.jiffy_us,
        "tcpi_ato": connection.inbox.receiver.ato * host.jiffy_us,
        "tcpi_last_data_sent": (now_ns - (sk.lsnd_ns or connection.opened_ns)) // NS_PER_MS,
        "tcpi_last_data_recv": (now_ns - (connection.last_data_ns or connection.opened_ns))
        // NS_PER_MS,
        "tcpi_last_ack_recv": (now_ns - (connection.last_ack_ns or connection.opened_ns))
        // NS_PER_MS,
        "tcpi_busy_time": connection.out.chrono.total_us(now_ns, BUSY),
        "tcpi_rwnd_limited": connection.out.chrono.total_us(now_ns, RWND_LIMITED),
        "tcpi_sndbuf_limited": connection.out.chrono.total_us(now_ns, SNDBUF_LIMITED),
        "tcpi_pacing_rate": sk.pacing_rate,
        "tcpi_max_pacing_rate": sk.max_pacing_rate,
        "tcpi_delivery_rate_app_limited": int(sk.app_limited > 0),
    }


def _sizes(connection: Connection) -> dict[str, Any]:
    sk, queue, inbox = connection.sk, connection.out.queue, connection.inbox
    closed = connection.inbox.finished
    return {
        "tcpi_snd_mss": sk.mss_cache,
        "tcpi_rcv_mss": inbox.mss,
        "tcpi_advmss": connection.own_mss,
        "tcpi_pmtu": connection.world.settings.mtu,
        "tcpi_snd_wnd": connection.out.window,
        "tcpi_snd_wscale": connection.terms.peer_scale,
        "tcpi_rcv_wscale": connection.terms.own_scale,
        "tcpi_bytes_acked": connection.out.una - 1 + (not connection.passive),
        "tcpi_bytes_received": inbox.nxt - 1 - closed,
        "tcpi_notsent_bytes": queue.write_seq - queue.start(sk.nxt),
    }


def _options(connection: Connection) -> int:
    terms = connection.terms
    echo = connection.inbox.receiver.ecn
    seen = echo is not None and bool(echo.flags & 8) if hasattr(echo, "flags") else False
    there = {
        "TIMESTAMPS": terms.timestamps,
        "SACK": terms.sack,
        "WSCALE": terms.scaled,
        "ECN": terms.ecn,
        "ECN_SEEN": seen,
        "SYN_DATA": connection.syn_data_acked,
    }
    return sum(OPTION_BITS[name] for name, is_there in there.items() if is_there)


INFO_NAMES = {
    *(f"tcpi_{name}" for name in WINDOW),
    *("tcpi_state", "tcpi_options", "tcpi_unacked", "tcpi_sacked", "tcpi_lost", "tcpi_retrans"),
    *("tcpi_retransmits", "tcpi_fackets", "tcpi_probes", "tcpi_backoff", "tcpi_segs_out"),
    *("tcpi_segs_in", "tcpi_data_segs_in", "tcpi_rcv_ooopack", "tcpi_total_rto", "tcpi_rtt"),
    *("tcpi_rttvar", "tcpi_min_rtt", "tcpi_rto", "tcpi_ato", "tcpi_last_data_sent"),
    *("tcpi_last_data_recv", "tcpi_last_ack_recv", "tcpi_pacing_rate", "tcpi_max_pacing_rate"),
    *("tcpi_delivery_rate_app_limited", "tcpi_snd_mss", "tcpi_rcv_mss", "tcpi_advmss"),
    *("tcpi_pmtu", "tcpi_snd_wnd", "tcpi_snd_wscale", "tcpi_rcv_wscale", "tcpi_bytes_acked"),
    *("tcpi_bytes_received", "tcpi_notsent_bytes"),
    *("tcpi_busy_time", "tcpi_rwnd_limited", "tcpi_sndbuf_limited"),
}
