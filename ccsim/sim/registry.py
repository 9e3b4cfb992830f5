"""The emulated kernel of a run: modules on demand, objects and links as the scenario has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ccsim.catalog import algorithm_files, algorithms_dir
from ccsim.errors import AlgorithmError
from ccsim.kernel import Kernel, Link, Map, Object, TcpCongestionOps, load_tables

__all__ = ["Registry"]


class Registry:
    """Loads algorithm files, which runs their code, and registers what the scenario names.

    A shipped algorithm is a module: it is loaded when a socket first asks for its name. The tables
    of the scenario's ``objects`` are struct_ops maps, each attached under its own name; those that
    ``links`` or a link update name are attached there instead. ``files`` are all that were loaded.
    """

    def __init__(self, scenario: Mapping[str, Any]) -> None:
        self.files: set[str] = set()
        self._tables: dict[str, dict[str, TcpCongestionOps]] = {}
        self._user_files = [Path(path) for path in scenario["objects"]]
        spec = scenario["kernel"]
        self.kernel = Kernel(
            profile=spec["profile"], default="reno", request_module=self._request_module
        )
        self._links: dict[str, Link] = {}
        self._attach(scenario)
        self.kernel.set_default(spec["default"])

    def _load(self, path: Path) -> dict[str, TcpCongestionOps]:
        key = str(path)
        if key not in self._tables:
            self.files.add(key)
            tables = load_tables(path)
            self._tables[key] = {
                name: ops for name, ops in tables.items() if not name.startswith("_")
            }
        return self._tables[key]

    def _request_module(self, name: str) -> TcpCongestionOps | None:
        path = self._module_file(name)
        if path is None:
            return None
        tables = self._load(path).values()
        return next((ops for ops in tables if ops.name == name), None)

    def _module_file(self, name: str) -> Path | None:
        """Return the shipped file of an algorithm; reading all of them is only needed for unusual
        names."""
        path = algorithms_dir() / f"{name}.py"
        if name.isidentifier() and path.is_file():
            return path
        return algorithm_files().get(name)

    def _attach(self, scenario: Mapping[str, Any]) -> None:
        linked = {link["map"] for link in scenario["links"]}
        linked |= {swap["to"] for swap in scenario["swaps"] if swap["via"] == "link_update"}
        for link in scenario["links"]:
            self._links[link["name"]] = self._open(link["map"], link["name"]).attach_struct_ops()
        for path in self._user_files:
            for name, ops in self._load(path).items():
                if name not in linked:
                    self._open_table(name, ops, ops.name).attach_struct_ops()

    def _find_table(self, name: str) -> TcpCongestionOps:
        """Return the table whose map is called ``name``: the user's files first, then the shipped
        ones."""
        for path in self._user_files:
            if name in (tables := self._load(path)):
                return tables[name]
        path = self._module_file(name)
        if path is None or name not in (tables := self._load(path)):
            raise AlgorithmError(f"expected an algorithm file with a table {name!r}, found none")
        return tables[name]

    def _open(self, map_name: str, cc_name: str) -> Map:
        return self._open_table(map_name, self._find_table(map_name), cc_name)

    def _open_table(self, map_name: str, ops: TcpCongestionOps, cc_name: str) -> Map:
        obj = Object.open({map_name: ops}, names={map_name: cc_name}, strip_get_info=True)
        obj.load(self.kernel)
        return obj.maps[map_name]

    def update_link(self, link: str, map_name: str) -> None:
        """Put another map behind a link, as ``bpf_link__update_map`` does; KernelError if the
        kernel refuses."""
        self._links[link].update_map(self._open(map_name, link))

    def link_map(self, link: str) -> str:
        """Return the name of the map that is behind a link."""
        current = self._links[link].map
        return "" if current is None else current.name

    def with_params(self, name: str, params: Mapping[str, Any]) -> str:
        """Register ``name`` with module parameters of its own; return the name it is registered
        under.

        Raises AlgorithmError for a parameter that the algorithm does not have.
        """
        ops = self._request_module(name)
        found = ops if ops is not None else self._find_table(name)
        known = [f.name for f in fields(found.params)] if found.params is not None else []
        for key in params:
            if key not in known:
                raise AlgorithmError(
                    f"{name}: parameter: expected one of {', '.join(known) or 'none'}, got {key!r}"
                )
        number = sum(
            registered.startswith(f"{name[:12]}.") for registered in self.kernel.available()
        )
        variant = f"{name[:12]}.{number + 1}"
        changed = replace(found, params=replace(found.params, **params))
        self._open_table(name, changed, variant).attach_struct_ops()
        return variant
