"""The sending half of a script's connection: writes in bytes over a sender that counts packets."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.ints import Ints
from ccsim.kernel.ops import CaState
from ccsim.tcp.cwnd import current_ssthresh, in_flight, set_ca_state
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.output import cwnd_restart_after_idle, write_xmit, xmit_retransmit_queue
from ccsim.tcp.rack import mark_skb_lost
from ccsim.tcp.sack_blocks import EceBlocks
from ccsim.tcp.sender import Sender
from ccsim.tcp.tso import tso_segs
from ccsim.verify.packetdrill.chrono import BUSY, IDLE, RWND_LIMITED, SNDBUF_LIMITED, Chrono
from ccsim.verify.packetdrill.sendqueue import SendQueue
from ccsim.verify.packetdrill.sndbuf import SendBuffer

__all__ = ["Departure", "Outbox"]

GSO_BYTES = 65_535 - 320  # the most an skb holds, less the room for headers
MSS_DEFAULT = 536
LOSS = int(CaState.LOSS)
INIT_CWND = 10
PROBE_LEAST_NS = 200_000_000  # TCP_RTO_MIN
Blocks = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Departure:
    """A segment with data or the FIN that leaves: bytes, flags, whether it is ECN-capable."""

    start: int
    length: int
    push: bool
    fin: bool
    cwr: bool
    ect: bool
    burst: bool  # PSH comes of segmentation offload alone


class Outbox:
    """What is to be sent, and the sender that decides when.

    ``window`` is what the peer advertises [bytes], ``wnd_max`` the widest it has been,
    ``probe_ns`` when a probe of a closed window or of a held packet is due.
    """

    def __init__(self, sk: Sender, host: Host, buffer: SendBuffer, first: int = 1) -> None:
        self.sk = sk
        self.host = host
        self.buffer = buffer
        self.queue = SendQueue(host.mss_bytes, first)
        self.chrono = Chrono()
        self.nodelay = self.cork = False
        self.window = self.wnd_max = 0
        self.una = first
        self.wl1 = 0
        self.probe_ns = NEVER
        self.probes = self.probe_backoff = 0
        self._pushed_seq = first
        self._sent = 0  # packets that have left at least once
        self._left: list[Departure] = []
        self._skb_of: list[int] = []  # of each packet sent, the skb in which it left first
        self._skbs = 0
        self._small = 0  # one past the last short packet that was sent
        sk.write_limit = 0

    # --- the application ---

    def write(self, t_ns: int, size: int, *, more: bool = False, eor: bool = False) -> int:
        """Take ``size`` bytes from the application, or as many as the send buffer has room for;
        return how many (``tcp_sendmsg_locked``)."""
        goal = self._size_goal()
        queue, whole = self.queue, size
        while size:
            if queue.needs_skb(goal) and not self.buffer.has_room(*self.memory()):
                self.buffer.nospace = True
                more = False
                break
            skb = queue.tail(goal)
            taken = min(goal - skb.length, size)
            queue.grow(skb, taken)
            size -= taken
            if not size:
                skb.eor = eor
            elif self._is_due():
                self._mark()
                self._send(t_ns, queue.packets)
            elif queue.skbs[0] is skb:
                self._send(t_ns, min(self.sk.nxt + self._burst(), queue.packets))
        if queue.skbs and (not more or self._is_due()):
            self._mark()
        self.push(t_ns, hold=more)
        return whole - size

    def memory(self) -> tuple[int, int]:
        """Return the bytes that are queued, with what their skbs take, and those not sent yet."""
        self._note_sent()
        queue, una, nxt = self.queue, self.sk.una, self.sk.nxt
        skbs = len(queue.skbs)
        if nxt > una:
            skbs += self._skb_of[nxt - 1] - self._skb_of[una] + 1
        unsent = queue.write_seq - queue.start(nxt)
        return queue.write_seq - self.una + skbs * self.buffer.skb_bytes, unsent

    def is_writable(self) -> bool:
        """Tell whether the application may write; if not, it waits for space."""
        writable = self.buffer.is_writable(*self.memory())
        self.buffer.nospace |= not writable
        return writable

    def note_state(self, t_ns: int) -> None:
        """Note what the sender waits for; a window that is full comes first."""
        if self.sk.una >= self.queue.packets:
            state = IDLE
        elif in_flight(self.sk) >= self.sk.snd_cwnd:
            state = BUSY
        elif self._is_blocked():
            state = RWND_LIMITED
        elif self.buffer.nospace and not self.queue.skbs:
            state = SNDBUF_LIMITED
        else:
            state = BUSY
        self.chrono.be(t_ns, state)

    def check_space(self) -> None:
        """Grow the send buffer if the window is not full, and wake who waits
        (``tcp_check_space``)."""
        buffer, sk = self.buffer, self.sk
        if buffer.nospace:
            if in_flight(sk) < sk.snd_cwnd:
                self.expand()
            buffer.note_space(*self.memory())

    def expand(self) -> None:
        """Let the send buffer hold two windows (``tcp_sndbuf_expand``)."""
        sk = self.sk
        self.buffer.expand(self.queue.mss, max(INIT_CWND, sk.snd_cwnd, sk.reordering + 1))

    def _size_goal(self) -> int:
        """Return how many bytes an skb may hold (``tcp_xmit_size_goal``): at most half the widest
        window."""
        mss = self.queue.mss
        half = max(self.wnd_max >> 1, MSS_DEFAULT) if self.wnd_max > MSS_DEFAULT else self.wnd_max
        return max(min(GSO_BYTES, half or GSO_BYTES) // mss, 1) * mss

    def _is_due(self) -> bool:
        """Report whether half a window has been written without PSH (``forced_push``)."""
        return self.queue.write_seq > self._pushed_seq + (self.wnd_max >> 1)

    def _mark(self) -> None:
        self.queue.skbs[-1].push = True
        self._pushed_seq = self.queue.write_seq

    def finish(self, t_ns: int) -> None:
        """Send the FIN behind all that was written."""
        self.queue.add_fin()
        self._send(t_ns, self.queue.packets)

    def repeat_syn_data(self, t_ns: int, sent_ns: int, size: int) -> None:
        """Send data again at once that left with a SYN and were not acknowledged
        (``tcp_rcv_fastopen_synack``)."""
        sk, queue = self.sk, self.queue
        window, self.window = self.window, max(self.window, size)
        self.write(sent_ns, size)
        self.window = window
        self.departures()
        sk.set_clock(t_ns)
        for seq in range(sk.una, sk.nxt):
            mark_skb_lost(sk, seq)
        sk.high, sk.prior_ssthresh, sk.undo_from = sk.nxt, 0, -1
        sk.snd_ssthresh = current_ssthresh(sk)
        set_ca_state(sk, LOSS)
        xmit_retransmit_queue(sk)
        queue.pushed.add(queue.packets - 1)
        self._small = 0

    def push(self, t_ns: int, *, hold: bool = False, force: bool = False) -> None:
        """Send what may be sent; ``hold``: not the last packet if it is short; ``force``: that,
        too."""
        self._send(t_ns, self._limit(self.sk.una, hold=hold, force=force))

    def _send(self, t_ns: int, limit: int) -> None:
        self._fit_window()
        sk = self.sk
        sk.set_clock(t_ns)
        if limit > sk.write_limit:
            sk.write(t_ns, limit - sk.write_limit)
            self._note_sent()
        self._let_fin_go()
        self.check_probe(t_ns)

    def _let_fin_go(self) -> None:
        """Let the FIN pass the congestion window, which is not strict about it
        (``tcp_cwnd_test``)."""
        sk = self.sk
        flight = in_flight(sk)
        if sk.nxt == self.queue.fin < sk.write_limit and flight >= sk.snd_cwnd:
            cwnd, sk.snd_cwnd = sk.snd_cwnd, flight + 1
            write_xmit(sk)
            sk.snd_cwnd = cwnd

    def _limit(self, una: int, *, hold: bool = False, force: bool = False) -> int:
        """Return how many packets may be sent, window aside; Nagle and cork may hold the last
        (``tcp_nagle_test``)."""
        queue = self.queue
        limit = queue.packets
        if not queue.tail_is_short or force:
            return limit
        corked = hold or (self.cork and not self.nodelay)
        nagled = not self.nodelay and self.sk.nxt > una and self._small > una
        return limit - (corked or nagled)

    # --- the peer ---

    def update_window(self, seq: int, ack: int, window: int) -> bool:
        """Take the window of a segment; report whether it changed (``tcp_may_update_window``)."""
        newer = ack > self.una or seq > self.wl1
        if not newer and not (seq == self.wl1 and (window > self.window or not window)):
            return False
        changed = window != self.window
        self.wl1 = seq
        self.window = window
        self.wnd_max = max(self.wnd_max, window)
        return changed

    def wake(self, t_ns: int) -> None:
        """Restart a window that lay idle as the peer's window opens (``tcp_ack_update_window``)."""
        if self.queue.skbs:
            self.sk.set_clock(t_ns)
            cwnd_restart_after_idle(self.sk)

    def acknowledge(self, t_ns: int, ack: int, echo_us: int, blocks: Blocks | None) -> None:
        """Take an ACK up to sequence number ``ack``."""
        sk = self.sk
        packets = self.queue.acknowledged(ack)
        self.una = max(self.una, ack)
        self._fit_window(packets)
        sk.write_limit = max(sk.write_limit, self._limit(max(packets, sk.una)))
        sk.receive_ack(t_ns, (t_ns, packets, echo_us, blocks))
        self._after_ack(t_ns)

    def resume(self, t_ns: int, ack: int) -> None:
        """Send what a segment lets out that acknowledges nothing new (``tcp_data_snd_check``)."""
        self.una = max(self.una, ack)
        self._fit_window()
        sk = self.sk
        sk.set_clock(t_ns)
        sk.write_limit = max(sk.write_limit, self._limit(sk.una))
        write_xmit(sk)
        self._after_ack(t_ns)

    def _after_ack(self, t_ns: int) -> None:
        self._let_fin_go()
        if self.sk.nxt == self.sk.una and not self._is_blocked():
            self.probe_backoff = self.probes = 0
            self.probe_ns = NEVER
        self.check_probe(t_ns)

    def blocks(self, numbers: tuple[int, ...], ece: bool) -> Blocks | None:
        """Turn SACK blocks into packets, in the peer's order; what covers no whole packet, or what
        was never sent, says nothing."""
        queue, found = self.queue, []
        for start, end in zip(numbers[::2], numbers[1::2], strict=True):
            first = queue.starting(start)
            last = queue.acknowledged(end)
            if first < last <= self.sk.nxt:
                found.append((first, last))
        if ece:
            return EceBlocks(found)
        return tuple(found) or None

    def _fit_window(self, acked: int = 0) -> None:
        """Tell the sender how many packets fit into the peer's window, from the first that is not
        acknowledged; ``acked``: that many are about to be."""
        queue, sk = self.queue, self.sk
        edge = self.una + self.window
        fit = queue.acknowledged(edge)
        if fit == queue.packets:
            fit += (edge - queue.write_seq) // queue.mss
        sk.rwnd = max(fit - max(sk.una, acked), 0)

    # --- probes ---

    def _is_blocked(self) -> bool:
        """Whether the next packet does not fit into the peer's window."""
        sk = self.sk
        return sk.nxt < self.queue.packets and sk.rwnd <= sk.nxt - sk.una

    def check_probe(self, t_ns: int) -> None:
        """Set the probe timer if something waits and no ACK is under way
        (``tcp_check_probe_timer``)."""
        sk = self.sk
        if sk.nxt > sk.una or sk.nxt >= self.queue.packets:
            self.probe_ns = NEVER
        elif self.probe_ns == NEVER:
            rto_ns = sk.rto_jiffies * self.host.jiffy_ns
            delay_ns = max(rto_ns, PROBE_LEAST_NS) << self.probe_backoff
            jiffies = min(delay_ns, self.host.rto_max_ns) // self.host.jiffy_ns
            self.probe_ns = self.host.expiry_ns(t_ns, jiffies)

    def probe(self, t_ns: int) -> bool:
        """Send the packet that waits, if it fits into the window; report whether it does
        (``tcp_write_wakeup``)."""
        self.probe_ns = NEVER
        self._fit_window()
        self.probes += 1
        fits = not self._is_blocked()
        if fits:
            self.queue.skbs[0].push = True
            self.push(t_ns, force=True)
        else:
            self.probe_backoff += 1
            self.check_probe(t_ns)
        return fits

    # --- what leaves ---

    def departures(self) -> list[Departure]:
        """Return what the sender has sent since the last time, in order."""
        self._note_sent()
        left, self._left = self._left, []
        return left

    def _note_sent(self) -> None:
        """Work out which skbs have just been sent, and what their segments bear."""
        sk = self.sk
        seqs, cwrs = sk.out_seq, set(sk.cwr_seqs)
        if not seqs:
            return
        sk.out_t, sk.out_seq, sk.cwr_seqs = Ints(), Ints(), []
        pushed = self._burst_ends(seqs) | self._ends_again(seqs)
        first = self._sent
        for seq in seqs:
            new = seq == first
            if new:
                first += 1
                self.queue.sent(seq)
                if self.queue.length(seq) < self.queue.mss:
                    self._small = first
            self._left.append(self._departure(seq, new, seq in pushed, new and seq in cwrs))
        self._sent = first

    def _departure(self, seq: int, new: bool, pushed: bool, cwr: bool) -> Departure:
        queue = self.queue
        return Departure(
            start=queue.start(seq),
            length=queue.length(seq),
            push=pushed or seq in queue.pushed,
            burst=pushed and seq not in queue.pushed,
            fin=seq == queue.fin,
            cwr=cwr,
            ect=bool(self.sk.ecn_flags & 1) and new and queue.length(seq) > 0,
        )

    def _burst(self) -> int:
        """Return how many packets an skb that is sent may hold (``tcp_cwnd_test``,
        ``tcp_tso_segs``)."""
        return min(max(self.sk.snd_cwnd >> 1, 1), max(tso_segs(self.sk), 1))

    def _burst_ends(self, seqs: list[int]) -> set[int]:
        """Return the new packets that end an skb of several, which bears PSH
        (``__tcp_transmit_skb``); note which packets lie in one skb."""
        sk, queue = self.sk, self.queue
        new = range(self._sent, sk.nxt)
        flight = in_flight(sk) - len(new)
        most, ends, held = self._burst(), set(), 0
        bounds = [skb.end for skb in queue.skbs]
        for seq in new:
            held += 1
            self._skb_of.append(self._skbs)
            end = queue.ends[seq] - (seq == queue.fin)
            room = min(most, max(sk.snd_cwnd - flight, 1))
            if held >= room or end in bounds:
                ends |= {seq} if held > 1 else set()
                flight, held = flight + held, 0
                self._skbs += 1
        if held:
            ends |= {new[-1]} if held > 1 else set()
            self._skbs += 1
        return ends

    def _ends_again(self, seqs: list[int]) -> set[int]:
        """Return the packets that end a retransmission of several from one skb."""
        again = [seq for seq in seqs if seq < self._sent]
        ends = set()
        for before, seq, after in zip([-9, *again], again, [*again[1:], -9], strict=False):
            joins = seq == before + 1 and self._skb_of[before] == self._skb_of[seq]
            goes_on = after == seq + 1 and self._skb_of[after] == self._skb_of[seq]
            if joins and not goes_on:
                ends.add(seq)
        return ends
