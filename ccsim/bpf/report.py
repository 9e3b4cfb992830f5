"""What ``ccsim check`` tells of an object: what was proven, what is guarded, what it uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsim.bpf.errors import ATTACH, BpfObjectError
from ccsim.bpf.kernel_btf import Target, leaves
from ccsim.bpf.mapspec import MAP_TYPES, MapSpec
from ccsim.bpf.object import LoadedObject, Program, open_object
from ccsim.bpf.tables import Table
from ccsim.kernel.errors import EINVAL, KernelError, errno_name
from ccsim.kernel.verifier import check_obj_name

__all__ = ["ObjectReport", "check_object"]

_SAMPLES = ("ack_sample", "rate_sample")
_REQUIRED = ("ssthresh", "undo_cwnd")


@dataclass(frozen=True)
class ObjectReport:
    """An object that can be used, or why it cannot. ``refusals``: one for the object, or one for
    each table that would be refused when it is attached.
    """

    file: str
    loaded: LoadedObject | None
    refusals: tuple[BpfObjectError, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was refused."""
        return not self.refusals

    @property
    def readable(self) -> bool:
        """Whether the file is an object at all."""
        return all(refusal.stage != "open" for refusal in self.refusals)

    def to_json(self) -> dict[str, Any]:
        """Return the report as one JSON document."""
        document: dict[str, Any] = {"file": self.file, "kind": "object", "ok": self.ok}
        document["refusals"] = [
            {"stage": r.stage, "errno": errno_name(r.number), "message": r.message}
            for r in self.refusals
        ]
        if self.loaded is not None:
            document |= _summary(self.loaded)
        return document

    def text(self) -> str:
        """Return the report for people."""
        lines = [f"{self.file}: {refusal}" for refusal in self.refusals]
        for refusal in self.refusals:
            lines += [f"  {note}" for note in refusal.log]
        if self.loaded is not None:
            if self.ok:
                version = ".".join(map(str, self.loaded.target.version))
                lines.append(f"{self.file}: ok as Linux {version} would take it")
            lines += _text(self.loaded)
        return "\n".join(lines)


def check_object(file: str, target: Target | None = None) -> ObjectReport:
    """Open, load and verify an object, and hold its tables against what attaching asks.

    Raises OSError for a file that cannot be read.
    """
    try:
        loaded = open_object(Path(file)).load(target)
    except BpfObjectError as error:
        return ObjectReport(file, None, (error,))
    refusals = (_attach_refusal(table) for table in loaded.tables.values())
    return ObjectReport(file, loaded, tuple(r for r in refusals if r is not None))


def _attach_refusal(table: Table) -> BpfObjectError | None:
    """Return why a table cannot be attached, whatever else is registered; None if it can."""
    try:
        table.check_value()
        if not table.cc_name:
            raise KernelError(EINVAL, f"{table.name}: the congestion control has no name")
        check_obj_name(table.cc_name, table.name)
    except KernelError as error:
        return BpfObjectError(ATTACH, error.number, error.message)
    missing = [member for member in _REQUIRED if member not in table.programs]
    if not {"cong_avoid", "cong_control"} & set(table.programs):
        missing.append("cong_avoid or cong_control")
    if not missing:
        return None
    return BpfObjectError(
        ATTACH, EINVAL, f"{table.name}: {', '.join(missing)}: required, not there"
    )


def _summary(loaded: LoadedObject) -> dict[str, Any]:
    verified = [p for p in loaded.programs.values() if p.member is not None]
    read, written = _fields(verified, write=False), _fields(verified, write=True)
    return {
        "license": loaded.license,
        "kernel": ".".join(map(str, loaded.target.version)),
        "tables": {
            name: {"name": t.cc_name, "link": t.link, "flags": t.flags, "programs": t.programs}
            for name, t in loaded.tables.items()
        },
        "programs": {p.name: _program(p) for p in loaded.programs.values()},
        "maps": [_map(loaded, spec) for spec in loaded.maps],
        "helpers": sorted({h for p in verified for h in p.verdict.helpers}),
        "kernel_functions": sorted({k for p in verified for k in p.verdict.kfuncs}),
        "fields_read": read,
        "fields_written": written,
    }


def _program(program: Program) -> dict[str, Any]:
    if program.member is None:
        return {"member": None, "instructions": len(program.instructions)}
    verdict = program.verdict
    accesses = len(verdict.accesses)
    guarded = accesses if verdict.guarded else 0
    return {
        "member": program.member,
        "instructions": len(program.instructions),
        "followed": verdict.processed,
        "proven": accesses - guarded,
        "guarded": guarded,
    }


def _map(loaded: LoadedObject, spec: MapSpec) -> dict[str, Any]:
    found: dict[str, Any] = {"name": spec.name, "type": MAP_TYPES[spec.type]}
    found |= {"key_size": spec.key_size, "value_size": spec.value_size}
    found["max_entries"] = spec.max_entries
    if spec.data is not None:
        found["variables"] = loaded.variables(spec.name, spec.data)
    return found


def _fields(programs: Iterable[Program], *, write: bool) -> list[str]:
    """Return the fields that programs read or write, by Linux's names."""
    found = set()
    for program in programs:
        for access in program.verdict.accesses.values():
            if access.write != write or access.offset is None:
                continue
            if access.region in ("sock", "private"):
                found.update(_names("tcp_sock", access.offset, access.size))
            elif access.region in _SAMPLES:
                names = _names(access.region, access.offset, access.size)
                found.update(f"{access.region}.{name}" for name in names)
    return sorted(found)


def _names(struct: str, offset: int, size: int) -> list[str]:
    start, end = 8 * offset, 8 * (offset + size)
    paths = [
        leaf.path
        for leaf in leaves(struct)
        if leaf.bit_offset < end and start < leaf.bit_offset + leaf.bit_size
    ]
    return [_short(path) for path in paths]


def _short(path: str) -> str:
    """Return a path without the structs that a tcp_sock begins with."""
    for base in ("inet_conn.", "icsk_inet.", "sk.", "__sk_common."):
        path = path.removeprefix(base)
    return path


def _text(loaded: LoadedObject) -> list[str]:
    summary = _summary(loaded)
    lines = [f"  license {summary['license']}"]
    for name, table in summary["tables"].items():
        kind = "link" if table["link"] else "element"
        members = " ".join(table["programs"])
        flags = f", flags {table['flags']:#x}" if table["flags"] else ""
        head = f"  table {name}: {table['name']!r}, registered by its {kind}{flags}"
        lines.append(f"{head}: {members}")
    for name, row in summary["programs"].items():
        if row["member"] is None:
            lines.append(f"  program {name}: of another type, loaded and never run here")
            continue
        lines.append(
            f"  program {name}: {row['member']}, {row['instructions']} instructions, "
            f"{row['followed']} followed; accesses: {row['proven']} proven, "
            f"{row['guarded']} guarded at run time"
        )
    lines += [_map_text(row) for row in summary["maps"]]
    for title, key in (
        ("helpers", "helpers"),
        ("kernel functions", "kernel_functions"),
        ("reads", "fields_read"),
        ("writes", "fields_written"),
    ):
        lines.append(f"  {title}: {', '.join(summary[key]) or 'none'}")
    return lines


def _map_text(row: dict[str, Any]) -> str:
    if "variables" in row:
        shown = ", ".join(f"{k}={_brief(v)}" for k, v in row["variables"].items())
        return f"  variables {row['name']}: {row['value_size']} bytes: {shown or 'unnamed'}"
    return (
        f"  map {row['name']}: {row['type']}, {row['max_entries']} entries, keys of "
        f"{row['key_size']} bytes, values of {row['value_size']}"
    )


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 24 else "..."
