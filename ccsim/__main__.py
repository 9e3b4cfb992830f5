"""``python -m ccsim``, and where the command ``ccsim`` begins: signals are minded before anything
else is imported."""

from __future__ import annotations

import sys

from ccsim.startup import mind_signals

__all__ = ["main"]


def main() -> int:
    """Run the command line and return its exit status."""
    mind_signals()
    from ccsim.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
