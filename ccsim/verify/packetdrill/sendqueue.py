"""What an application has written, cut into packets and into skbs (``tcp_sendmsg_locked``).

The sender counts packets; here stands which bytes each of them holds. An skb is what segmentation
offload sends at once: its end, if it was marked to be pushed, bears PSH.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

__all__ = ["SendQueue", "Skb"]


@dataclass(slots=True)
class Skb:
    """Bytes that are not sent yet, from ``start`` to ``end``; ``eor``: nothing is added to them."""

    start: int
    end: int
    push: bool = False
    eor: bool = False

    @property
    def length(self) -> int:
        """Its bytes."""
        return self.end - self.start


class SendQueue:
    """The bytes of one direction, numbered from ``first`` as scripts number them.

    ``ends`` holds one past the last sequence number of each packet; the FIN has one, too, and is
    borne by packet ``fin`` (-1: none). ``skbs`` is what is not sent; ``pushed`` the packets sent
    that bear PSH.
    """

    def __init__(self, mss: int, first: int = 1) -> None:
        self.mss = mss
        self.first = first
        self.ends: list[int] = []
        self.skbs: list[Skb] = []
        self.pushed: set[int] = set()
        self.fin = -1
        self.write_seq = first

    @property
    def packets(self) -> int:
        """How many packets there are."""
        return len(self.ends)

    @property
    def tail_is_short(self) -> bool:
        """Whether the last packet is not full and has not been sent."""
        if not self.skbs or self.fin >= 0:
            return False
        return self.skbs[-1].length % self.mss != 0

    def start(self, packet: int) -> int:
        """Return the first sequence number of a packet."""
        return self.ends[packet - 1] if packet else self.first

    def length(self, packet: int) -> int:
        """Return the payload of a packet [bytes]."""
        return self.ends[packet] - self.start(packet) - (packet == self.fin)

    def acknowledged(self, number: int) -> int:
        """Return how many packets lie wholly below a sequence number."""
        return bisect_right(self.ends, number)

    def starting(self, number: int) -> int:
        """Return the first packet that starts at a sequence number or beyond it."""
        return bisect_left(self.ends, number) + 1 if number > self.first else 0

    def needs_skb(self, goal: int) -> bool:
        """Tell whether bytes that are added begin a new skb."""
        return not self.skbs or self.skbs[-1].eor or self.skbs[-1].length >= goal

    def tail(self, goal: int) -> Skb:
        """Return the skb to which bytes are added: the last, or a new one."""
        if self.needs_skb(goal):
            self.skbs.append(Skb(self.write_seq, self.write_seq))
        return self.skbs[-1]

    def grow(self, skb: Skb, size: int) -> None:
        """Add bytes to the last skb; its last packet is filled up first."""
        room = -skb.length % self.mss
        skb.end += size
        self.write_seq += size
        if room:
            filled = min(room, size)
            self.ends[-1] += filled
            size -= filled
        while size:
            step = min(self.mss, size)
            self.ends.append(self.start(self.packets) + step)
            size -= step

    def add_fin(self) -> None:
        """Let the last unsent packet bear the FIN, or one of its own (``tcp_send_fin``)."""
        if self.skbs:
            self.ends[-1] += 1
        else:
            self.ends.append(self.write_seq + 1)
        self.fin = self.packets - 1
        self.write_seq += 1

    def sent(self, packet: int) -> None:
        """Note that a packet, the first that is not sent, has left."""
        if not self.skbs:
            return  # the FIN
        skb = self.skbs[0]
        skb.start = self.ends[packet] - (packet == self.fin)
        if skb.start >= skb.end:
            if skb.push:
                self.pushed.add(packet)
            del self.skbs[0]
