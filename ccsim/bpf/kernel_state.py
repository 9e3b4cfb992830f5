"""The private areas of the kernel's own algorithms, as bytes: ``struct bictcp`` (tcp_cubic.c),
``struct bbr`` (tcp_bbr.c), ``struct dctcp`` (tcp_dctcp.c).

A program that calls their functions shares the area with them, so what they remember has to lie in
it as it does in the kernel. It is kept as the shipped algorithm's state, and written out when
somebody looks at the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ccsim.bpf.memory import U32, PrivateArea
from ccsim.cc.minmax import settled_until
from ccsim.kernel.ops import TcpCongestionOps

__all__ = ["LAYOUTS", "Layout"]

USEC_PER_SEC = 1_000_000
BW_WINDOW = 10  # rounds


@dataclass(frozen=True, slots=True)
class Field:
    """A plain member of the structure: an attribute of the state, its bit and its width."""

    attribute: str
    bit: int
    bits: int = 32


class Layout:
    """A structure whose members are all plain."""

    fields: tuple[Field, ...] = ()

    def state(self, area: PrivateArea, ops: TcpCongestionOps, sk: Any) -> Any:
        """Return the algorithm's state, read from the bytes if they were written meanwhile."""
        if area.state is None or area.layout is not self:
            data = area.bytes()
            area.layout, area.state = self, self.decode(int.from_bytes(data, "little"), ops, sk)
        return area.state

    def begin(self, area: PrivateArea, ops: TcpCongestionOps, sk: Any) -> Any:
        """Return the state with which ``init`` is to begin: the area's."""
        return self.state(area, ops, sk)

    def changed(self, area: PrivateArea, state: Any) -> None:
        """Note that the algorithm has run: the bytes are to follow its state."""
        area.stale = True

    def decode(self, number: int, ops: TcpCongestionOps, sk: Any) -> Any:
        """Return the state that the area's bytes, a little-endian number, stand for."""
        assert ops.private is not None
        state = ops.private()
        for field in self.fields:
            value = number >> field.bit & (1 << field.bits) - 1
            kind = type(getattr(state, field.attribute))
            setattr(state, field.attribute, kind(value))
        return state

    def encode(self, state: Any, number: int) -> int:
        """Return the area's bytes as a number: the state's members, and what else is in
        ``number``."""
        for field in self.fields:
            mask = (1 << field.bits) - 1
            value = int(getattr(state, field.attribute)) & mask
            number = number & ~(mask << field.bit) | value << field.bit
        return number


def _in_a_row(*attributes: str, start: int = 0) -> tuple[Field, ...]:
    """Return members of 32 bits, one behind the other."""
    return tuple(Field(name, start + 32 * i) for i, name in enumerate(attributes))


class _Cubic(Layout):
    """``struct bictcp``."""

    fields = (
        *_in_a_row("cnt", "last_max_cwnd", "last_cwnd", "last_time", "origin_point", "k"),
        *_in_a_row("delay_min", "epoch_start", "ack_cnt", "tcp_cwnd", start=24 * 8),
        *(Field("sample_cnt", 42 * 8, 8), Field("found", 43 * 8, 8)),
        *_in_a_row("round_start", "end_seq", "last_ack", "curr_rtt", start=44 * 8),
    )

    def decode(self, number: int, ops: TcpCongestionOps, sk: Any) -> Any:
        """Return the state, with the constants that the module keeps outside the area."""
        assert ops.private is not None
        assert ops.init is not None
        constants = ops.private()
        area, own = sk.ca, sk.ca_ops
        sk.ca, sk.ca_ops = constants, ops
        try:
            ops.init(sk)
        finally:
            sk.ca, sk.ca_ops = area, own
        state = super().decode(number, ops, sk)
        for name in ("curve_scale", "cube_factor", "friendliness", "idle_ticks", "hz"):
            setattr(state, name, getattr(constants, name))
        return state


class _Dctcp(Layout):
    """``struct dctcp``."""

    fields = _in_a_row(
        *("old_delivered", "old_delivered_ce", "prior_rcv_nxt", "alpha", "next_seq"),
        *("ce_state", "loss_cwnd"),
    )


class _Bbr(Layout):
    """``struct bbr``."""

    fields = (
        *_in_a_row("min_rtt_us", "min_rtt_stamp", "probe_rtt_done_stamp"),
        *_in_a_row("rtt_cnt", "next_rtt_delivered", start=36 * 8),
        Field("cycle_mstamp", 48 * 8, 64),
        *(Field("mode", 56 * 8, 3), Field("prev_ca_state", 56 * 8 + 3, 3)),
        *(Field("packet_conservation", 56 * 8 + 6, 1), Field("round_start", 56 * 8 + 7, 1)),
        *(Field("idle_restart", 56 * 8 + 8, 1), Field("probe_rtt_round_done", 56 * 8 + 9, 1)),
        *(Field("lt_is_sampling", 56 * 8 + 23, 1), Field("lt_rtt_cnt", 56 * 8 + 24, 7)),
        Field("lt_use_bw", 56 * 8 + 31, 1),
        *_in_a_row("lt_bw", "lt_last_delivered", "lt_last_ms", "lt_last_lost", start=60 * 8),
        *(Field("pacing_gain", 76 * 8, 10), Field("cwnd_gain", 76 * 8 + 10, 10)),
        *(Field("full_bw_reached", 76 * 8 + 20, 1), Field("full_bw_cnt", 76 * 8 + 21, 2)),
        *(Field("cycle_idx", 76 * 8 + 23, 3), Field("has_seen_rtt", 76 * 8 + 26, 1)),
        *_in_a_row("prior_cwnd", "full_bw", start=80 * 8),
        Field("ack_epoch_mstamp", 88 * 8, 64),
        *(Field("ack_epoch_acked", 100 * 8, 20), Field("extra_acked_rounds", 100 * 8 + 20, 5)),
    )
    BW = 12 * 8  # struct minmax: three times a round and a bandwidth
    EXTRA = 96 * 8  # two halves of a window, 16 bits each,
    INDEX = 100 * 8 + 25  # and the bit that says which is the present one

    def decode(self, number: int, ops: TcpCongestionOps, sk: Any) -> Any:
        """Return the state; what it keeps twice is worked out."""
        state = super().decode(number, ops, sk)
        words = [number >> self.BW + 32 * i & U32 for i in range(6)]
        state.samples = tuple((words[i], words[i + 1]) for i in (0, 2, 4))
        state.max_bw, state.third_bw = words[1], words[5]
        state.settled_until = settled_until(state.samples, BW_WINDOW)
        halves = [number >> self.EXTRA + 16 * i & 0xFFFF for i in (0, 1)]
        index = number >> self.INDEX & 1
        state.extra_acked, state.extra_acked_before = halves[index], halves[1 - index]
        ticks = (sk.tcp_jiffies32 - state.min_rtt_stamp) & U32
        state.min_rtt_mstamp = sk.tcp_mstamp - ticks * (USEC_PER_SEC // sk.hz)
        return state

    def encode(self, state: Any, number: int) -> int:
        """Return the area as a number; which half is the present one it says already."""
        index = number >> self.INDEX & 1
        number = super().encode(state, number)
        words = [word & U32 for sample in state.samples for word in sample]
        halves = [(state.extra_acked, index), (state.extra_acked_before, 1 - index)]
        parts = [(self.BW + 32 * i, 32, word) for i, word in enumerate(words)]
        parts += [(self.EXTRA + 16 * place, 16, value & 0xFFFF) for value, place in halves]
        for bit, bits, value in parts:
            number = number & ~((1 << bits) - 1 << bit) | value << bit
        return number

    def state(self, area: PrivateArea, ops: TcpCongestionOps, sk: Any) -> Any:
        """Return the state, and note how many rounds its half of the window has."""
        is_read = area.state is None or area.layout is not self
        state = super().state(area, ops, sk)
        if is_read:
            area.seen = state.extra_acked_rounds
        return state

    def begin(self, area: PrivateArea, ops: TcpCongestionOps, sk: Any) -> Any:
        """Return a fresh state: ``bbr_init`` sets all but the gains, which hooks before it may have
        set already."""
        before = self.state(area, ops, sk)
        assert ops.private is not None
        area.state = state = ops.private()
        state.pacing_gain, state.cwnd_gain = before.pacing_gain, before.cwnd_gain
        number = int.from_bytes(area.data, "little") & ~(1 << self.INDEX | 31 << 100 * 8 + 20)
        area.data[:] = number.to_bytes(len(area.data), "little")
        area.seen = 0
        return state

    def changed(self, area: PrivateArea, state: Any) -> None:
        """Note that BBR has run; where a new half of its window begins, they change places."""
        area.stale = True
        rounds = state.extra_acked_rounds
        if rounds != area.seen:
            if not rounds:
                area.data[self.INDEX >> 3] ^= 1 << (self.INDEX & 7)
            area.seen = rounds


LAYOUTS: dict[str, Layout] = {"cubic": _Cubic(), "bbr": _Bbr(), "dctcp": _Dctcp()}
"""By the shipped algorithm's name."""
