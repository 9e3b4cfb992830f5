"""The opening of a connection by TCP Fast Open: data with the SYN (RFC 7413)."""

from __future__ import annotations

from ccsim.tcp.host import NEVER
from ccsim.tcp.rtt import update_rtt
from ccsim.tcp.xmit_timer import rearm_rto
from ccsim.units import NS_PER_US
from ccsim.verify.packetdrill.fastopen import (
    CLIENT_WITHOUT_COOKIE,
    SERVER,
    SERVER_WITHOUT_COOKIE,
    Cookie,
    cookie_for,
    cookie_within,
    key_of,
)
from ccsim.verify.packetdrill.opening import Opening
from ccsim.verify.packetdrill.segment import Segment
from ccsim.verify.packetdrill.terms import MSS_DEFAULT, ecn_request

__all__ = ["FastOpening"]

DELACK_MAX_PARTS = 5  # TCP_DELACK_MAX is a fifth of a second
OPTIONS_MOST = 40  # bytes of options, for which a SYN with data leaves room


class FastOpening(Opening):
    """An opening that may take and send data before it is done."""

    # --- of a client ---

    @property
    def deferred(self) -> bool:
        """Whether the SYN waits for the first write."""
        return self.state == "SYN_SENT" and not self.tries

    def may_defer(self) -> bool:
        """Report whether the first write could go with the SYN
        (``tcp_fastopen_defer_connect``)."""
        settings = self.world.settings
        has_cookie = bool(settings.cookies.request().value)
        return has_cookie or bool(settings.number("tcp_fastopen") & CLIENT_WITHOUT_COOKIE)

    def connect_fast(self, t: int, size: int) -> int:
        """Send a SYN with a cookie and up to ``size`` bytes, or one that asks for a cookie; return
        how many bytes it took (``tcp_send_syn_data``)."""
        settings = self.world.settings
        without = settings.number("tcp_fastopen") & CLIENT_WITHOUT_COOKIE
        self._cookie = None if without else settings.cookies.request()
        if without or (self._cookie is not None and self._cookie.value):
            mss = min(self.own_mss, settings.cookies.mss or self.own_mss)
            self._syn_bytes = min(size, max(mss - OPTIONS_MOST, 0))
        self.connect(t)
        return self._syn_bytes

    def _take_syn_ack(self, t: int, segment: Segment) -> None:
        """Take the answer to the SYN: data that it bore and that are not acknowledged are sent
        again at once."""
        self._ecn = self._ecn and "E" in segment.flags and "W" not in segment.flags
        stamp = segment.option("TS")
        self.ts_recent = stamp[0] if stamp else 0
        self._agree(t, segment, segment.ack)
        self._establish(t)
        self._learn_cookie(segment)
        self.errors.acknowledge(t, segment.ack)
        lost = 1 + self._syn_bytes - segment.ack
        if lost:
            self.out.repeat_syn_data(t, self.syn_ns, lost)
            self.flush(t)
            return
        self.syn_data_acked = self._syn_bytes > 0
        self._take_syn_data(t, segment)
        if self.write_pending:
            self._delay_ack(t)
        else:
            self._bare_ack(t, self.inbox.current())

    def _delay_ack(self, t: int) -> None:
        """Let the last ACK of the handshake ride on the data that a waiting call is about to
        send."""
        host, receiver = self.host, self.inbox.receiver
        receiver.lrcv_ns = t
        receiver.unacked = 1
        receiver.delack_ns = host.expiry_ns(t, host.hz // DELACK_MAX_PARTS)

    def _learn_cookie(self, segment: Segment) -> None:
        """Remember what the server says of cookies."""
        mss = (segment.option("mss") or (MSS_DEFAULT,))[0]
        cookie, tried = None, 0
        if self._cookie is not None:
            cookie = cookie_within(segment)
            if self.tries == 1 and cookie is None and not self._syn_bytes:
                tried = 2 if self._cookie.experimental else 1
        self.world.settings.cookies.learn(mss, cookie, tried)

    # --- of a server ---

    def listen_to(self, t: int, syn: Segment, *, fast: bool = False) -> None:
        """Answer a SYN that came to a listener; ``fast``: data with it may be taken
        (``tcp_try_fastopen``)."""
        self.state = "SYN_RECV"
        self._request = syn
        settings = self.world.settings
        self._ecn = ecn_request(settings, syn)
        stamp = syn.option("TS")
        self.ts_recent = stamp[0] if stamp else 0
        cookie = cookie_within(syn)
        bits = settings.number("tcp_fastopen")
        if fast and bits & SERVER and (syn.length or cookie is not None):
            if bits & SERVER_WITHOUT_COOKIE or self._is_valid(cookie):
                self._open_half(t, syn)
            elif cookie is not None:
                self._cookie = Cookie(self._own_cookie(), cookie.experimental)
        self._syn(t)

    def _own_cookie(self) -> bytes:
        settings = self.world.settings
        key = self.options.fastopen_key or key_of(settings.sysctl["tcp_fastopen_key"])
        assert key is not None
        return cookie_for(key, settings.remote_ip, settings.local_ip)

    def _is_valid(self, cookie: Cookie | None) -> bool:
        return cookie is not None and cookie.value == self._own_cookie()

    def _open_half(self, t: int, syn: Segment) -> None:
        """Begin with the data of the SYN (``tcp_fastopen_create_child``)."""
        self.half_open = True
        self._agree(t, syn)
        self.syn_ns = t
        self._begin_sending(t, 2)
        self.sk.delivered = 0
        self._take_syn_data(t, syn)

    def _take_syn_data(self, t: int, segment: Segment) -> None:
        """Take the data and the FIN of a SYN, which its answer acknowledges
        (``tcp_fastopen_add_skb``)."""
        fin = "F" in segment.flags
        end = 1 + segment.length + fin
        if end == 1:
            return
        inbox, receiver = self.inbox, self.inbox.receiver
        quick = receiver.quick
        inbox.take(t, 1, end, fin=fin, push=False, ecn=None, cwr=False)
        receiver.quick, receiver.delack_ns, receiver.unacked, receiver.now = quick, NEVER, 0, False
        inbox.wup = inbox.nxt
        self.syn_data_acked = segment.length > 0
        if fin:
            self.state = "CLOSE_WAIT"

    def _open_whole(self, t: int) -> None:
        """Take the acknowledgement of the answer to a SYN with data
        (``tcp_rcv_synrecv_state_fastopen``)."""
        sk = self.sk
        self.half_open = False
        if self.state == "SYN_RECV":
            self.state = "ESTABLISHED"
        self.syn_due_ns = NEVER
        sk.set_clock(t)
        sk.lsnd_ns = t
        sk.delivered += 1
        if self.tries == 1:
            rtt_us = (t - self.syn_ns) // NS_PER_US
            update_rtt(sk, rtt_us, rtt_us)
            self.inbox.receiver.measured(rtt_us, 1 << 20)
        if sk.nxt > sk.una:
            rearm_rto(sk)
