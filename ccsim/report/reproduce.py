"""What a reader needs to repeat a result: the scenario, the commands, the manifest with hashes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ccsim.experiment.stored import StoredRun
from ccsim.report.markup import Markup, tag
from ccsim.report.page import section
from ccsim.report.tables import facts

__all__ = ["command_line", "commands", "manifest_section", "reproduce_run", "scenario_section"]


def scenario_section(given: str, resolved: Mapping[str, Any]) -> Markup:
    """Return the scenario as it was given and, folded, as it was resolved."""
    plain = json.dumps(resolved, indent=1, ensure_ascii=False)
    as_given: list[Any] = [tag("p", "The scenario came from no file; resolved, it is:")]
    if given:
        as_given = [tag("pre", tag("code", given))]
    folded = tag(
        "details",
        tag("summary", "With every default and unit resolved"),
        tag("pre", tag("code", plain)),
        open=not given,
    )
    return section("scenario", "Scenario", *as_given, folded)


def reproduce_run(run: StoredRun) -> Markup:
    """Return the commands that give the same bytes again, and how to see that they do."""
    version = run.manifest["versions"]["ccsim"]
    argv = [str(part) for part in run.manifest.get("argv") or ()]
    repeat = argv if argv[1:2] == ["run"] else _from_seed(run)
    steps = [
        f"pip install ccsim=={version}",
        command_line(repeat),
        command_line(["ccsim", "report", run.run_id]),
    ]
    hashed = sorted({"metrics.json", "resolved.json"} & set(run.manifest.get("sha256") or {}))
    told = [
        "Same scenario, seed and code give the same bytes. The run is stored as ",
        tag("code", f"{run.name}/{run.run_id}"),
        ", a name that is a hash of all three; ",
        f"{' and '.join(hashed) or 'its files'} have the SHA-256 in the manifest below.",
    ]
    return section("reproduce", "How to reproduce", commands(steps), tag("p", *told))


def _from_seed(run: StoredRun) -> list[str]:
    """Return the command for a run that came from Python: the scenario is on the page."""
    return ["ccsim", "run", "scenario.yaml", "--seed", str(run.manifest["seed"])]


def commands(lines: Sequence[str]) -> Markup:
    """Return commands for a shell, one a line."""
    return tag("pre", tag("code", "\n".join(lines)))


def command_line(argv: Sequence[str]) -> str:
    """Return a command as a POSIX shell reads it."""
    return shlex.join(argv)


def manifest_section(manifest: Mapping[str, Any]) -> Markup:
    """Return all facts of a manifest; what is nested is shown as JSON."""
    nested = ("sha256", "versions")
    plain = [(key, _fact(key, value)) for key, value in manifest.items() if key not in nested]
    known = manifest.get("versions") or {}
    versions = ", ".join(f"{name} {text}" for name, text in known.items())
    hashes = [
        (name, tag("code", digest)) for name, digest in (manifest.get("sha256") or {}).items()
    ]
    return section(
        "manifest",
        "Manifest",
        facts([*plain, ("versions", versions)]),
        tag("details", tag("summary", "SHA-256 of every file"), facts(hashes)) if hashes else None,
    )


def _fact(key: str, value: Any) -> Any:
    if key == "argv" and isinstance(value, list):
        return tag("code", command_line([str(part) for part in value]))
    if isinstance(value, str | int | float):
        return value
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
