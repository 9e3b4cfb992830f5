"""What a reader needs to repeat a result: the scenario, the commands, the manifest with hashes."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ccsim.experiment.stored import StoredRun
from ccsim.report.markup import Markup, tag
from ccsim.report.page import section
from ccsim.report.sortable_tables import facts

__all__ = [
    "checkout",
    "command_line",
    "commands",
    "download",
    "from_checkout",
    "manifest_section",
    "reproduce_run",
    "scenario_section",
]

INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q ."


def scenario_section(run_name: str, given: str, resolved: Mapping[str, Any]) -> Markup:
    """Return the scenario as it was given, to be read and saved, and, folded, as resolved."""
    plain = json.dumps(resolved, indent=1, ensure_ascii=False)
    as_given: list[Any] = [
        tag("p", "The scenario came from no file; resolved, it is:"),
        tag("p", "Save ", download("resolved.json", plain)),
    ]
    if given:
        saved = download(f"{run_name}.yaml", given)
        as_given = [tag("p", "Save ", saved), tag("pre", tag("code", given))]
    folded = tag(
        "details",
        tag("summary", "With every default and unit resolved"),
        tag("pre", tag("code", plain)),
        open=not given,
    )
    return section("scenario", "Scenario", *as_given, folded)


def download(name: str, text: str) -> Markup:
    """Return a link that saves a text under a name: the page brings it along."""
    data = base64.b64encode(text.encode()).decode()
    return tag("a", name, href=f"data:text/plain;charset=utf-8;base64,{data}", download=name)


def reproduce_run(run: StoredRun, given: str) -> Markup:
    """Return the two commands that give the same bytes again, and how to see that they do."""
    name = f"{run.name}.yaml" if given else ""
    hashed = sorted({"metrics.json", "resolved.json"} & set(run.manifest.get("sha256") or {}))
    on_kernel = run.manifest.get("backend") == "linux"
    told = [
        "A kernel never does the same twice: another run has other figures. "
        if on_kernel
        else "Same scenario, seed and code give the same bytes. ",
        "The run is stored as ",
        tag("code", f"{run.name}/{run.run_id}"),
        ", a name that begins with a hash of scenario, seed and code; "
        if on_kernel
        else ", a name that is a hash of all three; ",
        f"{' and '.join(hashed) or 'its files'} have the SHA-256 in the manifest below.",
    ]
    objects = [PurePath(str(file)).name for file in run.scenario.get("objects") or ()]
    steps = [[".venv/bin/ccsim", "run", name, *_said(run.manifest)]] if given else [_from_python()]
    first = _first(run.manifest, download(name, given) if given else None, objects)
    return section("reproduce", "How to reproduce", first, from_checkout(steps), tag("p", *told))


def from_checkout(steps: Sequence[Sequence[str]]) -> Markup:
    """Return what a shell takes in a checkout: ccsim installed there, then the steps."""
    return commands([INSTALL, *map(command_line, steps)])


def checkout(manifest: Mapping[str, Any]) -> str:
    """Return which checkout the commands are for."""
    code = str(manifest.get("code_sha256") or "")[:12]
    with_code = f" (code {code} in the manifest)" if code else ""
    return f"a checkout of ccsim {manifest['versions']['ccsim']}{with_code}"


def _first(manifest: Mapping[str, Any], saved: Markup | None, objects: Sequence[str]) -> Markup:
    beside = f", and the algorithms {', '.join(objects)} beside it" if objects else ""
    if saved is None:
        saved = tag("a", "resolved.json", href="#scenario")
    return tag("p", "Save ", saved, f" into {checkout(manifest)}{beside}; there:")


def _said(manifest: Mapping[str, Any]) -> list[str]:
    """Return what the command line said of the scenario: overrides and seed."""
    argv = [str(part) for part in manifest.get("argv") or ()]
    on = ["--on", "linux"] if manifest.get("backend") == "linux" else []
    if argv[1:2] != ["run"]:
        return [*on, "--seed", str(manifest["seed"])]
    said = [part for part in argv[2:] if "=" in part and not part.startswith("-")]
    said = [part for part in said if not part.endswith((".yaml", ".yml"))]
    seeded = any(part.split("=")[0] == "--seed" for part in argv)
    said += on
    return [*said, "--seed", str(manifest["seed"])] if seeded else said


def _from_python() -> list[str]:
    """Return the command for a run that came from Python, whose scenario is on the page."""
    code = (
        "import json, ccsim; plain = json.load(open('resolved.json')); "
        "print(ccsim.run(ccsim.Scenario.from_resolved(plain)).path)"
    )
    return [".venv/bin/python", "-c", code]


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
