"""Tables of what ccsim has of Linux's BPF for congestion control, as Markdown for the docs."""

from __future__ import annotations

from collections.abc import Iterable

from ccsim.bpf import btf as kinds
from ccsim.bpf.core import KIND_NAMES
from ccsim.bpf.kernel_btf import Target, kernel_btf, leaves
from ccsim.bpf.kernel_types import FUNCTIONS
from ccsim.bpf.mapspec import MAP_TYPES
from ccsim.bpf.verifier.access import WRITABLE
from ccsim.bpf.verifier.helper_names import HELPER_NAMES
from ccsim.bpf.verifier.helpers import HELPERS, LINUX_ONLY, NOT_IN_RELEASE

__all__ = ["TABLES"]


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def members_table() -> str:
    """Return the operations that a table may name."""
    btf = kernel_btf()
    ops = btf[btf.find("tcp_congestion_ops", kinds.STRUCT)]
    rows = []
    for member in ops.members:
        pointer = btf[member.type]
        if pointer.kind != kinds.PTR or btf[pointer.type].kind != kinds.FUNC_PROTO:
            continue
        prototype = btf[pointer.type]
        arguments = ", ".join(name for name, _ in prototype.params)
        note = "returns a number" if prototype.type else ""
        if member.name == "get_info":
            note = "ENOTSUPP at load: modules alone"
        elif member.name == "cong_control":
            note = "before Linux 6.10: `sk, rs`"
        rows.append((f"`{member.name}`", arguments, note))
    return _table(("member", "arguments", ""), rows)


def fields_table() -> str:
    """Return the fields that a program may read."""
    rows = []
    for struct in ("tcp_sock", "ack_sample", "rate_sample"):
        paths = [_short(leaf.path) for leaf in leaves(struct)]
        rows.append((f"`{struct}`", _names(dict.fromkeys(paths))))
    rows.append(("of them writable", _names(WRITABLE)))
    return _table(("struct", "fields"), rows)


def _short(path: str) -> str:
    for base in ("inet_conn.", "icsk_inet.", "sk.", "__sk_common."):
        path = path.removeprefix(base)
    return path.split("[")[0]


def calls_table() -> str:
    """Return the helpers and functions that a program may call."""
    functions = [line.split("(")[0].split()[-1].lstrip("*") for line in FUNCTIONS.split("\n")[1:-1]]
    return _table(
        ("what", "which"),
        [
            ("helpers", _names(HELPER_NAMES[n] for n in sorted(HELPERS))),
            ("of them not in `release`", _names(HELPER_NAMES[n] for n in sorted(NOT_IN_RELEASE))),
            (
                "in Linux and not here (EOPNOTSUPP at load)",
                _names(HELPER_NAMES[n] for n in sorted(LINUX_ONLY)),
            ),
            ("kernel functions", _names(functions)),
        ],
    )


def objects_table() -> str:
    """Return what an object may hold."""
    return _table(
        ("what", "which"),
        [
            ("maps", _names(MAP_TYPES.values()) + "; per-CPU forms have one CPU"),
            ("maps that are not there", "all others, and maps in maps (EOPNOTSUPP)"),
            ("variables", "`.data`, `.bss`, `.rodata` and sections that begin so, `.kconfig`"),
            ("configuration", _names(Target().kconfig())),
            ("CO-RE relocations", _names(KIND_NAMES)),
            ("tables", '`SEC(".struct_ops.link")`, `SEC(".struct_ops")`, optional ones with `?`'),
            ("programs of other types", "loaded, never run"),
        ],
    )


TABLES = {
    "members": members_table,
    "fields": fields_table,
    "calls": calls_table,
    "objects": objects_table,
}
"""By the name that stands above each in docs/bpf_objects.md."""
