"""What Cython is given in place of a module's source: dataclasses written out, as a class with
integers of C cannot be decorated, and fields that a sender makes a property of, which are read by
a method, so that no object is made of them.

A class ``@dataclass(slots=True)`` that the ``.pxd`` file beside its module declares as a ``cdef
class`` becomes one whose methods call `ccsim.compiled.records`. Every line keeps its number.
"""

from __future__ import annotations

import ast
import re

__all__ = ["write_out"]

_TYPED = re.compile(r"^cdef class (\w+).*?:\n((?:    .*\n|\n)+)", re.MULTILINE)
_PUBLIC = re.compile(r"cdef public (?:unsigned )?(?:long long|\w+) (.*)")
_FOLLOWS = re.compile(r"\bsk\.(tcp_jiffies32|packets_out)\b(?!\s*=[^=])")
_READ = {"tcp_jiffies32": "sk._ticks()", "packets_out": "sk._out()"}
_IMPORT = "from ccsim.compiled import records as _records"
Field = tuple[str, str, str]  # name, type, default
_METHODS = (
    "    def __init__(self, *values, **named): _records.initialise(self, values, named)",
    "    def __repr__(self): return _records.shown(self)",
    "    def __eq__(self, other): return _records.equal(self, other)",
    "    def __reduce__(self): return _records.reduced(self)",
)


def write_out(source: str, types: str) -> str:
    """Return a module's source with its dataclasses written out that ``types``, the ``.pxd``
    file, declares, and what `ccsim.tcp.linux_sock` makes properties of read by methods.

    ValueError if such a class holds anything but a docstring and fields with defaults, or other
    fields than its type file.
    """
    typed = dict(_TYPED.findall(types))
    lines = source.split("\n")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name in typed and _is_written_out(node):
            attributes = ", ".join(_PUBLIC.findall(typed[node.name])).split(", ")
            _write_class_out(lines, node, set(attributes) - {""})
    return _FOLLOWS.sub(lambda found: _READ[found[1]], "\n".join(lines))


def _is_written_out(node: ast.ClassDef) -> bool:
    """Tell a class to write out from one that Cython can decorate, a frozen one, or has not to."""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    if not decorators or decorators[0].startswith("dataclass(frozen=True"):
        return False
    if decorators != ["dataclass(slots=True)"]:
        raise ValueError(f"class {node.name}: expected @dataclass(slots=True)")
    return True


def _write_class_out(lines: list[str], node: ast.ClassDef, attributes: set[str]) -> None:
    own = [_checked(node.name, one) for one in node.body[1:]]  # behind the docstring
    base = ast.unparse(node.bases[0]) if node.bases else "None"
    fields = ", ".join([base, *map(_field, own)])
    slots = tuple(name for name, _, _ in own)
    written = [
        f"    __dataclass_fields__ = _records.fields_of({fields}); __slots__ = {slots!r}",
        "    __dataclass_params__ = _records.PARAMS",
        *_METHODS,
    ]
    first, end = node.body[1].lineno - 1, node.end_lineno or 0
    if end - first < len(written):
        raise ValueError(f"class {node.name}: expected {len(written)} lines of fields or more")
    if set(slots) != attributes:
        here, there = sorted(set(slots) - attributes), sorted(attributes - set(slots))
        raise ValueError(
            f"class {node.name}: {', '.join(there) or 'nothing more'} in the .pxd file, "
            f"{', '.join(here) or 'nothing more'} in the .py file"
        )
    lines[node.decorator_list[0].lineno - 1] = _IMPORT
    lines[first:end] = written + [""] * (end - first - len(written))


def _checked(name: str, node: ast.stmt) -> Field:
    if not (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.value is not None
    ):
        raise ValueError(f"class {name}: expected a field with a default in line {node.lineno}")
    return node.target.id, ast.unparse(node.annotation), ast.unparse(node.value)


def _field(field: Field) -> str:
    """Return a field as an argument of `ccsim.compiled.records.fields_of`."""
    name, kind, default = field
    return f"({name!r}, {kind!r}, {default})"
