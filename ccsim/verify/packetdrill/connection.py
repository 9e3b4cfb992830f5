"""One connection of the emulated host, segment by segment: data, close, timers (RFC 9293 section
3.10, ``tcp_rcv_state_process``)."""

from __future__ import annotations

from ccsim.tcp.host import NEVER
from ccsim.units import NS_PER_MS, NS_PER_US
from ccsim.verify.packetdrill.errors import CannotExpress, Place
from ccsim.verify.packetdrill.fast_opening import FastOpening
from ccsim.verify.packetdrill.inbox import Ack
from ccsim.verify.packetdrill.segment import Option, Segment

__all__ = ["Connection"]

SYNCHRONIZED = {"FIN_WAIT1", "FIN_WAIT2", "CLOSING", "TIME_WAIT", "CLOSE_WAIT", "LAST_ACK"}
AFTER_FIN_SENT = {"ESTABLISHED": "FIN_WAIT1", "SYN_RECV": "FIN_WAIT1", "CLOSE_WAIT": "LAST_ACK"}
AFTER_FIN_ACKED = {"FIN_WAIT1": "FIN_WAIT2", "CLOSING": "TIME_WAIT", "LAST_ACK": "CLOSE"}
AFTER_FIN_COME = {"ESTABLISHED": "CLOSE_WAIT", "FIN_WAIT1": "CLOSING", "FIN_WAIT2": "TIME_WAIT"}


class Connection(FastOpening):
    """A connection from its opening to its end."""

    @property
    def established(self) -> bool:
        """Whether the handshake is done and the connection was not aborted."""
        return self.state == "ESTABLISHED" or self.state in SYNCHRONIZED

    # --- segments that come ---

    def receive(self, t: int, segment: Segment, place: Place) -> None:
        """Take a segment off the wire."""
        self.segs_in += 1
        if self.state == "SYN_SENT":
            self._in_syn_sent(t, segment, place)
        elif self.half_open:
            self._in_half_open(t, segment)
        elif self.state == "SYN_RECV":
            self._in_syn_recv(t, segment)
        elif self.state in ("CLOSE", "TIME_WAIT"):
            self._when_closed(t, segment)
        else:
            self._synchronized(t, segment)

    def _in_syn_sent(self, t: int, segment: Segment, place: Place) -> None:
        flags = segment.flags
        if "." in flags and not 1 <= segment.ack <= 1 + self._syn_bytes:
            if "R" not in flags:
                self._refuse(t, segment)
        elif "R" in flags:
            if "." in flags:
                self.abort("ECONNREFUSED")
        elif "S" in flags and "." not in flags:
            raise CannotExpress(place, "a simultaneous open is not modelled")
        elif "S" in flags:
            self._take_syn_ack(t, segment)

    def _in_half_open(self, t: int, segment: Segment) -> None:
        """Take a segment for a connection that was opened by a SYN with a cookie."""
        flags = segment.flags
        if "S" in flags and "." not in flags:
            self._syn(t)
        elif "R" in flags:
            if segment.seq == self.inbox.nxt:
                self.abort("ECONNRESET")
        elif "." in flags and segment.ack > self._highest_sent():
            self._refuse(t, segment)
        elif "." in flags and self._is_acceptable(t, segment):
            self._open_whole(t)
            self._synchronized(t, segment)

    def _in_syn_recv(self, t: int, segment: Segment) -> None:
        """Take the last segment of the handshake (``tcp_check_req``)."""
        flags = segment.flags
        if "R" in flags:
            if segment.seq == 1:
                self.abort(None)
        elif "S" in flags and "." not in flags:
            self._syn(t)
        elif "." not in flags:
            return
        elif segment.ack != 1:
            self._refuse(t, segment)
        elif self._is_old(segment) or segment.seq > 1 + self._rcv_wnd():
            self._put(t, Segment(frozenset("."), 1, 0, 1))
        else:
            assert self._request is not None
            self._agree(t, self._request)
            self._establish(t)
            self._synchronized(t, segment)

    def _is_old(self, segment: Segment) -> bool:
        """Report whether a timestamp shows that a later segment came before (PAWS)."""
        stamp = segment.option("TS")
        return stamp is not None and self.ts_recent > 0 and stamp[0] < self.ts_recent

    def _when_closed(self, t: int, segment: Segment) -> None:
        if self.state == "TIME_WAIT" and ("F" in segment.flags or segment.length):
            self._bare_ack(t, self.inbox.current())
        elif self.state == "CLOSE":
            self._refuse(t, segment)

    def _refuse(self, t: int, segment: Segment) -> None:
        """Answer a segment that belongs to no connection (RFC 9293 section 3.5.2)."""
        if "R" in segment.flags:
            return
        if "." in segment.flags:
            reset = Segment(frozenset("R"), segment.ack, 0, 0, 0, None)
        else:
            end = segment.end + ("S" in segment.flags) + ("F" in segment.flags)
            reset = Segment(frozenset("R."), 0, 0, end, 0, None)
        self._put(t, reset)

    def _synchronized(self, t: int, segment: Segment) -> None:
        """Take a segment in a synchronized state: checks, ACK, data, FIN."""
        flags = segment.flags
        if not self._is_acceptable(t, segment):
            return
        if "R" in flags:
            if segment.seq == self.inbox.nxt:
                self._take_reset()
            else:
                self._bare_ack(t, self.inbox.current())
            return
        if "S" in flags:
            self._bare_ack(t, self.inbox.current())
            return
        if "." not in flags or segment.ack > self._highest_sent():
            return
        self._note_stamp(segment)
        self._take_ack(t, segment)
        if self.state in ("CLOSE", "TIME_WAIT"):
            return
        elicited = self._take_data(t, segment)
        if not self.flush(t) and elicited is not None:
            self._bare_ack(t, elicited)

    def _is_acceptable(self, t: int, segment: Segment) -> bool:
        """Check timestamp and sequence number (``tcp_validate_incoming``); answer one that is not
        acceptable with an ACK."""
        end = segment.end + ("F" in segment.flags)
        if "R" not in segment.flags and self._is_old(segment):
            if segment.length or "F" in segment.flags or segment.seq != self.inbox.nxt:
                self._bare_ack(t, self.inbox.current())
            return False
        if end >= self.inbox.wup:
            return True
        if "R" not in segment.flags:
            elicited = self._take_data(t, segment) if end > segment.seq else None
            self._bare_ack(t, elicited or self.inbox.current())
        return False

    def _note_stamp(self, segment: Segment) -> None:
        """Remember the timestamp to be echoed (RFC 7323 section 4.3)."""
        stamp = segment.option("TS")
        if stamp is not None and self.terms.timestamps and segment.seq <= self.inbox.wup:
            self.ts_recent = max(self.ts_recent, stamp[0])

    def cannot_be_reached(self, seq: int, error: str) -> None:
        """Take an ICMP message about what was sent: it ends an opening, and is no more than a hint
        to a connection that is open (``tcp_v4_err``)."""
        opening = self.state in ("SYN_SENT", "SYN_RECV") and not (self.half_open and self.accepted)
        highest = self._highest_sent() if self.half_open else 1 + self._syn_bytes
        if opening and 0 <= seq <= highest:
            self.abort(None if self.passive and not self.half_open else error)

    def _take_reset(self) -> None:
        self.abort("EPIPE" if self.state == "CLOSE_WAIT" else "ECONNRESET")

    def _highest_sent(self) -> int:
        queue = self.out.queue
        return queue.start(self.sk.nxt)

    def _take_ack(self, t: int, segment: Segment) -> None:
        out, ack = self.out, segment.ack
        self.last_ack_ns = t
        window = (segment.window or 0) << self.terms.peer_scale
        changed = out.update_window(segment.seq, ack, window)
        if changed:
            out.wake(t)
        blocks = None
        if self.terms.sack or (self.terms.ecn and "E" in segment.flags):
            numbers = (segment.option("sack") or ()) if self.terms.sack else ()
            blocks = out.blocks(numbers, self.terms.ecn and "E" in segment.flags)
        busy = segment.length > 0 or changed or "F" in segment.flags
        if ack <= out.una and busy and not blocks:
            out.resume(t, ack)
        else:
            out.acknowledge(t, ack, self._echo_us(segment), blocks)
        self.errors.acknowledge(t, out.una)
        out.check_space()
        if out.queue.fin >= 0 and self.sk.una == out.queue.packets:
            self.state = AFTER_FIN_ACKED.get(self.state, self.state)

    def _echo_us(self, segment: Segment) -> int:
        """Return when the packet was sent whose timestamp a segment echoes [µs]."""
        stamp = segment.option("TS")
        if stamp is None or not self.terms.timestamps:
            return 0
        return -(-(stamp[1] * 1_000_000 - self.host.jiffies0_ns) // NS_PER_US)

    def _take_data(self, t: int, segment: Segment) -> Ack | None:
        """Take data and FIN; return the ACK that they elicit at once."""
        fin = "F" in segment.flags
        end = segment.end + fin
        if end == segment.seq:
            return None
        if (
            self.orphan
            and segment.end > self.inbox.nxt
            and self.state in ("FIN_WAIT1", "FIN_WAIT2")
        ):
            self._put(t, Segment(frozenset("R"), segment.ack, 0, 0, 0, None))
            self.abort(None)
            return None
        self.data_segs_in += segment.length > 0
        self.last_data_ns = t
        finished = self.inbox.finished
        ack = self.inbox.take(
            t, segment.seq, end, fin=fin, push="P" in segment.flags, ecn=segment.ecn,
            cwr="W" in segment.flags,
        )  # fmt: skip
        if self.inbox.finished and not finished:
            self.state = AFTER_FIN_COME.get(self.state, self.state)
        return ack

    # --- segments that leave ---

    def _options(self, t: int, blocks: tuple[int, ...]) -> tuple[Option, ...]:
        options: list[Option] = []
        if self.terms.timestamps:
            options += [("nop", ()), ("nop", ()), ("TS", (self._stamp(t), self.ts_recent))]
        if blocks and self.terms.sack:
            options += [("nop", ()), ("nop", ()), ("sack", blocks)]
        return tuple(options)

    def _bare_ack(self, t: int, ack: Ack, seq: int | None = None) -> None:
        flags = {"."} | ({"E"} if ack.ece else set())
        at = self._highest_sent() if seq is None else seq
        self.inbox.wup = ack.number
        options = self._options(t, ack.blocks)
        self._put(t, Segment(frozenset(flags), at, 0, ack.number, self._window(), options, "noecn"))

    def flush(self, t: int) -> bool:
        """Put on the wire what the sender has sent; report whether that was anything."""
        sent = False
        for leaving in self.out.departures():
            self.errors.leave(t, leaving.start, leaving.start + leaving.length)
            ack = self.inbox.rides()
            flags = {"."}
            for flag, there in zip("PFWE", (leaving.push, leaving.fin, leaving.cwr, ack.ece),
                                   strict=True):  # fmt: skip
                flags |= {flag} if there else set()
            self._put(t, Segment(
                frozenset(flags), leaving.start, leaving.length, ack.number, self._window(),
                self._options(t, ack.blocks), "ect0" if leaving.ect else "noecn", leaving.burst,
            ))  # fmt: skip
            if leaving.length and not sent:
                self.inbox.receiver.answer(t)
            sent = True
        self.out.note_state(t)
        if not self.sk.icsk_retransmits and not self.out.probes:
            self.in_vain_ns = NEVER
        return sent

    # --- calls ---

    def write(self, t: int, size: int, *, more: bool, eor: bool, copied: bool = True) -> int:
        """Take data from the application, and return how many bytes; ``copied`` False: they are
        lent."""
        taken = self.out.write(t, size, more=more, eor=eor)
        end = self.out.queue.write_seq
        if taken and not copied:
            self.errors.send_without_copy(end)
        if taken and self.errors.stamping:
            self.errors.tag(end - 1)
        self.flush(t)
        return taken

    def read(self, t: int, most: int, *, peek: bool = False) -> int:
        """Hand data to the application; return how many bytes."""
        size = min(most, self.inbox.unread)
        if size and not peek:
            ack = self.inbox.read(size)
            if ack is not None:
                self._bare_ack(t, ack)
        return size

    def set_nodelay(self, t: int, on: bool) -> None:
        """Set TCP_NODELAY, which lets go what Nagle or cork held."""
        self.out.nodelay = on
        if on:
            self.out.push(t, force=True)
            self.flush(t)

    def set_cork(self, t: int, on: bool) -> None:
        """Set TCP_CORK; pulling it lets go what it held."""
        self.out.cork = on
        if not on:
            self.out.push(t, force=True)
            self.flush(t)

    def shut_write(self, t: int) -> None:
        """Send a FIN, unless one is sent."""
        if self.state in AFTER_FIN_SENT and self.out.queue.fin < 0:
            self.state = AFTER_FIN_SENT[self.state]
            self.out.finish(t)
            self.flush(t)

    def close(self, t: int) -> None:
        """Let the application be done with the connection (``tcp_close``)."""
        self.orphan = True
        if self.state in ("CLOSE", "SYN_SENT", "SYN_RECV") and not self.half_open:
            self.abort(None)
        elif self.inbox.unread > 0 or self.options.linger0:
            self.reset(t)
        else:
            self.shut_write(t)

    def reset(self, t: int) -> None:
        """Abort, and tell the peer (``tcp_send_active_reset``)."""
        if self.state != "CLOSE":
            ack = self.inbox.current()
            flags, options = frozenset("R."), self._options(t, ())
            at, window = self._highest_sent(), self._window()
            self._put(t, Segment(flags, at, 0, ack.number, window, options, "noecn"))
        self.abort(None)

    # --- timers ---

    def due_ns(self) -> int:
        """Return when something is due next [ns]."""
        if self.half_open:
            return min(self.syn_due_ns, self.sk.pacing_ns, self.inbox.due_ns)
        if self.state in ("SYN_SENT", "SYN_RECV"):
            return self.syn_due_ns
        if self.state in ("CLOSE", "TIME_WAIT"):
            return NEVER
        sk = self.sk
        due = min(sk.timer_ns, sk.pacing_ns, self.inbox.due_ns, self.out.probe_ns)
        return min(due, self._given_up_ns())

    def _given_up_ns(self) -> int:
        """Return when TCP_USER_TIMEOUT ends what is sent again in vain (RFC 5482,
        ``retransmits_timed_out``)."""
        limit = self.options.user_timeout_ms
        return self.in_vain_ns + limit * NS_PER_MS if limit and self.in_vain_ns < NEVER else NEVER

    def fire(self, t: int) -> None:
        """Let what is due at ``t`` happen."""
        if self.syn_due_ns <= t:
            self._syn(t)
        elif self._given_up_ns() <= t:
            self.abort("ETIMEDOUT")
        elif self.sk.timer_ns <= t and not self.half_open:
            self.sk.fire_timer(t)
            if self.sk.icsk_retransmits:
                self.in_vain_ns = min(self.in_vain_ns, t)
            self.flush(t)
        elif self.sk.pacing_ns <= t:
            self.sk.on_pacing(t)
            self.flush(t)
        elif self.inbox.due_ns <= t:
            ack = self.inbox.fire(t)
            if ack is not None:
                self._bare_ack(t, ack)
        elif not self.out.probe(t):
            self.in_vain_ns = min(self.in_vain_ns, t)
            self._bare_ack(t, self.inbox.current(), self.out.una - 1)
        else:
            self.flush(t)
