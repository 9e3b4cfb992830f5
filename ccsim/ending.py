"""Ending the process is not for algorithm files: `os._exit` would end it without a word, as if all
were well."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["exit_process", "no_exits"]

exit_process = os._exit
"""The system's own, for those of ccsim's processes that end by it."""


def _refuse(status: int) -> NoReturn:
    """Stand for `os._exit`, which an algorithm file calls."""
    raise SystemExit(f"os._exit({status})")


@contextmanager
def no_exits() -> Iterator[None]:
    """Let `os._exit` raise SystemExit meanwhile, as `sys.exit` does."""
    before, os._exit = os._exit, _refuse
    try:
        yield
    finally:
        os._exit = before
