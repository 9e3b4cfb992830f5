"""Staged roll-outs on a kernel, watched by the guard of simulated ones (`ccsim.sim.swap.guard`):
the same metrics, from what ``TCP_INFO`` says of the flows moved so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccsim.linux.connection import LinuxConnection
    from ccsim.linux.senders import Senders
    from ccsim.sim.swap.guard import Span, Verdict

__all__ = ["Rollouts", "span_of"]


class Rollouts:
    """What staged roll-outs have moved; ``over`` are the swaps that were rolled back."""

    def __init__(self, senders: Senders) -> None:
        self.over: set[int] = set()
        self._senders = senders
        self._old: dict[int, str] = {}  # which table the link meant before
        self._moved: dict[int, dict[int, str]] = {}  # flows, and the names that they ran before

    def began(self, swap: int, old: str) -> None:
        """Note what a link meant before a swap."""
        self._old.setdefault(swap, old)

    def moved(self, swap: int, flow: int, before: str) -> None:
        """Note that a flow was moved from what it ran before."""
        self._moved.setdefault(swap, {})[flow] = before

    def check(self, t_ns: int, action: Mapping[str, Any]) -> None:
        """Let a guard look; roll back if it trips, or tell that the last window has passed."""
        swap, about = action["swap"], {"via": action["via"], "swap": action["swap"]}
        moved = self._moved.get(swap, {})
        verdict = self._verdict(action, moved)
        if verdict is not None:
            self._senders.log(t_ns, "guard", None, {**about, **verdict.detail()})
        if verdict is not None and verdict.trips:
            told = {**about, **verdict.detail(), "flows": len(moved), "text": verdict.text()}
            self._senders.log(t_ns, "rollback", None, told)
            self._roll_back(t_ns, action, moved)
        elif action["last"]:
            told = {**about, "outcome": "complete", "flows": len(moved)}
            self._senders.log(t_ns, "rollout", None, told)

    def _verdict(self, action: Mapping[str, Any], moved: Mapping[int, str]) -> Verdict | None:
        """Return what the guard finds; None without one, or without a flow in both windows."""
        if action["guard"] is None:
            return None
        from ccsim.sim.swap.guard import judge
        from ccsim.spec import Guard

        guard, t0, t1 = Guard(**action["guard"]), action["t0_ns"], action["t_ns"]
        flows = [self._senders.connections[number] for number in moved]
        pairs = [
            (then, now)
            for one in flows
            if (then := span_of(one, t0 - guard.window_ns, t0))
            and (now := span_of(one, t1 - guard.window_ns, t1))
        ]
        return judge(guard, pairs) if pairs else None

    def _roll_back(self, t_ns: int, action: Mapping[str, Any], moved: Mapping[int, str]) -> None:
        """Return the link, then every flow that was moved, and let no further step come."""
        swap = action["swap"]
        self.over.add(swap)
        self._senders.link_update(t_ns, {**action, "to": self._old[swap]}, wait=True)
        about = {"via": action["via"], "state": "linux", "swap": swap, "rollback": True}
        for number, before in moved.items():
            one = self._senders.connections[number]
            if one.running:
                self._senders.change(one, before, about)


def span_of(one: LinuxConnection, t0_ns: int, t1_ns: int) -> Span | None:
    """Return a flow's samples in [t0, t1), as a guard reads them; None unless there are two and
    they reach to within a sample of both ends."""
    from ccsim.linux.connection import SAMPLED
    from ccsim.sim.recorder import METERED
    from ccsim.sim.swap.guard import Span

    mss = int(one.spec["mss_bytes"])
    rows = []
    for t, _, *values in one.samples:
        if t0_ns <= t < t1_ns:
            info = dict(zip(SAMPLED, values, strict=False))
            known = {
                "t_ns": t,
                "acked_packets": max(info["bytes_acked"] - 1, 0) // mss,
                "delivered_packets": max(info["delivered"] - 1, 0),
                "retransmissions": info["total_retrans"],
                "srtt_us": info["rtt"],
            }
            rows.append(tuple(known.get(name, 0) for name in METERED))
    if len(rows) < 2:
        return None
    every = rows[1][0] - rows[0][0]
    if rows[0][0] >= t0_ns + every or rows[-1][0] < t1_ns - 2 * every:
        return None
    return Span(rows, 0, mss)
