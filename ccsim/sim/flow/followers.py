"""The followers of a flow, event by event: a trigger that waits, a state policy in its phase.

While it has followers a flow takes the scalar path, one instant's ACKs or timer at a time, and each
follower is told after each. That is a cut like any other, so following changes no byte of a run.
"""

from __future__ import annotations

from typing import Protocol

from ccsim.sim.flow.sending import SendingSide

__all__ = ["Follower", "Followers"]


class Follower(Protocol):
    """Is told of a flow's events."""

    def after_event(self, t_ns: int) -> bool:
        """Act after what happened at ``t_ns``; False to follow no longer."""

    def closed(self) -> None:
        """Act on the flow's end."""


class Followers:
    """The followers of one flow, ``present`` in the order in which they came."""

    def __init__(self) -> None:
        self.present: list[Follower] = []

    def add(self, follower: Follower) -> None:
        """Tell a follower of every event from now on."""
        self.present.append(follower)

    def remove(self, follower: Follower) -> None:
        """Tell a follower no longer; it may have left already."""
        if follower in self.present:
            self.present.remove(follower)

    def advance(self, sending: SendingSide, horizon_ns: int) -> None:
        """Let happen what happens before the horizon, event by event, while there are followers."""
        while self.present and (t := sending.next_event_ns()) < horizon_ns:
            if sending.one_event(t):
                self._tell(t)

    def _tell(self, t_ns: int) -> None:
        for follower in list(self.present):
            if follower in self.present and not follower.after_event(t_ns):
                self.remove(follower)

    def closed(self) -> None:
        """Let all followers go: the flow has closed."""
        followers, self.present = self.present, []
        for follower in followers:
            follower.closed()
