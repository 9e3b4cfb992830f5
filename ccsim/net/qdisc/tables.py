"""Tables of the queueing disciplines and their parameters, in Markdown, for the documentation."""

from __future__ import annotations

from ccsim.net.qdisc.kinds import KINDS
from ccsim.net.qdisc.parameters import Parameter

__all__ = ["kinds_table", "parameter_table"]


def kinds_table() -> str:
    """Return what there is: name, what it is, what order it keeps, when a packet's fate falls."""
    rows = [
        f"| `{name}` | {qdisc.summary} | {qdisc.keeps} | {qdisc.decides} |"
        for name, qdisc in KINDS.items()
    ]
    return "\n".join(["| name | what it is | keeps | decides at |", "|---|---|---|---|", *rows])


def parameter_table(kind: str) -> str:
    """Return the parameters of one: tc's names, units, defaults, bounds, meaning."""
    rows = [_row(p) for p in KINDS[kind].PARAMETERS if not p.internal]
    head = "| parameter | unit | default | least | most | meaning |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def _row(parameter: Parameter) -> str:
    default = "–"
    if parameter.names:
        default = parameter.names[parameter.default] if isinstance(parameter.default, int) else "–"
    elif isinstance(parameter.default, tuple):
        default = ", ".join(map(str, parameter.default))
    elif parameter.default is not None:
        default = _amount(parameter.default)
    plain = not (parameter.names or parameter.reader or parameter.unit == "flag")
    least = _amount(parameter.minimum) if plain else ""
    most = _amount(parameter.maximum) if plain else ""
    cells = (f"`{parameter.name}`", parameter.unit, default, least, most, parameter.text)
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def _amount(value: int) -> str:
    """Return a number, or the power of two that bounds it."""
    for bits in (31, 32, 40, 62, 64):
        if value in ((1 << bits), (1 << bits) - 1):
            return f"2^{bits}" + ("-1" if value & 1 else "")
    return str(value)
