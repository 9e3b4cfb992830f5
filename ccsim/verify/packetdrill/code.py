"""Snippets of Python over TCP_INFO, evaluated by walking their syntax tree: names, numbers, text,
comparisons, arithmetic; no attributes, no indexing, no calls but a handful. Nothing is executed.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Any

from ccsim.verify.packetdrill.errors import CannotExpress, Differs, PktError, Place
from ccsim.verify.packetdrill.script import Code

__all__ = ["check_code", "run_code"]

LARGEST = 1 << 80
LONGEST = 10_000  # characters of a text, and of a snippet
UNUSED = "print"  # what it is given is evaluated, nothing is printed

STATES = {"Open": 0, "Disorder": 1, "CWR": 2, "Recovery": 3, "Loss": 4}
SOCKET_STATES = (
    *("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE"),
    *("CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"),
)
OPTION_BITS = {"TIMESTAMPS": 1, "SACK": 2, "WSCALE": 4, "ECN": 8, "ECN_SEEN": 16, "SYN_DATA": 32}
CONSTANTS: dict[str, Any] = {
    **{f"TCP_CA_{name}": number for name, number in STATES.items()},
    **{f"TCP_{name}": number for number, name in enumerate(SOCKET_STATES, 1)},
    **{f"TCPI_OPT_{name}": bit for name, bit in OPTION_BITS.items()},
    "True": True, "False": False, "None": None,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "min": min, "max": max, "int": int, "float": float, "bool": bool, "round": round,
    "str": str, "len": len, UNUSED: lambda *_: None,
}  # fmt: skip
BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift,
}  # fmt: skip
COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_,
    ast.Invert: operator.invert,
}  # fmt: skip
KNOWN: tuple[type, ...] = (
    ast.Module, ast.Assert, ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.Pass, ast.Load,
    ast.Store, ast.Name, ast.Constant, ast.BinOp, ast.BoolOp, ast.And, ast.Or, ast.Compare,
    ast.UnaryOp, ast.IfExp, ast.Call, ast.Tuple, ast.List, *BINARY, *COMPARE, *UNARY,
)  # fmt: skip
PRINTED = re.compile(r"^([ \t]*)print[ \t]+(?![(=])(.+)$", re.MULTILINE)
"""The statement of Python 2, of which older scripts are."""


def _tree(code: Code) -> ast.Module:
    text = code.text.strip(" \t")
    if text.rstrip().endswith("\\"):
        text = text.rstrip()[:-1]  # the line that is continued would be packetdrill's own
    if len(text) > LONGEST:
        raise CannotExpress(code.place, f"code of more than {LONGEST} characters")
    text = "\n".join(line.rstrip(" \t") for line in text.split("\n"))
    text = PRINTED.sub(r"\1print(\2)", text)
    try:
        return ast.parse(dedent(text.strip("\n")) if text.startswith("\n") else text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = getattr(error, "msg", None) or error
        raise PktError(code.place, f"expected Python in %{{ }}%, got {said}") from error


def check_code(code: Code, known: set[str]) -> None:
    """Refuse a snippet that is no Python, or uses more of it than is known; ``known`` holds the
    names of TCP_INFO, and takes those that the snippet sets."""
    for node in ast.walk(_tree(code)):
        _check_node(node, code.place)
    for node in ast.walk(_tree(code)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    for node in ast.walk(_tree(code)):
        if (
            isinstance(node, ast.Name)
            and node.id not in known | CONSTANTS.keys() | FUNCTIONS.keys()
        ):
            raise CannotExpress(code.place, f"{node.id} is not modelled")


def _check_node(node: ast.AST, place: Place) -> None:
    if not isinstance(node, KNOWN):
        raise CannotExpress(place, f"Python's {type(node).__name__} is not understood")
    if isinstance(node, ast.Call) and not (
        isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords
    ):
        raise CannotExpress(place, f"the call of {ast.unparse(node.func)} is not understood")
    if isinstance(node, ast.Constant) and not isinstance(
        node.value, int | float | str | None.__class__
    ):
        raise CannotExpress(place, f"the constant {node.value!r:.40} is not understood")


def run_code(code: Code, info: Mapping[str, Any], names: dict[str, Any]) -> None:
    """Run a checked snippet over TCP_INFO and the names that earlier ones have set; Differs for an
    assertion that does not hold."""
    try:
        _Run(code.place, info, names).block(_tree(code).body)
    except RecursionError as error:
        raise CannotExpress(code.place, "code nested so deep is not understood") from error


class _Run:
    """One run of a snippet."""

    def __init__(self, place: Place, info: Mapping[str, Any], names: dict[str, Any]) -> None:
        self.place = place
        self.info = info
        self.names = names

    def block(self, body: list[ast.stmt]) -> None:
        """Run statements one after the other."""
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assert):
            self._assert(node)
        elif isinstance(node, ast.If):
            self.block(node.body if self._value(node.test) else node.orelse)
        elif isinstance(node, ast.Assign):
            value = self._value(node.value)
            for target in node.targets:
                self._store(target, value)
        elif isinstance(node, ast.AugAssign):
            assert isinstance(node.target, ast.Name)
            old = self._name(node.target.id)
            self._store(
                node.target, self._apply(BINARY[type(node.op)], old, self._value(node.value))
            )
        elif isinstance(node, ast.Expr):
            self._value(node.value)

    def _assert(self, node: ast.Assert) -> None:
        if self._value(node.test):
            return
        used = {name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)}
        seen = ", ".join(
            f"{name} = {self._name(name)}" for name in sorted(used) if name not in CONSTANTS
        )
        line = Place(self.place.file, self.place.line + node.lineno - 1, self.place.column)
        raise Differs(line, f"expected {ast.unparse(node.test)}, got {seen or 'no such thing'}")

    def _store(self, target: ast.expr, value: Any) -> None:
        if not isinstance(target, ast.Name):
            raise CannotExpress(self.place, "assignments to anything but names are not understood")
        self.names[target.id] = value

    def _name(self, name: str) -> Any:
        for table in (self.names, self.info, CONSTANTS):
            if name in table:
                return table[name]
        if name in FUNCTIONS:
            return FUNCTIONS[name]
        raise CannotExpress(self.place, f"{name} is not set")

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.BoolOp):
            return self._bool(node)
        if isinstance(node, ast.IfExp):
            return self._value(node.body if self._value(node.test) else node.orelse)
        if isinstance(node, ast.Tuple | ast.List):
            return tuple(self._value(item) for item in node.elts)
        return self._applied(node)

    def _applied(self, node: ast.expr) -> Any:
        """Return the value of an operation or a call."""
        if isinstance(node, ast.BinOp):
            return self._apply(
                BINARY[type(node.op)], self._value(node.left), self._value(node.right)
            )
        if isinstance(node, ast.UnaryOp):
            return self._apply(UNARY[type(node.op)], self._value(node.operand))
        assert isinstance(node, ast.Call)
        return self._apply(self._value(node.func), *map(self._value, node.args))

    def _compare(self, node: ast.Compare) -> bool:
        left = self._value(node.left)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self._value(comparator)
            if not self._apply(COMPARE[type(op)], left, right):
                return False
            left = right
        return True

    def _bool(self, node: ast.BoolOp) -> Any:
        value: Any = None
        for item in node.values:
            value = self._value(item)
            if bool(value) != isinstance(node.op, ast.And):
                return value
        return value

    def _apply(self, function: Callable[..., Any], *values: Any) -> Any:
        """Apply an operator to values of a size that cannot do harm."""
        for value in values:
            if isinstance(value, int | float) and abs(value) > LARGEST:
                raise CannotExpress(self.place, "numbers of more than 80 bits are not understood")
        text = any(isinstance(value, str | tuple) for value in values)
        if text and function in (operator.mul, operator.mod) and not _is_small(values):
            raise CannotExpress(self.place, "text of that length is not understood")
        if function is operator.lshift and not 0 <= values[1] <= LARGEST.bit_length():
            raise CannotExpress(self.place, "a shift of that width is not understood")
        try:
            value = function(*values)
            if isinstance(value, str | tuple) and len(value) > LONGEST:
                raise CannotExpress(self.place, "text of that length is not understood")
            return value
        except (ArithmeticError, TypeError, ValueError) as error:
            raise Differs(
                self.place, f"expected code that can be evaluated, got {error}"
            ) from error


def _is_small(values: tuple[Any, ...]) -> bool:
    """Report whether text times a number, or text with a width in it, stays short."""
    first = values[0]
    if isinstance(first, str) and "%" in first:
        return "*" not in first and not any(
            part.lstrip("%")[:6].strip("0-+ #").isdigit() for part in first.split("%")[1:]
        )
    return (
        all(not isinstance(v, int) or abs(v) < 1000 for v in values) and len(str(values)) < LONGEST
    )
