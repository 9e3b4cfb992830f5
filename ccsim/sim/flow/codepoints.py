"""What a sender's packets bear of ECN: the codepoint in the IP header, and CWR."""

from __future__ import annotations

import numpy as np

from ccsim.net.batch import Values, as_list
from ccsim.tcp.sender import Sender

__all__ = ["Codepoints"]

ECT_1, ECT_0 = 1, 2


class Codepoints:
    """The ECN field and CWR of the packets of a connection that has agreed on ECN.

    New data is ECN-capable, and retransmissions are if the algorithm that they are sent under needs
    ECN (RFC 3168 section 6.1.5 forbids it to others) or it is Accurate ECN (``accurate``), under
    which ACKs are too. SYNs never are.
    """

    def __init__(self, sk: Sender, *, accurate: bool) -> None:
        self.sk = sk
        self.accurate = accurate
        self.ect = ECT_0  # the codepoint of packets that are ECN-capable
        self._ect_again = False
        # Of that many of the packets `sent` next both were still so: an implementation went then.
        self._before: list[tuple[int, int, bool]] = []
        self._otherwise: dict[tuple[int, int], int] = {}  # packets `sent` last: their codepoint
        self._high = 0  # one past the highest packet sent
        self.again: dict[tuple[int, int], bool] = {}  # retransmissions on the way: ECN-capable?
        self.cwr: set[int] = set()  # packets whose first transmission bears CWR

    def sent(self, times: Values, seqs: Values) -> None:
        """Note which of the packets that leave the sender are retransmissions, and which bear
        CWR."""
        if not len(seqs):
            return
        before, self._before = self._before, []
        self._otherwise = _otherwise(before, times, seqs)
        sk = self.sk
        if sk.cwr_seqs:
            self.cwr.update(sk.cwr_seqs)
            sk.cwr_seqs = []
        if isinstance(seqs, np.ndarray):
            if int(seqs[0]) >= self._high and bool((seqs[1:] > seqs[:-1]).all()):
                self._high = int(seqs[-1]) + 1
                return
            times, seqs = np.asarray(times).tolist(), seqs.tolist()
        for row, (t, seq) in enumerate(zip(times, seqs, strict=True)):
            if seq >= self._high:
                self._high = seq + 1
            elif seq >= 0:
                self.again[t, seq] = next((c for n, _, c in before if row < n), self._ect_again)

    def note_algorithm(self, uncollected: int) -> None:
        """Note what the implementation has packets bear from now on; that many have left that are
        not `sent` yet."""
        data = self.sk.kernel_data
        if uncollected:
            self._before.append((uncollected, self.ect, self._ect_again))
        self._ect_again = data.ecn_xmit or self.accurate
        self.ect = ECT_1 if data.ect_1 else ECT_0

    def codepoint(self, sent_ns: int, seq: int) -> int:
        """Return the ECN field of a packet that was among those `sent` last."""
        if seq < 0 or not self.again.get((sent_ns, seq), True):
            return 0
        return self._otherwise.get((sent_ns, seq), self.ect)

    def bears_cwr(self, seq: int) -> bool:
        """Report whether a packet that has been `sent` bears CWR, if it was for the first time."""
        return seq in self.cwr

    def take_cwr(self, seq: int) -> bool:
        """Report whether a packet bears CWR, which is thereby seen."""
        if seq not in self.cwr:
            return False
        self.cwr.discard(seq)
        return True

    def forget(self, sent_ns: int, seq: int) -> None:
        """Drop the note about a retransmission that the queue has dropped."""
        self.again.pop((sent_ns, seq), None)


def _otherwise(
    before: list[tuple[int, int, bool]], times: Values, seqs: Values
) -> dict[tuple[int, int], int]:
    """Return the codepoints of packets that left before the implementation changed."""
    found: dict[tuple[int, int], int] = {}
    for packets, ect, _ in reversed(before):
        rows = zip(as_list(times[:packets]), as_list(seqs[:packets]), strict=True)
        found.update(dict.fromkeys(rows, ect))
    return found
