"""What every queueing discipline is: Linux's ``Qdisc_ops`` for packets that a simulator moves.

All arithmetic is on integers; where the kernel's types wrap, the code masks. Times are nanoseconds
of one clock that never goes back, lengths bytes with the link's header, as Linux counts them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from ccsim.net.qdisc.draws import Draws
from ccsim.net.qdisc.parameters import U32, Parameter
from ccsim.units import NS_PER_S

__all__ = [
    "AQM",
    "BOOT_NS",
    "CE",
    "CONGESTION",
    "DROPPED",
    "FILTERED",
    "HZ",
    "LOST",
    "NEVER",
    "OVERFLOW",
    "PPM",
    "PSCHED_MTU",
    "QUEUED",
    "REASONS",
    "S32_SIGN",
    "STOLEN",
    "U32",
    "U64",
    "OneQueue",
    "Packet",
    "Qdisc",
    "instant_of_jiffies",
    "jiffies",
    "jiffies_of_us",
    "scale",
    "set_ce",
]

QUEUED = 0  # NET_XMIT_SUCCESS
DROPPED = 1  # NET_XMIT_DROP: the arriving packet
CONGESTION = 2  # NET_XMIT_CN: one of the same queue, maybe the arriving one
STOLEN = 0x20000  # success, with __NET_XMIT_BYPASS: lost, but the sender must not notice

OVERFLOW, LOST, AQM, FILTERED = range(4)
REASONS = ("overflow", "random loss", "AQM", "ACK filter")
"""Why a packet is dropped: the queue is full, it is lost at random, queue management would have it
(so would a policer), a newer ACK says all that it said."""

_U32 = U32
CE = 3  # ECN codepoints: 0 Not-ECT, 1 ECT(1), 2 ECT(0)
U64 = 0xFFFF_FFFF_FFFF_FFFF
S32_SIGN = 0x8000_0000
HZ = 1000
PPM = 1_000_000
PSCHED_MTU = 1514  # the device's MTU and its link header [bytes]
NEVER = -1
BOOT_NS = 1_000_000_000_000  # a kernel's clock when a simulation begins: 0 means "never" to many


class Packet:
    """What a qdisc sees of a packet (``struct sk_buff``); it never sees TCP.

    ``len`` [bytes] includes the link's header; ``hash`` is the flow's hash (32 bits), ``truesize``
    what memory limits count. ``ecn`` is the codepoint, ``marked`` whether a qdisc has changed it
    to CE. ``sk`` names the socket (0: none), with its ``pacing_rate`` [byte/s]; ``tstamp`` is the
    departure time wanted [ns, 0: none]. ``srchost`` and ``dsthost`` are hashes of the hosts,
    ``tcp`` the header of an ACK as CAKE's filter reads it. ``stamp`` and ``cb`` belong to the
    qdisc that holds the packet, ``arrived`` [ns] to its hop.
    """

    __slots__ = (
        *("number", "len", "ecn", "flow", "hash", "truesize", "marked", "stamp", "cb"),
        *("sk", "pacing_rate", "tstamp", "priority", "srchost", "dsthost", "dscp", "tcp"),
        "arrived",
    )

    def __init__(
        self,
        number: int,
        length: int,
        ecn: int = 0,
        flow: int = 0,
        hash: int = 0,
        truesize: int = 0,
    ) -> None:
        self.number = number
        self.len = length
        self.ecn = ecn
        self.flow = flow
        self.hash = hash
        self.truesize = truesize
        self.marked = False
        self.stamp = 0
        self.cb = 0
        self.sk = 0
        self.pacing_rate = U64
        self.tstamp = 0
        self.priority = 0
        self.srchost = 0
        self.dsthost = 0
        self.dscp = 0
        self.tcp: Any = None
        self.arrived = 0

    def copy(self, number: int) -> Packet:
        """Return a duplicate of the packet under another number."""
        twin = type(self)(
            number, self.len, self.ecn, flow=self.flow, hash=self.hash, truesize=self.truesize
        )
        twin.marked = self.marked
        twin.sk, twin.pacing_rate, twin.tstamp = self.sk, self.pacing_rate, self.tstamp
        twin.priority, twin.dscp, twin.tcp = self.priority, self.dscp, self.tcp
        twin.srchost, twin.dsthost, twin.arrived = self.srchost, self.dsthost, self.arrived
        return twin


def set_ce(packet: Packet) -> bool:
    """Mark a packet (``INET_ECN_set_ce``): False if it is Not-ECT, True also if it bore CE
    already."""
    ecn = packet.ecn
    if ecn == 0:
        return False
    if ecn != CE:
        packet.ecn = CE
        packet.marked = True
    return True


def scale(value: int, end: int) -> int:
    """Map 32 bits onto 0 … end - 1 (``reciprocal_scale``)."""
    return ((value & _U32) * end) >> 32


def jiffies(now: int, hz: int) -> int:
    """Return the clock in ticks of 1/hz s."""
    return now * hz // NS_PER_S


def instant_of_jiffies(tick: int, hz: int) -> int:
    """Return when a tick comes [ns]."""
    return -(-tick * NS_PER_S // hz)


def jiffies_of_us(us: int, hz: int) -> int:
    """Return a time in jiffies, rounded up (``usecs_to_jiffies``)."""
    return -(-us * hz // 1_000_000)


class Qdisc:
    """A queueing discipline.

    ``qlen`` and ``backlog`` are the packets and bytes inside. What a call drops is appended to
    ``dropped``, in order: the caller empties it. ``wake_ns`` is set when a call asks to be woken
    (the watchdog: then `dequeue` may have something), ``tick_ns`` is when the qdisc's own timer is
    due; `NEVER` if there is none. The timer comes before any other call of its instant. ``copies``
    and ``copied_bytes`` are what it has added to what came.
    """

    __slots__ = (
        *("backlog", "copied_bytes", "copies", "draws", "dropped", "hz", "mtu", "qlen", "tick_ns"),
        "wake_ns",
    )

    kind: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    keeps: ClassVar[Literal["order", "flow order", "none"]] = "order"
    decides: ClassVar[Literal["arrival", "service"]] = "arrival"
    GAUGES: ClassVar[tuple[str, ...]] = ()
    """Names of what a trace shows of its state, as `gauges` returns it."""
    TRAINS: ClassVar[bool] = False
    """Whether it is one queue in order, of which `takes` and `gives` know the plain cases."""
    PARAMETERS: ClassVar[tuple[Parameter, ...]] = ()
    OBSERVED: ClassVar[tuple[str, ...]] = ("qlen", "backlog")
    """Attributes that recordings show under the same names."""

    def __init__(
        self,
        values: Mapping[str, Any],
        now: int,
        draws: Draws,
        *,
        hz: int = HZ,
        mtu: int = PSCHED_MTU,
    ) -> None:
        self.qlen = 0
        self.backlog = 0
        self.copies = 0
        self.copied_bytes = 0
        self.dropped: list[Packet] = []
        self.wake_ns = NEVER
        self.tick_ns = NEVER
        self.draws = draws
        self.hz = hz
        self.mtu = mtu
        self._configure(self._complete(values), now)

    def enqueue(self, packet: Packet, now: int) -> int:
        """Take a packet or drop some; return `QUEUED`, `DROPPED`, `CONGESTION` or `STOLEN`."""
        raise NotImplementedError

    def dequeue(self, now: int) -> Packet | None:
        """Hand out the next packet; None if there is none, or none may go yet."""
        raise NotImplementedError

    def takes(self, length: int, now: int) -> bool:
        """Do what `enqueue` does for a packet of ``length`` bytes that is to be appended and
        nothing else, except append it; False, with nothing done, if `enqueue` has to decide."""
        return False

    def gives(self, length: int, arrived: int, now: int) -> bool:
        """Do what `dequeue` does if the packet at the head, which arrived at ``arrived``, is to
        leave and nothing else, except take it off; False, with nothing done, if `dequeue` has to
        decide."""
        return False

    def hold(self, queue: Any) -> None:
        """Keep packets in this queue, empty yet, where `takes` and `gives` are asked (`TRAINS`)."""
        raise NotImplementedError

    def stamp_of(self, arrived: int) -> int:
        """Return the stamp of a packet that was appended at an instant."""
        return 0

    def tick(self, now: int) -> None:
        """Do what the qdisc's own timer does at ``tick_ns``."""
        raise NotImplementedError

    def reason(self, verdict: int) -> int:
        """Return why the last `enqueue`, which returned ``verdict``, has dropped; at other calls it
        is queue management that drops."""
        return OVERFLOW

    def change(self, values: Mapping[str, Any], now: int) -> None:
        """Set parameters of a qdisc in use (``tc qdisc change``); what is not given stays."""
        self._configure(values, now)

    def gauges(self) -> tuple[int, ...]:
        """Return what `GAUGES` names: probabilities in parts per million."""
        return ()

    def packets(self) -> Iterator[Packet]:
        """Return what is inside, in no order that means anything."""
        raise NotImplementedError

    def observe(self) -> dict[str, int]:
        """Return the state under the names of the recordings."""
        return {name: int(getattr(self, name)) for name in self.OBSERVED}

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        """Set the parameters given, at creation all that have defaults."""
        raise NotImplementedError

    @classmethod
    def _complete(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Add the defaults."""
        defaults = {p.key: p.default for p in cls.PARAMETERS if p.default is not None}
        return {**defaults, **values}


class OneQueue(Qdisc):
    """What disciplines with a single queue have in common: it is first in, first out."""

    __slots__ = ("queue",)

    def __init__(self, *args: Any, **options: Any) -> None:
        self.queue: deque[Packet] = deque()
        super().__init__(*args, **options)

    def hold(self, queue: Any) -> None:
        """Keep packets in this queue."""
        self.queue = queue

    def dequeue(self, now: int) -> Packet | None:
        """Hand out the oldest packet; None if there is none."""
        return self._oldest() if self.queue else None

    def packets(self) -> Iterator[Packet]:
        """Return what is inside, the oldest first."""
        return iter(self.queue)

    def _append(self, packet: Packet) -> int:
        self.queue.append(packet)
        self.qlen += 1
        self.backlog += packet.len
        return QUEUED

    def _oldest(self) -> Packet:
        packet = self.queue.popleft()
        self.qlen -= 1
        self.backlog -= packet.len
        return packet
