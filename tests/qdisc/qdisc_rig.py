"""A qdisc driven by hand: packets in, numbers out, random numbers as the test has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ccsim.net.qdisc import Draws, Packet, Qdisc, create_raw

MS = 1_000_000
US = 1_000
FULL = 1514
CE, ECT0, ECT1, NOT_ECT = 3, 2, 1, 0


class Given(Draws):
    """Random numbers in the order in which the test gives them; it is an error to want more."""

    def __init__(self, *numbers: int) -> None:
        super().__init__(0)
        self.numbers = list(numbers)

    def u64(self) -> int:
        return self.numbers.pop(0)

    u32 = u64
    u16 = u64


def make(kind: str, *numbers: int, now: int = 0, hz: int = 1000, **raw: Any) -> Qdisc:
    """Return a qdisc with parameters as the kernel takes them, and the random numbers given."""
    return create_raw(kind, raw, now, Given(*numbers), hz=hz)


def send(
    qdisc: Qdisc, now: int, numbers: Iterable[int], size: int = FULL, ecn: int = 0, **fields: Any
) -> list[int]:
    """Enqueue packets; return the verdicts."""
    return [qdisc.enqueue(packet(number, size, ecn, **fields), now) for number in numbers]


def packet(number: int, size: int = FULL, ecn: int = 0, **fields: Any) -> Packet:
    """Return a packet with some of its fields set."""
    made = Packet(number, size, ecn, truesize=2304)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def take(qdisc: Qdisc, now: int) -> int | None:
    """Dequeue; return the packet's number."""
    left = qdisc.dequeue(now)
    return None if left is None else left.number


def take_all(qdisc: Qdisc, now: int) -> list[int]:
    """Dequeue until nothing comes."""
    taken = []
    while (number := take(qdisc, now)) is not None:
        taken.append(number)
    return taken


def dropped(qdisc: Qdisc) -> list[int]:
    """Return and forget what was dropped."""
    numbers = [packet.number for packet in qdisc.dropped]
    qdisc.dropped.clear()
    return numbers
