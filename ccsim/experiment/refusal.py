"""Why a swap failed, in words: the errno's name, what it means there, and whom it refused."""

from __future__ import annotations

from collections.abc import Sequence

from ccsim.kernel.errors import (
    EBADF,
    EBUSY,
    EEXIST,
    EINVAL,
    ENOENT,
    ENOLINK,
    ENOTSUPP,
    EPERM,
    errno_name,
)
from ccsim.sim.traces import SimResult, SwapRecord

__all__ = ["explain", "refused_flows"]

_MEANINGS = {
    EBADF: "the socket is closed, since the flow has ended",
    EBUSY: "the map is in use",
    EEXIST: "the name is registered already",
    EINVAL: "the kernel does not take this implementation",
    ENOENT: "nothing is registered under this name",
    ENOLINK: "the link is detached, for good",
    ENOTSUPP: "the implementation has an operation that only modules may have",
    EPERM: "the implementation is restricted to the initial namespace",
}


def refused_flows(result: SimResult, swap: SwapRecord) -> list[str]:
    """Return the flows for which a swap failed, in order of time; empty if it failed as a whole."""
    if not swap.errno:
        return []
    failed = (
        event.flow
        for event in result.events
        if swap.owns(event) and event.flow and event.detail.get("errno")
    )
    return list(dict.fromkeys(failed))


def explain(errno: int, flows: Sequence[str] = ()) -> str:
    """Return ``EBADF: the socket is closed, … (bulk)``; empty for errno 0."""
    if not errno:
        return ""
    meaning = _MEANINGS.get(errno, "the kernel refused it")
    whom = f" ({', '.join(flows)})" if flows else ""
    return f"{errno_name(errno)}: {meaning}{whom}"
