"""A sender whose algorithm is the user's own file: what its hooks write is looked at.

Python has such a field go through a property. Compiled modules do not, since they know the fields
as integers of C, and so do not pay for it; what they write is right.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from ccsim.kernel.answers import WRITTEN, HookValueError, whole
from ccsim.kernel.loader import is_users
from ccsim.kernel.sock import Sock
from ccsim.tcp.sender import Sender

__all__ = ["CheckedSender"]


def _checked(field: str) -> Any:
    """Return a property for a field of the socket that takes nothing but its numbers of a user's
    hook."""
    slot = getattr(Sock, field)
    low, high = bounds = WRITTEN[field]
    store: Callable[[Sock, Any], None] = slot.__set__

    def write(sk: Sock, value: Any) -> None:
        if type(value) is int and low <= value <= high:
            store(sk, value)
            return
        number = whole(value, bounds)
        if number is None and _by_a_user(sys._getframe(1)):
            raise HookValueError(f"left {field}", value, bounds)
        store(sk, value if number is None else number)

    return property(slot.__get__, write)


def _by_a_user(frame: FrameType | None) -> bool:
    """Report whether a frame, or one that called it, is a user's own file's."""
    while frame is not None:
        if is_users(frame):
            return True
        frame = frame.f_back
    return False


class CheckedSender(Sender):
    """A sender that refuses what no socket of Linux could hold, if a user's hook writes it."""

    __slots__ = ()

    snd_cwnd = _checked("snd_cwnd")
    snd_cwnd_cnt = _checked("snd_cwnd_cnt")
    snd_cwnd_clamp = _checked("snd_cwnd_clamp")
    snd_ssthresh = _checked("snd_ssthresh")
    pacing_rate = _checked("pacing_rate")
    pacing_status = _checked("pacing_status")
    app_limited = _checked("app_limited")
    ecn_flags = _checked("ecn_flags")
