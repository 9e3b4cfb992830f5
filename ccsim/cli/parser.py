"""The parser of all verbs, each of which has a module of its name beside this one."""

from __future__ import annotations

import argparse
import re
import sys
from importlib import import_module
from typing import Any, NoReturn

from ccsim import __version__
from ccsim.compiled import form
from ccsim.words import did_you_mean, listed

__all__ = ["VERBS", "build_parser"]

VERBS = (
    "run",
    "new",
    "check",
    "schema",
    "list",
    "show",
    "plot",
    "compare",
    "export",
    "import",
    "verify",
    "kernel",
    "fuzz",
    "bench",
    "compile",
    "sweep",
    "query",
    "ls",
    "rm",
    "diff",
    "report",
    "search",
    "advise",
    "gallery",
    "explore",
    "confirm",
    "record",
    "doctor",
    "completion",
)
"""In the order of the help."""
MODULES = {"import": "import_"}
"""Of verbs that no module can be called."""
_CHOICE = re.compile(r"argument (.+?): invalid choice: '?(.*?)'? \(choose from (.*)\)\Z", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """Says what was expected, what came, and the nearest that there is; ``parser`` among the parsed
    arguments is that of the verb."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.needed: dict[str, str] = {}
        super().__init__(*args, **more)
        self.set_defaults(parser=self)

    def add_argument(self, *names: Any, **about: Any) -> argparse.Action:
        """Add an argument; note what is said about one that must be there."""
        action = super().add_argument(*names, **about)
        if not action.option_strings and action.nargs not in ("?", "*"):
            self.needed[str(action.metavar or action.dest)] = action.help or ""
        return action

    def error(self, message: str) -> NoReturn:
        """End with status 2 and what is wrong, for people who have not read the help."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {self._explained(message)}\n")

    def _explained(self, message: str) -> str:
        if choice := _CHOICE.match(message):
            what, got, known = choice.groups()
            words = re.findall(r"[\w.-]+", known)
            near = did_you_mean(got, words) or f"; expected {listed(words)}"
            return (
                f"{f'no {what.lower()}' if what.isupper() else f'{what}: no choice'} {got!r}{near}"
            )
        kind, _, rest = message.partition(": ")
        if kind == "the following arguments are required":
            return self._missing(rest.split(", "))
        if kind == "unrecognized arguments":
            options = re.findall(r"--?[\w-]+", self.format_usage())
            return f"{message}{did_you_mean(rest.split()[0].partition('=')[0], options)}"
        return message

    def _missing(self, names: list[str]) -> str:
        """Say what must be given and is not."""
        missing = [name for name in names if name in self.needed] or names
        told = [f"{name} ({text})" if (text := self.needed.get(name)) else name for name in missing]
        text = f"missing {' and '.join(told)}"
        return f"{text}\n{self.epilog.partition('. ')[0]}" if self.epilog else text


def build_parser(verb: str = "") -> Parser:
    """Return the parser of all verbs; each sets ``func``, which takes the arguments.

    For a ``verb`` it knows that one alone: the modules of the others are not imported.
    """
    parser = Parser(
        prog="ccsim",
        description="What it costs to hot-swap TCP congestion control while traffic runs.",
        epilog="to begin: ccsim run cubic_to_bbr; what else is shipped: ccsim list scenarios. "
        "Exit status: 0 fine, 1 a run failed or a difference was found, 2 wrong input.",
    )
    parser.add_argument("--version", action="version", version=f"ccsim {__version__} ({form()})")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name in (verb,) if verb in VERBS else VERBS:
        import_module(f"ccsim.cli.{MODULES.get(name, name)}").add_parser(verbs)
    return parser
