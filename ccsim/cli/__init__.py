"""The command line ``ccsim``: one module a verb, with its arguments, its function and its help."""

from ccsim.cli.entry import main
from ccsim.cli.parser import build_parser

__all__ = ["build_parser", "main"]
