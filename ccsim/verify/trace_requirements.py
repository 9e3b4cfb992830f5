"""How close a simulated transfer has to come to its recording, by kind of run."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.verify.trace import Trace

__all__ = ["Requirement", "is_random", "requirement_of"]


@dataclass(frozen=True)
class Requirement:
    """Upper bounds: relative differences as fractions, None where nothing is required. Drops may
    differ by ``drops`` of the recorded number or by ``drops_count``, whichever is more."""

    kind: str
    acked: float
    aligned: float | None
    distribution: float
    srtt: float
    drops: float
    drops_count: int = 0


LOSS_BASED = Requirement("reno, cubic", 0.002, 0.01, 0.005, 0.005, 0.0, 3)
RENO_LOSSY = Requirement("reno with random loss", 0.003, 0.03, 0.005, 0.005, 0.05)
RENO_SHORT = Requirement("reno on a short queue", 0.015, 0.16, 0.015, 0.01, 0.10)
BBR = Requirement("bbr", 0.01, 0.10, 0.05, 0.03, 0.15, 3)
BBR_SHORT = Requirement("bbr on a short queue", 0.01, 0.10, 0.06, 0.03, 0.15)
BBR_SWAP = Requirement("swap with bbr", 0.005, 0.07, 0.02, 0.03, 0.15)
TWO_FLOWS = Requirement("two flows", 0.06, None, 0.10, 0.04, 0.20)
SMALLER_BESIDE_BBR = 0.10  # of acknowledged bytes, for the smaller of two flows
SWAP_DROPS = 0.20  # in the second after a swap,
SWAP_DROPS_COUNT = 4  # or that many


def requirement_of(trace: Trace) -> Requirement:
    """Return what is required of a recording, from its flows, swaps and path."""
    used = _algorithms(trace)
    if len(trace.flows) > 1:
        return TWO_FLOWS
    short = trace.meta["buffer_bdp"] < 1
    if "bbr" in used:
        if trace.swaps:
            return BBR_SWAP
        return BBR_SHORT if short else BBR
    if trace.meta["loss_prob"] > 0:
        return RENO_LOSSY
    return RENO_SHORT if short else LOSS_BASED


def is_random(trace: Trace) -> bool:
    """Report whether several seeds are needed: BBR draws its first phase, two flows interlock by
    chance."""
    return "bbr" in _algorithms(trace) or len(trace.flows) > 1


def _algorithms(trace: Trace) -> set[str]:
    return {flow.congestion for flow in trace.flows} | {swap.to for swap in trace.swaps}
