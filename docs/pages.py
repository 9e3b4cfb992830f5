"""The reference pages, made of what they describe: schemas, verbs, algorithms, the public API."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from executed import page

import ccsim
from ccsim.catalog import algorithms_dir
from ccsim.cli.parser import build_parser
from ccsim.experiment.study.schema import study_schema
from ccsim.kernel import load_tables
from ccsim.scenario.schema import scenario_schema

UNITS = {
    "ns|us": "time",
    "bit/s": "rate",
    "BDP": "size or BDP",
    "/ *(s|min|h)": "events a time",
    "%": "share",
    "B|KiB": "size",
}
"""Which words of a pattern tell what a quantity is."""


def write(folder: Path) -> None:
    """Write every page into a folder; one that is as it was keeps its time."""
    folder.mkdir(exist_ok=True)
    made = {
        "scenario_keys": keys_page("Keys of a scenario", scenario_schema()),
        "study_keys": keys_page("Keys of a study", study_schema()),
        "verbs": verbs_page(),
        "algorithms": algorithms_page(),
        "api": api_page(),
        "notebook": page(folder.parent / "notebooks" / "swap.ipynb", folder),
    }
    for name, text in made.items():
        file = folder / f"{name}.md"
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def keys_page(title: str, schema: Mapping[str, Any]) -> str:
    """Return a page with one table for each kind of mapping in a schema, the outermost first."""
    models = {"": schema, **schema.get("$defs", {})}
    parts = [f"# {title}\n\nWhat has no default must be given.\n"]
    for name, model in models.items():
        if "properties" not in model:
            continue
        words = " ".join(str(model.get("description", "")).split())
        rows = "\n".join(_row(key, about, model) for key, about in model["properties"].items())
        head = "| key | type | default | example | meaning |\n|---|---|---|---|---|"
        parts.append(f"## {_heading(name)}\n\n{_escaped(words)}\n\n{head}\n{rows}\n")
    return "\n".join(parts)


def _heading(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Spec")) or "The outermost keys"


def _row(key: str, about: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    default = "required" if key in model.get("required", ()) else _code(about.get("default"))
    examples = [example for form in _forms(about) for example in form.get("examples", ())]
    example = _code(examples[0]) if examples else ""
    words = " ".join(str(about.get("description", "")).split())
    return f"| `{key}` | {_type(about)} | {default} | {example} | {_escaped(words)} |"


def _forms(about: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a property and what it may be, at any depth."""
    yield about
    for word in ("anyOf", "oneOf"):
        for form in about.get(word, ()):
            yield from _forms(form)


def _type(about: Mapping[str, Any]) -> str:
    kinds = [kind for form in _forms(about) if (kind := _kind(form))]
    return " or ".join(dict.fromkeys(kinds)) or "anything"


def _kind(form: Mapping[str, Any]) -> str:
    if "$ref" in form:
        return _heading(form["$ref"].rpartition("/")[2]).lower()
    if "enum" in form or "const" in form:
        return ", ".join(_code(word) for word in form.get("enum", [form.get("const")]))
    if form.get("type") == "array":
        return f"list of {_type(form.get('items', {}))}"
    if form.get("type") == "object":
        return "mapping"
    if "pattern" in form:
        return next((kind for word, kind in UNITS.items() if word in form["pattern"]), "text")
    names = form.get("type", [])
    words = {"null": "", "string": "text"}
    return " or ".join(
        words.get(name, name) for name in ([names] if isinstance(names, str) else names)
    )


def _code(value: Any) -> str:
    return f"`{_escaped(str(value))}`" if value not in (None, "") else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def verbs_page() -> str:
    """Return a page with the help of every verb, and of the verbs of a verb."""
    parts = ["# Verbs\n\nWhat the command line can do, as `--help` says it.\n"]
    parts += [
        f"## ccsim {name}\n\n```text\n{text}```\n" for name, text in _helps(build_parser(), "")
    ]
    return "\n".join(parts)


def _helps(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, verb in action.choices.items():
                yield f"{path}{name}", verb.format_help()
                yield from _helps(verb, f"{path}{name} ")


def algorithms_page() -> str:
    """Return a page with what each shipped algorithm file says of itself, and its parameters."""
    parts = [
        "# Algorithms\n\nThe shipped files, each with its equations and what it deviates in.\n"
    ]
    for path in sorted(algorithms_dir().glob("*.py")):
        words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        parts.append(f"## {path.stem}\n\n```text\n{words}\n```\n")
        parts += [_parameters(name, table) for name, table in load_tables(path).items()]
    return "\n".join(parts)


def _parameters(name: str, table: Any) -> str:
    params = getattr(table, "params", None)
    fields = getattr(params, "__dataclass_fields__", {})
    if not fields:
        return ""
    values = ", ".join(f"`{field}` {getattr(params, field)!r}" for field in fields)
    return f"Parameters of `{name}` and their defaults: {values}.\n"


def api_page() -> str:
    """Return a page on everything that `import ccsim` offers."""
    parts = ["# Python API\n\n`import ccsim` offers:\n"]
    for name in (name for name in ccsim.__all__ if not name.startswith("_")):
        kind = "class" if isinstance(getattr(ccsim, name), type) else "function"
        members = "\n   :members:" if kind == "class" else ""
        parts.append(f"## {name}\n\n```{{eval-rst}}\n.. auto{kind}:: ccsim.{name}{members}\n```\n")
    return "\n".join(parts)
