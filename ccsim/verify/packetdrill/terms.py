"""What both ends of a connection agree on in its handshake: options, sizes, ECN."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.tcp.host import Host
from ccsim.units import NS_PER_MS
from ccsim.verify.packetdrill.segment import Option, Segment
from ccsim.verify.packetdrill.settings import KERNEL, Settings

__all__ = ["PromptHost", "Terms", "ecn_request", "host_of", "is_linux", "syn_options", "terms_of"]

TIMESTAMPS_BYTES = 12
MSS_DEFAULT = 536  # of a peer that announces none (RFC 9293 section 3.7.1)
WSCALE_MOST = 14
UNSCALED = 65_535
UNLIMITED_PACKETS = 1 << 40
RTO_INITIAL_NS = 1_000_000_000


class PromptHost(Host):
    """A host whose timers run in the tick after the one they are due.

    The timer wheel's coarse grids are left out: where their lines lie depends on when a machine was
    started, so a script has to hold without them.
    """

    def expiry_ns(self, now_ns: int, delay_jiffies: int, ran_tick: int = -1) -> int:
        """Return when a timer set ``delay_jiffies`` ticks ahead at ``now_ns`` fires [ns]."""
        tick = (now_ns + self.jiffies0_ns) // self.jiffy_ns + delay_jiffies + 1
        return tick * self.jiffy_ns - self.jiffies0_ns


@dataclass(frozen=True, slots=True)
class Terms:
    """``mss``: the most that a segment to the peer carries [bytes]; ``peer_scale`` and
    ``own_scale``: shifts of the windows."""

    mss: int
    timestamps: bool
    sack: bool
    scaled: bool
    peer_scale: int
    own_scale: int
    ecn: bool


def own_scale(settings: Settings, rcvbuf: int | None = None) -> int:
    """Return the shift that this host announces, with a buffer that an application has set
    (``tcp_select_initial_window``)."""
    if rcvbuf is not None:
        return max((rcvbuf >> 1).bit_length() - 16, 0)
    if settings.own_scale is not None:
        return min(settings.own_scale, WSCALE_MOST)
    space = max(settings.number("tcp_rmem", 2), 1)
    return min(max(space.bit_length() - 16, 0), WSCALE_MOST)


def initial_window(settings: Settings, mss: int, rcvbuf: int | None = None) -> int:
    """Return the window of a SYN or SYN-ACK [bytes]: half of the buffer, whole segments."""
    space = (settings.number("tcp_rmem", 1) if rcvbuf is None else rcvbuf) >> 1
    if space > mss:
        space -= space % mss
    return min(space, UNSCALED)


def ecn_request(settings: Settings, syn: Segment) -> bool:
    """Report whether a SYN asks for ECN, and this host agrees."""
    return {"E", "W"} <= syn.flags and settings.flag("tcp_ecn")


def syn_options(settings: Settings, own_mss: int, stamp: tuple[int, int],
                peer: Segment | None, rcvbuf: int | None) -> tuple[Option, ...]:  # fmt: skip
    """Return the options of a SYN, or of the answer to ``peer``, in Linux's order
    (``tcp_options_write``)."""
    timestamps = settings.flag("tcp_timestamps") and (peer is None or peer.option("TS") is not None)
    sack = settings.flag("tcp_sack") and (peer is None or peer.option("sackOK") is not None)
    scaled = settings.flag("tcp_window_scaling") and (
        peer is None or peer.option("wscale") is not None
    )
    options: list[Option] = [("mss", (own_mss,))]
    if timestamps:
        options += [("sackOK", ()) if sack else ("nop", ())]
        options += [] if sack else [("nop", ())]
        options += [("TS", stamp)]
    elif sack:
        options += [("nop", ()), ("nop", ()), ("sackOK", ())]
    if scaled:
        options += [("nop", ()), ("wscale", (own_scale(settings, rcvbuf),))]
    return tuple(options)


def is_linux(settings: Settings, syn: Segment) -> bool:
    """Tell whether a SYN that a script expects could be Linux's: others lay out the options in
    another order, and begin with other windows."""
    kinds = [kind for kind, _ in syn.options or ()]
    scale = kinds.index("wscale") if "wscale" in kinds else len(kinds)
    ordered = not {"sackOK", "TS", "eol"} & set(kinds[scale:])
    given = settings.own_scale is None and settings.sysctl["tcp_rmem"] != KERNEL["tcp_rmem"]
    most = UNSCALED if given else initial_window(settings, settings.own_mss)
    too_wide = syn.window is not None and syn.window > most
    return ordered and "eol" not in kinds and not too_wide


def terms_of(
    settings: Settings, peer: Segment, own_mss: int, ecn: bool, rcvbuf: int | None
) -> Terms:
    """Return what a peer's SYN or SYN-ACK and this host's settings make together."""
    announced = peer.option("mss")
    mss = min(own_mss, announced[0] if announced else MSS_DEFAULT)
    timestamps = settings.flag("tcp_timestamps") and peer.option("TS") is not None
    scale = peer.option("wscale") if settings.flag("tcp_window_scaling") else None
    return Terms(
        mss=max(mss - (TIMESTAMPS_BYTES if timestamps else 0), 1),
        timestamps=timestamps,
        sack=settings.flag("tcp_sack") and peer.option("sackOK") is not None,
        scaled=scale is not None,
        peer_scale=min(scale[0], WSCALE_MOST) if scale else 0,
        own_scale=own_scale(settings, rcvbuf) if scale else 0,
        ecn=ecn,
    )


def host_of(settings: Settings, terms: Terms) -> Host:
    """Return the host with these settings, as a connection on these terms sees it."""
    number, flag = settings.number, settings.flag
    return PromptHost(
        hz=settings.hz,
        initial_window=settings.initcwnd,
        mss_bytes=terms.mss,
        rto_min_us=number("tcp_rto_min_us"),
        rto_max_ns=number("tcp_rto_max_ms") * NS_PER_MS,
        rto_initial_ns=RTO_INITIAL_NS,
        reordering=number("tcp_reordering"),
        max_reordering=number("tcp_max_reordering"),
        early_retrans=number("tcp_early_retrans") in (3, 4),
        frto=flag("tcp_frto"),
        recovery=number("tcp_recovery"),
        min_rtt_wlen_s=number("tcp_min_rtt_wlen"),
        timestamps=terms.timestamps,
        sack=terms.sack,
        dsack=flag("tcp_dsack"),
        ecn=terms.ecn,
        tso=True,
        min_tso_segs=number("tcp_min_tso_segs"),
        tso_rtt_log=number("tcp_tso_rtt_log"),
        sndbuf_packets=UNLIMITED_PACKETS,
        slow_start_after_idle=flag("tcp_slow_start_after_idle"),
        pacing_ss_ratio=number("tcp_pacing_ss_ratio"),
        pacing_ca_ratio=number("tcp_pacing_ca_ratio"),
    )
