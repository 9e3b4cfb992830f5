"""The verb ``schema``: the JSON schema of scenarios."""

from __future__ import annotations

import argparse
from typing import Any

from ccsim.cli.arguments import add_verb
from ccsim.cli.output import print_json

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``schema`` to the command line's verbs."""
    add_verb(verbs, "schema", "print the JSON schema of scenarios, for editors", schema_verb)


def schema_verb(args: argparse.Namespace) -> int:
    """Print the schema of scenarios."""
    from ccsim.scenario import scenario_schema

    print_json(scenario_schema())
    return 0
