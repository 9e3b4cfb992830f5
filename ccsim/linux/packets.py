"""Packets as bytes (RFC 791, RFC 9293): whose they are, and their mark; and the delays of a
flow."""

from __future__ import annotations

from collections.abc import Sequence

from ccsim.net.loss import BernoulliLoss

__all__ = ["FIRST_PORT", "TO_QUEUE", "TO_RECEIVER", "TO_SENDER", "FlowDelays", "flow_of", "with_ce"]

FIRST_PORT = 40_001
"""A connection's port at its receiver's end is this plus the number of its flow."""
TO_SENDER, TO_RECEIVER, TO_QUEUE = range(3)
"""Where a packet goes whose time has come: to an end, or into the kernel's own queue."""
HEADERS_BYTES = 40  # of IPv4 and TCP, at least
IPPROTO_TCP = 6
SYN, RST = 0x02, 0x04


class FlowDelays:
    """The delays of one flow [ns]: before the queue, behind it, and back; ACKs set out at multiples
    of ``slot_ns`` (0: at once)."""

    __slots__ = ("ack_loss", "after_ns", "back_ns", "before_ns", "slot_ns")

    def __init__(self, delays: Sequence[int], ack_loss: BernoulliLoss | None, slot_ns: int) -> None:
        self.before_ns, self.after_ns, self.back_ns = delays
        self.ack_loss = ack_loss
        self.slot_ns = slot_ns

    def leaves_ns(self, t_ns: int, *, spared: bool) -> int | None:
        """Return when an ACK sets out that was sent at ``t_ns``; None if it is lost. One that is
        ``spared``, as of a handshake, is not lost and does not wait for a slot."""
        if spared:
            return t_ns
        if self.ack_loss is not None and self.ack_loss.draw():
            return None
        return -(-t_ns // self.slot_ns) * self.slot_ns if self.slot_ns else t_ns


def flow_of(packet: bytes, flows: int) -> tuple[int, bool] | None:
    """Return a packet's flow, one of ``flows``, and whether it opens or ends a connection; None if
    it is not ours, as the kernel's own IPv6 solicitations are not."""
    if len(packet) < HEADERS_BYTES or packet[0] >> 4 != 4 or packet[9] != IPPROTO_TCP:
        return None
    at = (packet[0] & 15) * 4
    if len(packet) < at + 20:
        return None
    flags = packet[at + 13]
    for port in (packet[at] << 8 | packet[at + 1], packet[at + 2] << 8 | packet[at + 3]):
        if 0 <= port - FIRST_PORT < flows:
            return port - FIRST_PORT, bool(flags & (SYN | RST))
    return None


def with_ce(packet: bytes) -> bytes:
    """Return an IPv4 packet with CE in its header, and the checksum that belongs to it (RFC 1624,
    equation 3)."""
    changed = bytearray(packet)
    before = changed[0] << 8 | changed[1]
    changed[1] |= 3
    after = changed[0] << 8 | changed[1]
    total = (~(changed[10] << 8 | changed[11]) & 0xFFFF) + (~before & 0xFFFF) + after
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    changed[10:12] = (~total & 0xFFFF).to_bytes(2, "big")
    return bytes(changed)
