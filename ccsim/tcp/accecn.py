"""Accurate ECN: the receiver counts what comes with CE, and the sender reads how many more there
are (RFC 9768, ``tcp_input.c`` where ``tcp_ecn`` is 3).

Each ACK bears the count of packets modulo 8 in the ACE field, the flags AE, CWR and ECE, and the
count of their bytes in the AccECN option if that has room beside timestamps and SACK blocks. ACKs
and retransmissions are ECN-capable too; nothing is told by CWR.

Simpler than Linux: SYNs and SYN-ACKs are not ECN-capable, and no middlebox bleaches anything, so no
mode is left again; of the option only the counter of CE is read, each packet counts as a full one
there, and data packets, which bear it too, keep their length. ACKs without progress are not read
(Linux reads those with a later timestamp); the next one says the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccsim.kernel.ops import CaEvent, CaState
from ccsim.kernel.sock import RandomSource
from ccsim.tcp.ecn import TCP_ECN_MODE_ACCECN, EcnEcho
from ccsim.tcp.ecn_hooks import ICSK_ACK_NOW, HookEcho
from ccsim.tcp.host import Host
from ccsim.tcp.sack_blocks import AceBlocks, Blocks
from ccsim.tcp.sock import TcpSock

__all__ = [
    "BLOCK_BYTES",
    "CEP_INIT",
    "OPTION_BYTES",
    "OPTION_ROOM",
    "SACK_BYTES",
    "STAMPS_BYTES",
    "AccurateEcho",
    "AccurateHookEcho",
    "accecn_process",
]

ACE_MASK = 7  # TCP_ACCECN_CEP_ACE_MASK
CEP_INIT = 5  # TCP_ACCECN_CEP_INIT_OFFSET: where the counts of both ends begin
CEB_MASK = 0xFF_FFFF  # a counter of the option
OPTION_BYTES = 8  # kind, length and two counters of three bytes
OPTION_ROOM = 40  # what a TCP header has for options
STAMPS_BYTES = 12  # the timestamps option with its padding
SACK_BYTES, BLOCK_BYTES = 4, 8  # the SACK option with its padding, and each block (RFC 2018)


class _Counting:
    """What a receiver does that counts packets and bytes that come with CE."""

    received_ce: int
    _ce_bytes: int
    _mss_bytes: int
    _taken_bytes: int  # by timestamps, of what there is for options

    def _begin(self, host: Host) -> None:
        self.received_ce = self._ce_bytes = 0
        self._mss_bytes = host.mss_bytes
        self._taken_bytes = STAMPS_BYTES if host.timestamps else 0

    @property
    def ece(self) -> bool:
        """Whether ACKs say more than that nothing has come with CE."""
        return self.received_ce > 0

    def saw_ce(self, packets: int) -> None:
        """Count packets that come with CE, whether they are new or not."""
        self.received_ce += packets
        self._ce_bytes += packets * self._mss_bytes

    def bear(self, blocks: Iterable[tuple[int, int]]) -> Blocks:
        """Return the blocks of an ACK with the counters (``tcp_accecn_set_ace``,
        ``tcp_options_fit_accecn``)."""
        kept = tuple(blocks)
        taken = self._taken_bytes + (SACK_BYTES + BLOCK_BYTES * len(kept) if kept else 0)
        fits = taken + OPTION_BYTES <= OPTION_ROOM
        ceb = self._ce_bytes & CEB_MASK if fits else -1
        return AceBlocks.of(kept, self.received_ce + CEP_INIT & ACE_MASK, ceb)

    def accept_cwr(self) -> None:
        """Take no notice: CWR is a bit of the ACE field."""


class AccurateEcho(_Counting, EcnEcho):
    """A receiver that counts; before anything has come with CE its ACKs need not say so."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._begin(host)

    def check(self, *, ect: bool, ce: bool) -> int:
        """Ask for no ACK at once: the count says it all with the next one."""
        return 0


class AccurateHookEcho(_Counting, HookEcho):
    """A receiver that counts, and whose algorithm is told of each packet."""

    def __init__(self, host: Host, random: RandomSource, t_ns: int, rtt_us: int) -> None:
        super().__init__(host, random, t_ns, rtt_us)
        self._begin(host)
        self.ecn_flags = TCP_ECN_MODE_ACCECN

    def check(self, *, ect: bool, ce: bool) -> int:
        """Tell the algorithm of a new packet; return for how many segments ACKs go out at once."""
        hook = self.ca_ops.cwnd_event
        if hook is not None:
            hook(self, int(CaEvent.ECN_IS_CE if ce else CaEvent.ECN_NO_CE))
        return 1 if self.ack_pending & ICSK_ACK_NOW else 0


def accecn_process(sk: TcpSock, blocks: AceBlocks, packets: int) -> int:
    """Count what an ACK that delivers so many packets says of CE; return how many more there are
    (``tcp_accecn_process``)."""
    found = _more_ce(sk, blocks, packets)
    sk.delivered_ce += found
    return found


def _more_ce(sk: TcpSock, blocks: AceBlocks, packets: int) -> int:
    """Return by how much the count has grown, which the ACE field says modulo 8
    (``__tcp_accecn_process``)."""
    bytes_ = blocks.ceb - sk.delivered_ceb & CEB_MASK if blocks.ceb >= 0 else -1
    if bytes_ > 0:
        sk.delivered_ceb += bytes_
    delta = blocks.ace - CEP_INIT - sk.delivered_ce & ACE_MASK
    if packets <= ACE_MASK:
        return delta
    most = packets - (packets - delta & ACE_MASK)  # as many as the packets allow
    if bytes_ < 0:
        return most
    if not bytes_:
        return delta
    mss = sk.mss_cache
    if packets >= 2 * (ACE_MASK + 1) and (
        sk.host.sack or sk.ca_state in (CaState.OPEN, CaState.CWR)
    ):
        if packets * mss <= bytes_:
            return most
        wraps = -(-bytes_ // mss) & ~ACE_MASK
        return min(most, delta + wraps)
    if bytes_ > delta * mss:
        return most
    return delta if bytes_ < most * mss >> 1 else most
