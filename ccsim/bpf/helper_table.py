"""The helpers that are there, by their numbers (``include/uapi/linux/bpf.h``)."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["TABLE", "Helper", "is_helper"]

Helper = Callable[..., int]
"""A helper takes the invocation and five registers."""
TABLE: dict[int, tuple[str, Helper]] = {}
"""Linux's name and the function of each; modules of helpers fill it in."""


def is_helper(number: int) -> Callable[[Helper], Helper]:
    """Register a function under a helper's number; its name without the underscore is Linux's."""

    def register(function: Helper) -> Helper:
        TABLE[number] = ("bpf_" + function.__name__.lstrip("_"), function)
        return function

    return register
