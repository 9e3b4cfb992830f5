"""Replays an episode: the simulator's own sender and receiver on the scripted path, event by
event."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ccsim.catalog import algorithm_files
from ccsim.ints import Ints
from ccsim.kernel import TCP_CONGESTION, Kernel, TcpCongestionOps, load_tables
from ccsim.tcp.ack_rows import AckRow, AckRows
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.sender import Sender
from ccsim.tcp.sock import UNBOUNDED
from ccsim.tcp.xmit_timer import settle_timer
from ccsim.units import NS_PER_MS, NS_PER_US
from ccsim.verify.episode import Episode, Transmission
from ccsim.verify.scripted_path import ScriptedPath

__all__ = ["EpisodeRandom", "EpisodeReplay", "request_module"]

WAKE_NS = 8 * NS_PER_US  # from a packet's arrival until the kernel has dealt with it
TIMER_NS = 60 * NS_PER_US  # from a tick until its timers have run
RTO_MIN_US = 200_000
SNDBUF_PACKETS = 29_433  # 64 MiB
WINDOW_OF_SYN_ACK = 65_535  # bytes: it is not scaled
WINDOW_LATER = 16 << 20
QUICK_PACKETS = 1_465  # packets acknowledged one by one while the receive window grows
BARE_BYTES = 40  # IP and TCP headers
TIMESTAMPS_BYTES = 12


class EpisodeRandom:
    """Returns one and the same draw: BBR's first phase of PROBE_BW is the only random thing in an
    episode.

    ``draws`` counts how often it was asked.
    """

    def __init__(self, draw: int) -> None:
        self.draw = draw
        self.draws = 0

    def u32(self) -> int:
        """Return the draw."""
        self.draws += 1
        return self.draw

    def u32_below(self, bound: int) -> int:
        """Return the draw, within the bound."""
        self.draws += 1
        return self.draw % bound

    def u8(self) -> int:
        """Return the draw."""
        self.draws += 1
        return self.draw & 0xFF


class EpisodeReplay:
    """One replay. After `run`: ``transmissions`` and ``states`` as in `Episode`, ``acks`` (time,
    packets)."""

    def __init__(self, episode: Episode, draw: int = 0) -> None:
        self.episode = episode
        meta = episode.meta
        self.host = _host(meta)
        self.script = episode.script
        self.path = ScriptedPath(
            episode.script,
            round(meta["rate_bps"]),
            meta["buffer_pkts"],
            round(meta["one_way_delay_ms"] * NS_PER_MS),
        )
        self.headers = BARE_BYTES + (TIMESTAMPS_BYTES if self.host.timestamps else 0)
        self.random = EpisodeRandom(draw)
        self.sk = Sender(self.host)
        self.sk.random = self.random
        self.sk.write_limit = 0
        self.receiver = Receiver(self.host, QUICK_PACKETS)
        self.kernel = Kernel(profile="linux", default="reno", request_module=request_module)
        self.transmissions: list[Transmission] = []
        self.states: list[tuple[str, int, int, int, int]] = []
        self.acks: list[tuple[int, int]] = []
        self.timer_sends: set[int] = set()  # when timers sent something
        self.sizes: list[int] = []  # payload of each packet written [bytes]
        self._order: dict[int, int] = {}
        self._sent: dict[int, int] = {}
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._busy: dict[str, int] = {}  # until when each host is at work
        self._pushed = 0
        self._ack_number = 0
        self._times_in = [0] * 5  # ACKs after which the state was so

    def run(self) -> None:
        """Play the episode to the end of its recording."""
        self._open()
        for t, size in self.episode.writes:
            self._at(t, self._write, size)
        for swap in self.episode.meta["totals"]["swaps"]:
            if self.script.swaps_at:
                self._at(swap["t_us"] * NS_PER_US, self._swap, swap["to"])
        while self._step():
            pass

    # --- events ---

    def _at(self, t_ns: int, act: Callable[..., None], *args: Any) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (t_ns, self._pushed, act, args))

    def _step(self) -> bool:
        """Let the next thing happen: an event, a timer of the sender, the receiver's delayed
        ACK."""
        sk, receiver = self.sk, self.receiver
        due = self._heap[0][0] if self._heap else NEVER
        timer = sk.timer_ns + TIMER_NS
        t = min(due, timer, sk.pacing_ns, receiver.delack_ns + TIMER_NS)
        if t > self.episode.end_ns:
            return False
        if t == due:
            at, _, act, args = heapq.heappop(self._heap)
            act(at, *args)
        elif t == timer and not sk.timer_settled:
            settle_timer(sk)
        elif t == timer:
            sk.fire_timer(t)
            self._after("T", t)
        elif t == sk.pacing_ns:
            sk.set_clock(t)
            self.sk.on_pacing(t)
            self._after("T", t)
        else:
            acks = AckRows()
            receiver.flush(t, acks)
            self._send_acks(t, acks)
        return True

    def _wake(self, t: int, act: Callable[..., None], late_ns: int, *args: Any) -> None:
        """Let a host deal with an arrival, as late as the recording's did, in order of arrival."""
        self._busy[act.__name__] = at = max(t + late_ns, self._busy.get(act.__name__, 0))
        self._at(at, act, *args)

    # --- the sender's side ---

    def _open(self) -> None:
        t, rtt = self.episode.established_ns, self.episode.handshake_rtt_ns
        self.sk.set_clock(t)
        self.kernel.socket(self.sk)
        if self.kernel.getsockopt(self.sk, TCP_CONGESTION) != self.episode.meta["cc"]:
            self.kernel.setsockopt(self.sk, TCP_CONGESTION, self.episode.meta["cc"])
        self.sk.handshake_done(t, t - rtt)
        self.receiver.measured(rtt // 1000, UNBOUNDED)
        self.path.control(t, self.headers)
        self.kernel.connect(self.sk)

    def _write(self, t: int, size: int) -> None:
        """Write ``size`` bytes; what is not sent yet is filled up first."""
        sk, mss = self.sk, self.sk.mss_cache
        sk.set_clock(t)
        if sk.write_limit > sk.nxt and self.sizes[-1] < mss:
            room = min(size, mss - self.sizes[-1])
            self.sizes[-1] += room
            size -= room
        whole, rest = divmod(size, mss)
        self.sizes += [mss] * whole + [rest] * (rest > 0)
        self._push(len(self.sizes) - whole - (rest > 0))
        sk.write(t, whole + (rest > 0))
        self._after("W", t)

    def _push(self, first: int) -> None:
        """Mark which of the packets from ``first`` on bear PSH: one each half window, and the last
        (``forced_push``, ``tcp_push``)."""
        window = WINDOW_OF_SYN_ACK if not self.sk.una else WINDOW_LATER
        waiting = 0
        for seq in range(first, len(self.sizes)):
            waiting += self.sizes[seq]
            if waiting > window >> 1 and self.sizes[seq] == self.sk.mss_cache:
                self.receiver.pushed.add(seq)
                waiting = 0
        self.receiver.pushed.add(len(self.sizes) - 1)

    def _swap(self, t: int, name: str) -> None:
        self.sk.set_clock(t)
        self.kernel.setsockopt(self.sk, TCP_CONGESTION, name)
        self._after("swap_post", t)

    def _ack_arrives(self, t: int, number: int, row: AckRow) -> None:
        sk = self.sk
        sk.receive_ack(t, row)
        self._after(f"A{number}", t)
        self._times_in[sk.ca_state] += 1
        for state, count, name in self.script.swaps_in:
            if state == sk.ca_state and count == self._times_in[state]:
                self._swap(t, name)

    def _after(self, event: str, t: int) -> None:
        """Note the state after an event, and send on what it let out."""
        sk = self.sk
        times, seqs = sk.out_t, sk.out_seq
        sk.out_t, sk.out_seq = Ints(), Ints()
        if times and event == "T":
            self.timer_sends.add(t)
        for seq in seqs:
            self._emit(t, seq)
        if times or event[0] != "T":
            self.states.append((event, t, sk.ca_state, sk.snd_cwnd, sk.snd_ssthresh))
        elif self.states[-1][2:] != (sk.ca_state, sk.snd_cwnd, sk.snd_ssthresh):
            self.states.append(("G", t, sk.ca_state, sk.snd_cwnd, sk.snd_ssthresh))

    def _emit(self, t: int, seq: int) -> None:
        place = self._order.setdefault(seq, len(self._order) + 1)
        self._sent[seq] = count = self._sent.get(seq, 0) + 1
        cwr = count == 1 and seq == self.sk.cwr_seq
        self.transmissions.append(Transmission(t, place, count, cwr))
        arrivals, marked = self.path.data(t, seq, self.sizes[seq] + self.headers)
        ect = count == 1 and self.sk.ecn_flags != 0
        late = self.episode.data_late_ns.get(len(self.transmissions), WAKE_NS)
        packet = seq, t // NS_PER_US, ect, ect and marked, cwr
        for due in arrivals:
            self._at(due, self._wake, self._data_arrives, late, *packet)

    # --- the receiver's side ---

    def _data_arrives(self, t: int, seq: int, tx_us: int, ect: bool, ce: bool, cwr: bool) -> None:
        acks = AckRows()
        receiver = self.receiver
        if self.host.ecn:
            receiver.see_ecn(seq, ect=ect, ce=ce, cwr=cwr)
        receiver.receive([t], [seq], [tx_us], acks)
        self._send_acks(t, acks)

    def _send_acks(self, t: int, acks: AckRows) -> None:
        for row in acks:
            self._ack_number += 1
            self.acks.append((t, row[1]))
            late = self.episode.ack_late_ns.get(self._ack_number, WAKE_NS)
            for due in self.path.ack(t):
                self._at(due, self._wake, self._ack_arrives, late, self._ack_number, row)


@lru_cache
def request_module(name: str) -> TcpCongestionOps | None:
    """Load the shipped algorithm of that name, as ``request_module`` loads a module."""
    path = algorithm_files().get(name)
    if path is None:
        return None
    return next((ops for ops in load_tables(path).values() if ops.name == name), None)


def _host(meta: dict[str, Any]) -> Host:
    """Return the host with the settings of the recording."""
    sysctl = {key: int(value) for key, value in meta["sysctl"].items()}
    timestamps = bool(sysctl["tcp_timestamps"])
    return Host(
        initial_window=meta["initcwnd"],
        sndbuf_packets=SNDBUF_PACKETS,
        mss_bytes=1448 if timestamps else 1460,
        rto_min_us=RTO_MIN_US,
        timestamps=timestamps,
        sack=bool(sysctl["tcp_sack"]),
        dsack=bool(sysctl["tcp_dsack"]),
        ecn=sysctl["tcp_ecn"] == 1,
        early_retrans=sysctl["tcp_early_retrans"] in (3, 4),
        frto=bool(sysctl["tcp_frto"]),
        slow_start_after_idle=bool(sysctl["tcp_slow_start_after_idle"]),
    )
