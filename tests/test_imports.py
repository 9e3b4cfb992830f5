"""Imports run one way, from the command line down to units and errors, and never in a circle.

Read from the source, so that an import inside a function counts too. So do imports for types
alone, those under ``if TYPE_CHECKING``; modules of one room that know each other by type only, as a
world and what it holds do, are listed one by one (`KNOWN_BY_TYPE`).
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = [
    "cli",
    "explore",
    "report",
    "exchange",
    "experiment",
    "jobs",
    "linux",
    "verify",
    "plot",
    "scenario",
    "sim",
    "net",
    "tcp",
    "bpf",
]
ORDER += ["cc", "kernel", "spec", "base"]
TOP = {"cli", "api", "__main__", "__init__"}
BASE = {"units", "errors", "catalog", "compiled", "ending", "files", "spill", "startup", "words"}
BASE |= {"notebook", "frames", "ints"}

KNOWN_BY_TYPE: dict[str, tuple[str, ...]] = {
    "ccsim.bpf.helpers": ("ccsim.bpf.timers",),
    "ccsim.bpf.interpreter": ("ccsim.bpf.runtime",),
    "ccsim.bpf.memory": ("ccsim.bpf.runtime",),
    "ccsim.bpf.printing": ("ccsim.bpf.memory",),
    "ccsim.bpf.python_form": ("ccsim.bpf.runtime",),
    "ccsim.bpf.timers": ("ccsim.bpf.runtime",),
    "ccsim.bpf.translate": ("ccsim.bpf.runtime",),
    "ccsim.bpf.verifier.access": ("ccsim.bpf.verifier.check",),
    "ccsim.bpf.verifier.calls": ("ccsim.bpf.verifier.check",),
    "ccsim.bpf.verifier.steps": ("ccsim.bpf.verifier.check",),
    "ccsim.bpf.verifier.verify": ("ccsim.bpf.object",),
    "ccsim.kernel.bpf": ("ccsim.kernel.kernel",),
    "ccsim.kernel.maps": ("ccsim.kernel.tcp_cong",),
    "ccsim.kernel.ops": ("ccsim.kernel.sock",),
    "ccsim.kernel.profiles": ("ccsim.kernel.links",),
    "ccsim.kernel.tcp_cong": ("ccsim.kernel.kernel",),
    "ccsim.linux.rollouts": ("ccsim.linux.senders",),
    "ccsim.net.hop_log": ("ccsim.net.hop",),
    "ccsim.sim.completions": (
        "ccsim.sim.flow.flow",
        "ccsim.sim.world",
    ),
    "ccsim.sim.invariants": (
        "ccsim.sim.flow.flow",
        "ccsim.sim.world",
    ),
    "ccsim.sim.flow.ends": ("ccsim.sim.world",),
    "ccsim.sim.flow.flow": ("ccsim.sim.world",),
    "ccsim.sim.flow.kernel_socket": ("ccsim.sim.flow.flow",),
    "ccsim.sim.flow.reception": ("ccsim.sim.flow.receiving",),
    "ccsim.sim.swap.guard": (
        "ccsim.sim.flow.flow",
        "ccsim.sim.world",
    ),
    "ccsim.sim.swap.mechanisms": ("ccsim.sim.world",),
    "ccsim.sim.swap.reregister": ("ccsim.sim.swap.mechanisms",),
    "ccsim.sim.swap.set_congestion": (
        "ccsim.sim.flow.flow",
        "ccsim.sim.world",
    ),
    "ccsim.sim.swap.staged": ("ccsim.sim.swap.mechanisms",),
    "ccsim.sim.swap.triggers": ("ccsim.sim.world",),
}
"""Modules of one room that a module imports for types alone although they import it: those that
serve a whole (a world, a kernel, a verifier) and are told its type. The list only gets shorter."""


def module_name(path: Path, root: Path = ROOT) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted((ROOT / "ccsim").rglob("*.py"))}
ALGORITHMS = sorted((ROOT / "algorithms").glob("*.py"))


def imports(source: str, *, types: bool = True) -> set[str]:
    """Return what a module imports, wherever that stands; without ``types`` only what runs.

    ``from a.b import c`` gives ``a.b`` and ``a.b.c``, but ``a.b.c`` alone where that is a module.
    """
    return set(_imported(ast.parse(source), types))


def _imported(node: ast.AST, types: bool) -> Iterator[str]:
    if not types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for other in node.orelse:
            yield from _imported(other, types)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: expected an absolute import"
        assert node.module
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        if not all(name in MODULES for name in names):
            yield node.module
        yield from names
    for child in ast.iter_child_nodes(node):
        yield from _imported(child, types)


def layer(module: str) -> str:
    """Return the layer to which a module of ccsim belongs."""
    part = [*module.split("."), "__init__"][1]
    if part in TOP:
        return "cli"
    return "base" if part in BASE else part


@cache
def inner_imports(module: str, *, types: bool = True) -> set[str]:
    """Return the modules of ccsim that one of them imports; the package itself, which holds the
    version and imports on demand, does not count.
    """
    found = imports(MODULES[module].read_text(encoding="utf-8"), types=types)
    return {name for name in found if name in MODULES} - {"ccsim", module}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_module_belongs_to_a_layer(module: str) -> None:
    assert layer(module) in ORDER


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_import_points_upwards(module: str) -> None:
    above = ORDER[: ORDER.index(layer(module))]
    assert [name for name in inner_imports(module) if layer(name) in above] == []


def test_no_imports_form_a_circle() -> None:
    graph = {module: inner_imports(module, types=False) for module in MODULES}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_no_imports_for_types_form_a_circle_but_those_listed() -> None:
    graph = {
        module: inner_imports(module) - set(KNOWN_BY_TYPE.get(module, ())) for module in MODULES
    }
    list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", KNOWN_BY_TYPE)
def test_what_is_listed_is_imported_for_types_alone_and_in_one_room(module: str) -> None:
    listed = set(KNOWN_BY_TYPE[module])
    assert listed <= inner_imports(module) - inner_imports(module, types=False)
    assert {layer(other) for other in listed} == {layer(module)}


@pytest.mark.parametrize("path", ALGORITHMS, ids=lambda path: path.stem)
def test_an_algorithm_imports_of_ccsim_only_the_kernel_and_the_toolkit(path: Path) -> None:
    inside = [name for name in imports(path.read_text("utf-8")) if name.split(".")[0] == "ccsim"]
    assert [name for name in inside if name.split(".")[1] not in ("kernel", "cc")] == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_in_the_package_imports_an_algorithm(module: str) -> None:
    found = imports(MODULES[module].read_text(encoding="utf-8"))
    assert [n for n in found if n.split(".")[0] == "algorithms" or "ccsim.algorithms" in n] == []


@pytest.mark.parametrize(
    ("heavy", "home"),
    [
        ("matplotlib", "plot"),
        ("duckdb", "experiment"),
        ("elftools", "bpf"),
        ("optuna", "experiment"),
        ("ruamel", "scenario"),
        ("simpy", "sim"),
        ("starlette", "explore"),
    ],
)
def test_heavy_packages_have_one_home(heavy: str, home: str) -> None:
    users = {
        layer(module)
        for module, path in MODULES.items()
        if heavy in {n.split(".")[0] for n in imports(path.read_text("utf-8"), types=False)}
    }
    assert users <= {home}


def test_every_module_opens_with_a_docstring() -> None:
    bare = [
        name
        for name, path in MODULES.items()
        if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert bare == []


def test_the_reader_of_imports_sees_those_in_functions_and_tells_those_for_types() -> None:
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import ccsim.plot
else:
    import ccsim.net
def late():
    from ccsim.sim import traces
"""
    run = {"ccsim.net", "ccsim.sim.traces"}
    assert {n for n in imports(source, types=False) if n.startswith("ccsim")} == run
    assert {n for n in imports(source) if n.startswith("ccsim")} == {*run, "ccsim.plot"}
    with pytest.raises(AssertionError, match="absolute"):
        imports("from . import sibling")
