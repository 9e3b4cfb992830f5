"""The opening of a connection: SYN and SYN-ACK, their repetition, and what comes of them (RFC 9293
section 3.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ccsim.kernel import TCP_CONGESTION, Kernel
from ccsim.kernel.sock import RandomSource
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.pacing import update_pacing_rate
from ccsim.tcp.sender import Sender
from ccsim.units import NS_PER_S, NS_PER_US
from ccsim.verify.packetdrill.errqueue import ErrorQueue
from ccsim.verify.packetdrill.fastopen import Cookie, cookie_option
from ccsim.verify.packetdrill.inbox import Ack, Inbox
from ccsim.verify.packetdrill.segment import Segment
from ccsim.verify.packetdrill.sending import Outbox
from ccsim.verify.packetdrill.settings import KERNEL, Settings
from ccsim.verify.packetdrill.sndbuf import SendBuffer
from ccsim.verify.packetdrill.terms import (
    Terms,
    host_of,
    initial_window,
    syn_options,
    terms_of,
)

__all__ = ["Opening", "SockOptions", "World"]


@dataclass
class SockOptions:
    """What ``setsockopt`` has set on a socket, and a child inherits."""

    congestion: str | None = None
    nodelay: bool = False
    cork: bool = False
    maxseg: int | None = None
    linger0: bool = False
    syn_retries: int | None = None
    fastopen_connect: bool = False
    fastopen_key: bytes | None = None
    zerocopy: bool = False
    sndbuf: int | None = None
    rcvbuf: int | None = None
    user_timeout_ms: int = 0
    notsent_lowat: int = 0
    inq: bool = False


@dataclass(frozen=True)
class World:
    """What connections share: settings, kernel, the ranges that the script injects, the wire."""

    settings: Settings
    kernel: Kernel
    ranges: list[tuple[int, int]]
    emit: Callable[[int, Segment, object], None]
    host: Host  # for clocks, before terms are agreed on
    random: RandomSource


class Opening:
    """A connection as it opens: its state by Linux's names, both halves once terms are agreed on.

    ``error``: the errno that the next call meets. ``accepted``: the application has it.
    """

    def __init__(self, world: World, options: SockOptions) -> None:
        self.world = world
        self.options = options
        self.state = "CLOSE"
        self.error: str | None = None
        self.was_reset = False
        self.accepted = self.orphan = False
        self.shut_read = False
        self.tries = 0
        self.syn_ns = 0
        self.syn_due_ns = NEVER
        self.ts_recent = 0
        self.opened_ns = 0
        self.last_data_ns = self.last_ack_ns = 0
        self.segs_in = self.segs_out = self.data_segs_in = 0
        self.half_open = False  # opened by a SYN with a cookie, and not acknowledged yet
        self.syn_data_acked = False
        self.errors = ErrorQueue()
        self.in_vain_ns = NEVER  # since when something is sent again in vain
        self.write_pending = False  # a call waits that has more to send
        self._request: Segment | None = None  # the peer's SYN
        self._ecn = False
        self._cookie: Cookie | None = None  # borne by the first SYN, or by the answer to one
        self._syn_bytes = 0  # data that the first SYN bore

    # --- opening ---

    @property
    def own_mss(self) -> int:
        """The largest segment that is announced."""
        own = self.world.settings.own_mss
        return min(own, self.options.maxseg or own)

    @property
    def passive(self) -> bool:
        """Whether the peer has opened it."""
        return self._request is not None

    @property
    def waits(self) -> bool:
        """Whether it waits to be accepted."""
        return self.passive and not self.accepted and self.opened_ns > 0

    def connect(self, t: int) -> None:
        """Send a SYN."""
        self.state = "SYN_SENT"
        self._ecn = self.world.settings.number("tcp_ecn") == 1
        self._syn(t)

    def _syn(self, t: int) -> None:
        """Send the SYN, or the answer to one, and set the timer for the next (1 s, then by RFC
        6298)."""
        passive = self.passive
        if self.tries > self._retries():
            self.abort(None if passive else "ETIMEDOUT")
            return
        self.tries += 1
        self.syn_ns = t
        most_ns = self.world.settings.number("tcp_rto_max_ms") * 1_000_000
        linear = self.world.settings.number("tcp_syn_linear_timeouts")
        doublings = self.tries - 1 if passive else max(self.tries - 1 - linear, 0)
        self.syn_due_ns = self.world.host.expiry_ns(
            t, min(NS_PER_S << min(doublings, 7), most_ns) // self.world.host.jiffy_ns
        )
        flags = set("S.") if passive else set("S")
        if self._ecn:
            flags |= {"E"} if passive else {"E", "W"}
        settings = self.world.settings
        stamp = (self._stamp(t), self.ts_recent)
        rcvbuf = self.options.rcvbuf
        options = syn_options(settings, self.own_mss, stamp, self._request, rcvbuf)
        if self._cookie is not None and (passive or self.tries == 1):
            options += tuple(cookie_option(self._cookie))
        self._put(t, Segment(
            frozenset(flags), 0, self._syn_bytes if self.tries == 1 else 0, self._syn_ack(),
            initial_window(settings, self.own_mss, rcvbuf), options,
        ))  # fmt: skip

    def _retries(self) -> int:
        """Return how often a SYN, or the answer to one, is sent again (``tcp_write_timeout``)."""
        number = self.world.settings.number
        if self.passive:
            return number("tcp_synack_retries")
        retries = self.options.syn_retries or number("tcp_syn_retries")
        return retries + number("tcp_syn_linear_timeouts")

    def _syn_ack(self) -> int:
        """Return what a SYN acknowledges."""
        if not self.passive:
            return 0
        return self.inbox.nxt if self.half_open else 1

    def abort(self, error: str | None) -> None:
        """Let the connection be gone."""
        self.state = "CLOSE"
        self.error = error
        self.was_reset = True
        self.half_open = False
        self.syn_due_ns = NEVER
        self.errors.purge()

    def _agree(self, t: int, peer: Segment, first: int = 1) -> None:
        """Take the peer's SYN: both halves begin, with byte ``first`` of this side."""
        world = self.world
        self.terms: Terms = terms_of(
            world.settings, peer, self.own_mss, self._ecn, self.options.rcvbuf
        )
        self.host = host_of(world.settings, self.terms)
        self.sk = Sender(self.host)
        self.sk.random = world.random
        buffer = SendBuffer(world.settings, self.options.sndbuf, self.options.notsent_lowat)
        self.out = Outbox(self.sk, self.host, buffer, first)
        self.out.nodelay, self.out.cork = self.options.nodelay, self.options.cork
        self.inbox = Inbox(
            self.host,
            world.ranges,
            world.settings.gro_mss or self.own_mss,
            self._rcv_wnd(),
        )
        self.out.window = self.out.wnd_max = peer.window or 0
        self.opened_ns = t

    def _establish(self, t: int) -> None:
        self.state = "ESTABLISHED"
        self.syn_due_ns = NEVER
        self._begin_sending(t, self.tries)
        rtt_us = (t - self.syn_ns) // NS_PER_US
        self.inbox.receiver.measured(rtt_us, 1 << 20)

    def _rcv_wnd(self) -> int:
        """Return the window that this side begins with [bytes]."""
        return initial_window(self.world.settings, self.own_mss, self.options.rcvbuf)

    def _window(self) -> int | None:
        """Return the window in the header of what leaves now; None if its scale is a machine's and
        not told, and once data have come, as it depends on the memory that they take then
        (``__tcp_select_window``)."""
        settings, scale = self.world.settings, self.terms.own_scale
        told = settings.own_scale is not None or self.options.rcvbuf is not None
        told = told or settings.sysctl["tcp_rmem"] != KERNEL["tcp_rmem"]
        if self.data_segs_in or (scale and not told):
            return None
        return -(-self._rcv_wnd() >> scale)

    def _begin_sending(self, t: int, tries: int) -> None:
        """Let the sender begin, with a sample of the RTT if it took one try."""
        sk, kernel = self.sk, self.world.kernel
        sk.set_clock(t)
        kernel.socket(sk)
        if self.options.congestion is not None:
            kernel.setsockopt(sk, TCP_CONGESTION, self.options.congestion)
        sk.handshake_done(t, self.syn_ns, tries=tries, passive=self.passive)
        kernel.connect(sk)
        self.out.expand()
        if sk.ca_ops.cong_control is None:
            update_pacing_rate(sk)

    def flush(self, t: int) -> bool:
        """Put on the wire what the sender has sent."""
        raise NotImplementedError

    def _bare_ack(self, t: int, ack: Ack, seq: int | None = None) -> None:
        raise NotImplementedError

    def _stamp(self, t: int) -> int:
        return self.world.host.timestamp_ms(t // NS_PER_US)

    def _put(self, t: int, segment: Segment) -> None:
        self.segs_out += 1
        self.world.emit(t, segment, self)
