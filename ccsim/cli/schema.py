"""The verb ``schema``: the JSON schemas of scenarios and studies."""

from __future__ import annotations

import argparse
from typing import Any

from ccsim.cli.arguments import add_verb
from ccsim.cli.output import print_json

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``schema`` to the command line's verbs."""
    text = "print the JSON schema of scenarios or studies, for editors"
    schema = add_verb(verbs, "schema", text, schema_verb)
    schema.add_argument("--study", action="store_true", help="of studies, not of scenarios")


def schema_verb(args: argparse.Namespace) -> int:
    """Print the schema of scenarios, or of studies."""
    if args.study:
        from ccsim.experiment.study.schema import study_schema

        print_json(study_schema())
        return 0
    from ccsim.scenario import scenario_schema

    print_json(scenario_schema())
    return 0
