"""Why ACKs go one by one: the conditions under which no train is made of them, by name."""

from __future__ import annotations

from collections import Counter
from enum import Enum

__all__ = ["Refusal", "Tally"]


class Refusal(Enum):
    """A condition that keeps ACKs from being taken as a train; its value says it in words."""

    FOLLOWED = "a trigger or a state policy follows the flow, event by event"
    NOT_IN_COLUMNS = "a lone, merged, marked or SACKing ACK, or too few in a row"
    TOO_FEW = "fewer ACKs in the window than make a train worth while"
    REFUSED_BEFORE = "others of the same batch were refused just before"
    NO_HOOK = "the algorithm has no train hook that fits"
    NOT_OPEN = "the congestion state is not Open"
    NOT_RECOVERY = "the congestion state is not Recovery, though the ACKs SACK"
    HOLES = "packets are SACKed, lost or retransmitted"
    APP_LIMITED = "the application limited what was sent, or the flow has just begun"
    LOSS_PROBE = "a tail loss probe is out"
    REORDERING = "reordering has been seen"
    ECN = "an ECN mark is to be answered"
    NO_RTT = "no RTT has been measured"
    NO_EARLY_RETRANSMIT = "RACK and TLP are switched off"
    PACER = "the pacer, not the window, is what limits"
    NOT_WINDOW_LIMITED = "the window was not used up"
    WINDOW_LIMITED = "the window, not the pacer, is what limits"
    PACER_IDLE = "nothing waits for the pacer"
    BELOW_SSTHRESH = "the window is below ssthresh"
    LAST_RECOVERY = "packets from before the end of the last recovery are acknowledged"
    FIRST_PACKETS = "the first packets are not paced"
    RECEIVER_WINDOW = "the receiver's window may limit"
    BURSTS = "segmentation offload sends bursts"
    HOST_LATE = "the host is late, so the pacer is"
    RATE_BOUND = "the pacing rate is none, or a packet a nanosecond"
    MIN_RTT_DUE = "the least RTT runs out"
    NOT_IN_FLIGHT = "what is acknowledged, or what stays in flight, is too little"
    DATA_ENDS = "data or the receiver's window may end within it"
    MARKED_PACKETS = "packets were SACKed, lost, retransmitted or limited by the application"
    NOTHING_NEW = "an ACK acknowledges nothing new"
    SMALL_WINDOW = "an ACK acknowledges as much as the window holds"
    SHORT_RTT = "an RTT below a microsecond"
    TIMER = "a timer may fire between the ACKs"
    DECLINED = "the algorithm took none of them"
    REDUCTION = "the reduction is at its begin or its end, or loss is still being repaired"
    OUT_OF_ORDER = "a SACK is not of the next packet sent"


class Tally:
    """What has become of ACKs, counted when asked for: by way, how many times and how many ACKs.

    A way is the name of a regime, whose trains took them, or a `Refusal`.
    """

    __slots__ = ("acks", "times")

    def __init__(self) -> None:
        self.times: Counter[str | Refusal] = Counter()
        self.acks: Counter[str | Refusal] = Counter()

    def add(self, way: str | Refusal, acks: int) -> None:
        """Count ACKs that went one way together."""
        if acks:
            self.times[way] += 1
            self.acks[way] += acks

    def rows(self) -> tuple[tuple[str, int, int], ...]:
        """Return (way in words, times, ACKs), trains first, then refusals, most ACKs first."""
        ways = sorted(self.acks, key=lambda way: (isinstance(way, Refusal), -self.acks[way]))
        return tuple((_words(way), self.times[way], self.acks[way]) for way in ways)


def _words(way: str | Refusal) -> str:
    return way.value if isinstance(way, Refusal) else f"taken at once: {way}"
