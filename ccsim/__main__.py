"""``python -m ccsim``: the command line."""

import sys

from ccsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
