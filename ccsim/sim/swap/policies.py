"""The state policies that ship: each says what a new implementation starts from."""

from __future__ import annotations

from collections.abc import Mapping

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaState
from ccsim.kernel.policy import PathSample, StatePolicy
from ccsim.kernel.sock import PACING_NEEDED, PACING_NONE, Sock
from ccsim.tcp.host import NEVER
from ccsim.tcp.pacing import pacing_rate
from ccsim.tcp.sock import TcpSock

__all__ = ["POLICIES"]

MIN_WINDOW = 2  # packets, the least that RFC 5681 restarts from (equation 4)
RAMP_ROUNDS = 4  # smoothed RTTs that pacing_ramp lasts


def is_reducing(sk: Sock) -> bool:
    """Report whether ssthresh is where a reduction under way is heading, and cwnd is not free."""
    return sk.ca_state >= CaState.CWR


class Linux(StatePolicy):
    """What the kernel does: windows, RTT and scoreboard stay, private state is lost."""

    name = "linux"


class Cold(StatePolicy):
    """Restart from the initial window, in slow start; RTT and scoreboard stay.

    In a reduction under way the initial window is where it ends.
    """

    name = "cold"

    def before(self, sk: Sock, path: PathSample) -> None:
        """Set the window to the initial one (RFC 6928), unless it is smaller already."""
        _restart_from(sk, path.initial_window, slow_start=True)


class KeepCwnd(StatePolicy):
    """Keep the window and set ssthresh to it: the new implementation goes on without slow start.

    Under ``linux`` an old one that never knew ssthresh (BBR) leaves infinity behind, and a new one
    that lives by it (CUBIC) starts with slow start from the old window. In a reduction under way
    ssthresh stays: it is where that ends.
    """

    name = "keep_cwnd"

    def before(self, sk: Sock, path: PathSample) -> None:
        """Let slow start end here."""
        if not is_reducing(sk):
            sk.snd_ssthresh = sk.snd_cwnd


class Rate(StatePolicy):
    """Start from what the path was measured to carry: delivery rate times least RTT.

    cwnd = ssthresh = max(delivered / interval * RTT_min, 2)
    """

    name = "rate"

    def before(self, sk: Sock, path: PathSample) -> None:
        """Set window and threshold to the measured BDP."""
        _restart_from(sk, max(path.bdp_packets, MIN_WINDOW), slow_start=False)


def _restart_from(sk: Sock, window: int, *, slow_start: bool) -> None:
    """Set the window, which a reduction under way may only make smaller, and ssthresh."""
    reducing = is_reducing(sk)
    sk.snd_cwnd = min(sk.snd_cwnd, window) if reducing else window
    sk.snd_cwnd_cnt = 0
    free = slow_start and (not reducing or sk.ca_state == CaState.LOSS)
    sk.snd_ssthresh = TCP_INFINITE_SSTHRESH if free else window


class Model(StatePolicy):
    """Let the new implementation import what the old one exports of its model of the path.

    Where one of them has no such hook it is ``linux``, and a ``policy`` event says so.
    """

    name = "model"

    def __init__(self) -> None:
        super().__init__()
        self._model: dict[str, int] | None = None

    def before(self, sk: Sock, path: PathSample) -> None:
        """Ask the old implementation."""
        export = sk.ca_ops.export_model
        self._model = None if export is None else export(sk)

    def after(self, sk: Sock) -> bool:
        """Tell the new one."""
        take = sk.ca_ops.import_model
        if self._model is None:
            self.note("linux: the old implementation exports no model")
        elif take is None:
            self.note("linux: the new implementation imports no model")
        else:
            take(sk, self._model)
            self.note("imported", **self._model)
        return False


class SafeRetreat(StatePolicy):
    """Resume with care: half the saved window, validated for a round trip, retreat on loss.

    In the manner of Careful Resume (draft-ietf-tsvwg-careful-resume, section 3): Unvalidated from
    the swap on, with cwnd = max(saved / 2, initial window) and no growth beyond it; Validating from
    the first ACK of a packet sent since, until all that was sent unvalidated is acknowledged; then
    Normal. A loss or mark before that is the retreat: half of what the path has delivered in the
    phase, until what was sent unvalidated is out of the network.

    Differences to the draft: the saved window is the old implementation's own (in a reduction its
    ssthresh), so it is neither old nor from another path; the path is known to carry the initial
    window; pacing is left to the implementations; ssthresh is the saved window, so that slow start
    returns to it and not beyond.
    """

    name = "safe_retreat"

    def __init__(self) -> None:
        super().__init__()
        self._jump = self._floor = self._clamp = 0
        self._lost = self._delivered = self._reductions = 0
        self._first = self._last = 0
        self._state = 0
        self._retreating = False

    def before(self, sk: Sock, path: PathSample) -> None:
        """Save the window and jump to half of it."""
        saved = sk.snd_cwnd
        if is_reducing(sk) and sk.snd_ssthresh < TCP_INFINITE_SSTHRESH:
            saved = max(saved, sk.snd_ssthresh)
        self._jump = max(saved // 2, min(path.initial_window, saved), 1)
        self._floor = max(min(path.initial_window, self._jump) // 2, 1)
        _restart_from(sk, self._jump, slow_start=False)
        if not is_reducing(sk):
            sk.snd_ssthresh = max(saved, MIN_WINDOW)

    def after(self, sk: Sock) -> bool:
        """Hold the window there."""
        self._clamp = sk.snd_cwnd_clamp
        sk.snd_cwnd_clamp = min(self._clamp, self._jump)
        self._lost, self._delivered = sk.lost, sk.delivered
        self._first, self._last = sk.snd_nxt, 0
        self._state = sk.ca_state
        self.note("unvalidated", snd_cwnd=sk.snd_cwnd, ssthresh=sk.snd_ssthresh)
        return True

    def on_ack(self, sk: Sock) -> bool:
        """Retreat, validate, or wait."""
        reduced = sk.lost > self._lost or (sk.ca_state >= CaState.CWR and sk.ca_state > self._state)
        self._state = sk.ca_state
        if reduced and not self._retreating:
            self._retreat(sk)
        elif not self._last and sk.snd_una > self._first:
            self._last = sk.snd_nxt
            self.note("validating", snd_cwnd=sk.snd_cwnd)
        if not self._last or sk.snd_una < self._last:
            return True
        self.note("retreated" if self._retreating else "validated", snd_cwnd=sk.snd_cwnd)
        return False

    def _retreat(self, sk: Sock) -> None:
        """Fall back to half of what arrived, and stay there until the phase is over."""
        pipe = min(sk.delivered - self._delivered, self._jump)
        window = max(pipe // 2, self._floor)
        self._retreating = True
        self._last = self._last or sk.snd_nxt
        sk.snd_cwnd_clamp = min(self._clamp, window)
        sk.snd_cwnd = min(sk.snd_cwnd, window)
        sk.snd_ssthresh = min(sk.snd_ssthresh, max(window, MIN_WINDOW))
        self.note("retreat", snd_cwnd=sk.snd_cwnd, ssthresh=sk.snd_ssthresh, pipe_packets=pipe)

    def end(self, sk: Sock) -> None:
        """Let the window go."""
        sk.snd_cwnd_clamp = self._clamp


class PacingRamp(StatePolicy):
    """Pace from the measured delivery rate up to the new implementation's own, over four RTTs.

    limit = rate + (own - rate) * t / (4 * srtt),   t from the swap,   own as ``init`` leaves it

    It is the socket's greatest pacing rate (``SO_MAX_PACING_RATE``) that grows. An implementation
    that is not paced is for that time. Nothing happens where ``own`` is no greater than the rate,
    or no rate is known.
    """

    name = "pacing_ramp"

    def __init__(self) -> None:
        super().__init__()
        self._rate = self._own = self._start_us = self._length_us = 0
        self._max = 0
        self._status = PACING_NONE

    def before(self, sk: Sock, path: PathSample) -> None:
        """Note the rate that the path was seen to carry."""
        self._rate = path.rate_Bps
        self._length_us = RAMP_ROUNDS * path.srtt_us

    def after(self, sk: Sock) -> bool:
        """Begin to pace at that rate."""
        assert isinstance(sk, TcpSock)
        if sk.ca_ops.cong_control is None:
            self._own = pacing_rate(sk, sk.snd_cwnd, sk.packets_out, sk.srtt_us)
        else:
            self._own = sk.pacing_rate
        if not 0 < self._rate < self._own or not self._length_us:
            self.note("no ramp", rate_Bps=self._rate, own_Bps=self._own)
            return False
        self._max, self._status = sk.max_pacing_rate, sk.pacing_status
        self._start_us = sk.tcp_mstamp
        sk.pacing_status = PACING_NEEDED
        self._limit(sk, self._rate)
        self.note("ramp", rate_Bps=self._rate, own_Bps=self._own, length_us=self._length_us)
        return True

    def on_ack(self, sk: Sock) -> bool:
        """Raise the limit; at the end wait until the pacer holds nothing back that would stay."""
        assert isinstance(sk, TcpSock)
        elapsed_us = sk.tcp_mstamp - self._start_us
        if elapsed_us < self._length_us:
            grown = (self._own - self._rate) * elapsed_us // self._length_us
            self._limit(sk, self._rate + grown)
            return True
        sk.max_pacing_rate = self._max
        if self._status == PACING_NONE and sk.pacing_ns != NEVER:
            return True
        self.note("own rate", pacing_rate_Bps=sk.pacing_rate)
        return False

    def _limit(self, sk: Sock, rate: int) -> None:
        sk.max_pacing_rate = min(self._max, rate)
        sk.pacing_rate = min(sk.pacing_rate, sk.max_pacing_rate)

    def end(self, sk: Sock) -> None:
        """Let the pacer go."""
        sk.max_pacing_rate = self._max
        assert isinstance(sk, TcpSock)
        if self._status == PACING_NONE and sk.pacing_ns == NEVER:
            sk.pacing_status = PACING_NONE


POLICIES: Mapping[str, type[StatePolicy]] = {
    policy.name: policy for policy in (Linux, Cold, KeepCwnd, Rate, Model, SafeRetreat, PacingRamp)
}
"""The shipped policies by name."""
