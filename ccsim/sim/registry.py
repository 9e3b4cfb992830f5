"""The emulated kernel of a run: modules on demand, objects, links, namespaces and listeners as the
scenario has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.bpf.elf_file import is_object
from ccsim.bpf.handshake import tell_before_accept
from ccsim.catalog import algorithm_files, algorithms_dir, labelled
from ccsim.errors import AlgorithmError
from ccsim.kernel import (
    TCP_CONGESTION,
    BpfLink,
    Implementation,
    Kernel,
    KernelError,
    Map,
    NetNamespace,
    Object,
    Sock,
    TcpCongestionOps,
)
from ccsim.kernel.errors import ENOENT
from ccsim.kernel.loader import load_file
from ccsim.kernel.objects import TcpOwner
from ccsim.kernel.policy import StatePolicy
from ccsim.kernel.tcp_cong import missing_operations
from ccsim.sim.swap.policies import POLICIES
from ccsim.spec import Flow, Listener, Namespace, Scenario, Swap, Sysctl
from ccsim.spec.limits import Parameter

if TYPE_CHECKING:
    from ccsim.bpf.live import LiveObject

__all__ = ["Registry", "Target"]

Params = Mapping[str, Parameter]
Target = tuple[str, Params]
"""A map and the parameters that it is opened with; empty: its table's own."""

"""Mechanisms whose ``to`` is a registered name, not a map."""


class Registry:
    """Loads algorithm files, which runs their code, and registers what the scenario names.

    A shipped algorithm is a module: it is loaded when a socket first asks for its name. The tables
    of the scenario's ``objects`` are struct_ops maps, each attached under its own name; those that
    ``links`` or a link update name, or whose name is a link's, are there for links alone.
    Of several tables that one compiled object has under one name, the first is attached.
    ``files`` are all that were loaded, ``objects`` the compiled BPF ones among them; ``links``, the
    ``maps`` that were attached by themselves and ``listeners`` are there by name.
    """

    def __init__(
        self,
        scenario: Scenario,
        guard: Callable[[TcpCongestionOps], TcpCongestionOps] | None = None,
    ) -> None:
        self.files: set[str] = set()
        self._tables: dict[str, dict[str, TcpCongestionOps]] = {}
        self._policies: dict[str, type[StatePolicy]] = dict(POLICIES)
        self._user_files = [Path(path) for path in scenario.objects]
        self._sha256 = dict(zip(self._user_files, scenario.objects_sha256, strict=False))
        spec = scenario.kernel
        self.objects: dict[str, LiveObject] = {}
        self._incomplete: set[str] = set()  # maps of theirs that Linux would not register
        self._compiled = {path for path in self._user_files if is_object(path)}
        self._settings = scenario.objects_set
        self._target = (spec.profile, spec.hz)
        reno = self._request_module("reno")
        self.kernel = Kernel(
            profile=spec.profile,
            builtins=() if reno is None else (reno,),
            default="reno",
            request_module=self._request_module,
            guard=guard,
        )
        self._profile = spec.profile
        self._peers: Kernel | None = None  # of all receiving hosts
        self.links: dict[str, BpfLink] = {}
        self.maps: dict[str, Map] = {}
        self._variants: dict[str, str] = {}
        self._labels: dict[int, str] = {}
        self._parametrised: list[Any] = []  # keeps the objects that `_labels` tells by their ids
        self._behind: dict[str, Target] = {}
        self.listeners: dict[str, Sock] = {}
        self._attach(scenario)
        self.kernel.set_default(spec.default)
        for netns in scenario.namespaces:
            self._add_namespace(netns)
        for socket in _sockets(scenario):
            self._add_variant(socket.congestion, socket.congestion_params)
        asked = [swap for swap in scenario.swaps if not swap.link]
        changes: tuple[Swap | Sysctl, ...] = (*asked, *scenario.sysctls)
        for change in changes:
            self._add_variant(change.to, change.to_params)
        self._write_sysctls(scenario.sysctls)
        self._check_names(scenario)
        for listener in scenario.listeners:
            sk = self.listeners[listener.name] = Sock()
            self.open_socket(sk, listener)
            self.kernel.listen(sk)

    @property
    def has_python_objects(self) -> bool:
        """Whether any of the scenario's objects is a file of Python, whose hooks may write what
        no field of the socket can hold."""
        return any(path not in self._compiled for path in self._user_files)

    # --- algorithm files ---

    def _load(self, path: Path) -> dict[str, TcpCongestionOps]:
        key = str(path)
        if key not in self._tables:
            self.files.add(key)
            if path in self._compiled:
                self._tables[key] = self._load_object(path)
                return self._tables[key]
            tables, policies = load_file(path, self._sha256.get(path, ""))
            if not tables and not policies:
                raise AlgorithmError(
                    "expected a table of operations or a state policy, got none", key
                )
            self._policies |= policies
            self._tables[key] = {
                name: ops for name, ops in tables.items() if not name.startswith("_")
            }
        return self._tables[key]

    def _load_object(self, path: Path) -> dict[str, TcpCongestionOps]:
        """Load a compiled BPF object for this kernel; its variables are set before that."""
        from ccsim.bpf.live import load_object, target_of

        settings = self._settings.get(str(path), {})
        found = load_object(path, settings, target_of(*self._target))
        self.objects[found.name] = found
        self._incomplete |= {
            name
            for name, table in found.loaded.tables.items()
            if missing_operations(table.programs)
        }
        return found.tables

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

    def _check_names(self, scenario: Scenario) -> None:
        """Check that there is what sockets are to choose; only where object files make names that
        nobody could know before they ran. AlgorithmError: a flow would run the default instead."""
        if not self._user_files:
            return
        wanted = [one.congestion for one in _sockets(scenario) if one.congestion]
        known = self.kernel.tcp_cong.names()
        for name in dict.fromkeys(wanted):
            if name not in known and self._module_file(name) is None:
                names = ", ".join(known)
                files = ", ".join(str(path) for path in self._user_files)
                raise AlgorithmError(f"expected {name!r} in the object files, got {names}", files)

    def _find_table(self, name: str) -> TcpCongestionOps:
        """Return the table whose map is called ``name``: the user's files first, then the shipped
        ones."""
        for path in self._user_files:
            if name in (tables := self._load(path)):
                return tables[name]
        module = self._module_file(name)
        if module is None or name not in (tables := self._load(module)):
            raise AlgorithmError(f"expected an algorithm file with a table {name!r}, found none")
        return tables[name]

    # --- maps and links ---

    def _attach(self, scenario: Scenario) -> None:
        """Create the scenario's links, and attach the other maps of its objects by themselves."""
        names = {link.name for link in scenario.links}
        linked = {link.map for link in scenario.links}
        linked |= {swap.to for swap in scenario.swaps if swap.link}
        for link in scenario.links:
            self.register(link.name, (link.map, link.params))
        for name, ops in self._user_tables():
            taken = any(ops.name == map.ops.name for map in self.maps.values())
            if (taken and self._compiled) or (name in self._incomplete and name not in linked):
                continue
            if name not in linked and ops.name not in names:
                self.maps[name] = self._open_table(name, ops, ops.name)
                self.maps[name].attach_struct_ops()

    def _user_tables(self) -> Iterator[tuple[str, TcpCongestionOps]]:
        """Yield the maps of the scenario's objects: variable and table."""
        for path in self._user_files:
            yield from self._load(path).items()

    def _open(self, target: Target, cc_name: str) -> Map:
        """Open a map with a table's own parameters, or with those that are asked for."""
        map_name, params = target
        table = self._find_table(map_name)
        if params:
            table = self._with_parameters(map_name, table, params)
        return self._open_table(map_name, table, cc_name)

    def _open_table(self, map_name: str, ops: TcpCongestionOps, cc_name: str) -> Map:
        obj = Object.open({map_name: ops}, names={map_name: cc_name}, strip_get_info=True)
        obj.load(self.kernel)
        return obj.maps[map_name]

    def update_link(self, link: str, target: Target) -> None:
        """Put another map behind a link, as ``bpf_link__update_map`` does; KernelError if the
        kernel refuses."""
        if link not in self.links:
            raise KernelError(ENOENT, f"no link is registered as {link!r} now")
        self.links[link].update_map(self._open(target, link))
        self._behind[link] = target

    def behind(self, link: str) -> Target:
        """Return the map that is behind a link, and its parameters; no name while it is
        unregistered."""
        return self._behind.get(link, ("", {}))

    def unregister(self, link: str) -> None:
        """Let a link's name go: the process that holds the link ends, or deletes the element."""
        gone = self.links.pop(link, None)
        if gone is None:
            return
        del self._behind[link]
        if gone.real:
            self.kernel.close_fd(gone.fd)
        else:
            gone.destroy()

    def register(self, link: str, target: Target) -> None:
        """Register a map under a link's name; KernelError EEXIST if it is taken."""
        self.links[link] = self._open(target, link).attach_struct_ops()
        self._behind[link] = target

    def new_policy(self, name: str) -> StatePolicy:
        """Return a state policy for one swap of one connection: shipped, or from a user's file."""
        return self._policies[name]()

    # --- namespaces and sockets ---

    def _add_namespace(self, spec: Namespace) -> None:
        """Add a network namespace and write its default."""
        netns = self.kernel.netns_add(spec.name)
        try:
            self.kernel.set_default(spec.default, netns)
        except KernelError as error:
            place = f"namespaces: {spec.name}"
            raise KernelError(error.number, f"{place}: {error.message}") from error

    def _write_sysctls(self, sysctls: Sequence[Sysctl]) -> None:
        """Write defaults of namespaces; the kernel may refuse, as it may in a swap."""
        for sysctl in sysctls:
            with suppress(KernelError):
                name = self.registered(sysctl.to, sysctl.to_params)
                self.kernel.set_default(name, self.netns(sysctl.netns))

    def netns(self, name: str) -> NetNamespace:
        """Return a network namespace of the scenario."""
        return self.kernel.namespaces[name]

    def open_socket(self, sk: Sock, spec: Flow | Listener) -> None:
        """Open the socket of a flow or listener in its namespace; let it choose what ``spec`` says
        it chooses."""
        self.kernel.socket(sk, self.netns(spec.netns))
        self._choose(sk, spec)

    def accept(self, sk: Sock, spec: Flow) -> None:
        """Let the listener of a flow accept it: it inherits, and its ``init`` runs.

        What twin B runs from the start instead is chosen before that.
        """
        if spec.congestion:
            self.open_socket(sk, spec)
            self.kernel.came_in(sk, tell_before_accept)
        else:
            self.kernel.accept(self.listeners[spec.listener], sk, tell_before_accept)

    def first_ops(self, sk: Sock, spec: Flow) -> TcpCongestionOps:
        """Return the table of operations with which a flow begins, before its ``init``."""
        if sk.kernel_data is not None:
            return sk.ca_ops
        if spec.congestion:
            return self._find_registered(spec.congestion)[1]
        return self.inherited(spec).ops

    def open_peer(self, sk: Sock, ops: TcpCongestionOps) -> None:
        """Open and establish the receiving end of a connection, in its host, which has a kernel of
        its own, with the table that its sender began with."""
        if self._peers is None:
            self._peers = Kernel(self._profile)
        found = self._peers.tcp_cong.find(ops.name)
        if found is None:
            self._peers.tcp_cong.register(Implementation(ops, TcpOwner()))
        elif found.ops is not ops:
            self._peers.tcp_cong.update(Implementation(ops, TcpOwner()), found)
        self._peers.socket(sk)
        self._peers.setsockopt(sk, TCP_CONGESTION, ops.name)
        self._peers.came_in(sk, tell_before_accept)

    def close_peer(self, sk: Sock) -> None:
        """Close a receiving end: its implementation is released there."""
        if self._peers is not None:
            self._peers.close(sk)

    def inherited(self, spec: Flow) -> Implementation:
        """Return what the listener of a flow would give it now."""
        return self.kernel.would_accept(self.listeners[spec.listener])

    def _choose(self, sk: Sock, spec: Flow | Listener) -> None:
        name = self.registered(spec.congestion, spec.congestion_params)
        if name:
            self.kernel.setsockopt(sk, TCP_CONGESTION, name)

    # --- parameters ---

    def registered(self, name: str, params: Params) -> str:
        """Return the name under which an algorithm is registered with parameters of its own."""
        return self._variants[labelled(name, params)] if params else name

    def shown(self, name: str) -> str:
        """Return what lists call what is registered under a name: `registered`, undone."""
        return next((label for label, own in self._variants.items() if own == name), name)

    def label(self, found: Implementation) -> str:
        """Return what lists call an implementation: its map, and the parameters it was given.

        These are one object from the table to the kernel's copies of it, which tells them.
        """
        return self._labels.get(id(found.ops.params), found.map_name)

    def _add_variant(self, name: str, params: Params) -> None:
        """Register an algorithm with the module parameters that a socket wants, once for each set.

        Raises AlgorithmError for parameters that the algorithm does not have or refuses.
        """
        label = labelled(name, params)
        if not params or label in self._variants:
            return
        map_name, found = self._find_registered(name)
        changed = self._with_parameters(map_name, found, params)
        variant = f"{name[:12]}.{len(self._variants) + 1}"
        self._open_table(map_name, changed, variant).attach_struct_ops()
        self._variants[label] = variant

    def _with_parameters(
        self, map_name: str, table: TcpCongestionOps, params: Params
    ) -> TcpCongestionOps:
        """Return a table with other module parameters, which lists tell from its own."""
        known = [f.name for f in fields(table.params)] if table.params is not None else []
        for param in params:
            if param not in known:
                expected = ", ".join(known) or "none"
                raise AlgorithmError(
                    f"{table.name}: parameter: expected one of {expected}, got {param!r}"
                )
        try:
            own = replace(table.params, **params)
        except (TypeError, ValueError) as error:
            raise AlgorithmError(f"{table.name}: parameters: {error}") from error
        self._labels[id(own)] = labelled(map_name, params)
        self._parametrised.append(own)
        return replace(table, params=own)

    def _find_registered(self, name: str) -> tuple[str, TcpCongestionOps]:
        """Return the map and table that sockets find under a name: a user's, else the module's."""
        for map_name, ops in self._user_tables():
            if ops.name == name:
                return map_name, ops
        return name, self._request_module(name) or self._find_table(name)


def _sockets(scenario: Scenario) -> Iterator[Flow | Listener]:
    """Yield what chooses a congestion control: listeners, flows, and what each workload's
    connections are."""
    yield from scenario.listeners
    yield from scenario.flows
    yield from (load.flow for load in scenario.workloads)
