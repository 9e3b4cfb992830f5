"""A flow that somebody follows event by event: a trigger that waits, a state policy in its phase.

While it has followers a flow takes the scalar path, one instant's ACKs or timer at a time, and each
follower is told after each. That is a cut like any other, so following changes no byte of a run.
"""

from __future__ import annotations

from typing import Protocol

from ccsim.net.link import Link
from ccsim.sim.flow import Flow
from ccsim.sim.foresight import Foreseen, confirm, foresee, may_foresee
from ccsim.tcp.host import NEVER
from ccsim.tcp.output import settle_timer

__all__ = ["FollowedFlow", "Follower"]


class Follower(Protocol):
    """Who is told of a flow's events."""

    def after_event(self, t_ns: int) -> bool:
        """Act after what happened at ``t_ns``; False to follow no longer."""

    def closed(self) -> None:
        """Act on the flow's end."""


class FollowedFlow(Flow):
    """A flow whose events can be followed."""

    followers: list[Follower]

    def follow(self, horizon_ns: int) -> None:
        """Let happen what happens before the horizon, event by event, while somebody follows."""
        while self.followers and (t := self.next_event_ns()) < horizon_ns:
            if self._one_event(t):
                self._tell(t)

    def may_foresee(self, link: Link) -> bool:
        """Report whether `foresee` may be tried: nobody follows, and nothing else is in the way."""
        return not self.followers and may_foresee(self, link)

    def foresee(self, link: Link, until_ns: int) -> Foreseen | None:
        """Take ACKs before they are sent, as far as they can be foreseen (`foresight.foresee`)."""
        return foresee(self, link, until_ns)

    def confirm(self, foreseen: Foreseen) -> None:
        """Let go of the ACKs that were foreseen, now that they are sent."""
        confirm(self, foreseen)

    def next_event_ns(self) -> int:
        """Return when the next event is due, or, of a timer that is not settled, may be."""
        rows = self._next_rows()
        t = NEVER if rows is None else rows.time(rows.at)
        if not self.connected:
            return min(t, self.syn_timer_ns)
        return min(t, self._timer_ns())

    def _timer_ns(self) -> int:
        """Return when a timer fires or the application writes next."""
        write_ns = NEVER if self.source is None else self.source.next_ns
        return min(self.sk.timer_ns, self.sk.pacing_ns, write_ns)

    def _one_event(self, t_ns: int) -> bool:
        """Let what is due at ``t_ns`` happen: ACKs before timers; False if nothing was due.

        All ACKs of the instant are taken, in whichever windows they set out. A timer that is not
        settled yet has only a lower bound of its time.
        """
        sk = self.sk
        rows = self._next_rows()
        self.recorder.catch_up(sk, t_ns)
        acked = False
        while rows is not None and rows.time(rows.at) == t_ns:
            self._take_acks(rows, t_ns + 1)
            rows, acked = self._next_rows(), True
        if acked:
            return True
        if self.connected and sk.timer_ns == t_ns and not sk.timer_settled:
            settle_timer(sk)
            if self._timer_ns() > t_ns:
                return False
        self._fire_before(t_ns + 1)
        return True

    def _tell(self, t_ns: int) -> None:
        for follower in list(self.followers):
            if follower in self.followers and not follower.after_event(t_ns):
                self.unfollow(follower)

    def on_closed(self, t_ns: int) -> None:
        """Let nobody follow any longer."""
        followers, self.followers = self.followers, []
        for follower in followers:
            follower.closed()

    def unfollow(self, follower: Follower) -> None:
        """Let somebody follow no longer, who may have left already."""
        if follower in self.followers:
            self.followers.remove(follower)
