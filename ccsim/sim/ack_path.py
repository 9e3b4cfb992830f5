"""An impaired way back: ACKs that are lost, and ACKs that wait for the next slot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.net.loss import BernoulliLoss
from ccsim.sim.streams import stream_seed
from ccsim.spec import Path
from ccsim.tcp.ack_rows import AckRows

__all__ = ["AckPath", "make_ack_path"]

Column = NDArray[np.int64]
Columns = tuple[Column, Column, Column]


class AckPath:
    """What happens to one flow's ACKs between its receiver and the constant delay back.

    Each is lost with the probability of ``loss``, one draw an ACK in the order they are sent; what
    is not waits for the next multiple of ``slot_ns`` (0: does not wait), so that those of a slot
    arrive together, as behind a link layer that aggregates. The answer to a SYN is spared.

    Both only remove or delay, so no ACK comes sooner than the engine's horizon allows.
    """

    def __init__(self, loss: BernoulliLoss | None, slot_ns: int) -> None:
        self.loss = loss
        self.slot_ns = slot_ns
        self.lost_ns: list[int] = []  # when lost ones were sent

    def rows(self, acks: AckRows) -> AckRows:
        """Return the ACKs that get through, with the times at which they set out."""
        kept = AckRows()
        for row in acks:
            t, una, echo_us, blocks = row
            if una >= 0 and self.loss is not None and self.loss.draw():
                self.lost_ns.append(t)
            else:
                kept.append((self._slot(t), una, echo_us, blocks) if una >= 0 else row)
        return kept

    def train(self, t: Column, una: Column, echo_us: Column) -> Columns:
        """Like `rows`, for plain ACKs in columns."""
        if self.loss is not None:
            lost = self.loss.draw_many(len(t))
            if lost.any():
                self.lost_ns += t[lost].tolist()
                t, una, echo_us = t[~lost], una[~lost], echo_us[~lost]
        return (-(-t // self.slot_ns) * self.slot_ns if self.slot_ns else t), una, echo_us

    def _slot(self, t_ns: int) -> int:
        return -(-t_ns // self.slot_ns) * self.slot_ns if self.slot_ns else t_ns

    def lost_before(self, t_ns: int) -> int:
        """Return how many ACKs were lost that were sent before ``t_ns``."""
        return sum(t < t_ns for t in self.lost_ns)


def make_ack_path(path: Path, seed: int, index: int) -> AckPath | None:
    """Return the way back of flow number ``index`` on a path; None if it is sound."""
    probability, slot_ns = path.ack_loss_probability, path.ack_aggregation_ns
    if not probability and not slot_ns:
        return None
    loss = BernoulliLoss(probability, stream_seed(seed, "ack-loss", index)) if probability else None
    return AckPath(loss, slot_ns)
