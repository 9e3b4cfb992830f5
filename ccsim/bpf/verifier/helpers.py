"""Helpers that a congestion control may call: their arguments and results
(``bpf_tcp_ca_get_func_proto``, ``bpf_base_func_proto``)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["HELPERS", "LINUX_ONLY", "NOT_IN_RELEASE", "Helper"]


class Helper(NamedTuple):
    """A helper's prototype. Arguments: ``any`` number or pointer; ``map``; ``key``, ``value`` of
    that map; ``mem`` that is read, ``out`` that is written, both of the ``size`` (``size0`` may be
    0) that follows; ``sock``; ``func`` to call back; ``stack`` pointer or null; ``lock``,
    ``timer`` in a map's value; ``ring`` memory that was reserved; ``bytes`` to reserve; ``long``
    that is written; ``str`` that is constant. A ``?`` allows null.

    Results: ``number``, ``value`` or null, ``ring`` memory or null, nothing.
    """

    result: str
    arguments: tuple[str, ...] = ()


def _of(text: str) -> Helper:
    result, *arguments = text.split()
    return Helper(result, tuple(arguments))


HELPERS: dict[int, Helper] = {
    number: _of(text)
    for number, text in {
        1: "value map key",
        2: "number map key value any",
        3: "number map key",
        5: "number",
        6: "number mem size",
        7: "number",
        8: "number",
        42: "number",
        49: "number sock any any mem size",
        57: "number sock any any out size",
        93: "nothing lock",
        94: "nothing lock",
        105: "number mem size any long",
        106: "number mem size any long",
        107: "value map sock value? any",
        108: "number map sock",
        113: "number out size0 any",
        115: "number out size0 any",
        116: "number sock any",
        118: "number",
        125: "number",
        130: "number map mem size0 any",
        131: "ring map bytes any",
        132: "nothing ring any",
        133: "nothing ring any",
        134: "number map any",
        160: "number",
        164: "number map func stack any",
        169: "number timer map any",
        170: "number timer func",
        171: "number timer any any",
        172: "number timer",
        165: "number out? size0 str mem? size0",
        177: "number mem size mem? size0",
        181: "number any func stack any",
        182: "number mem size str",
        195: "value map key any",
        208: "number",
    }.items()
}
"""By number; what ccsim has."""

NOT_IN_RELEASE = frozenset({49, 57})
"""Socket options: what is going away must not allocate anew."""

LINUX_ONLY = frozenset(
    {12, 35, 87, 88, 89, 112, 114, 149, 153, 154, 158, 175, 194}
    | {197, 198, 199, 200, 201, 202, 203, 209}
)
"""What Linux lets a congestion control call and ccsim does not have."""

LOOP, FOR_EACH, TIMER_INIT, TIMER_SET_CALLBACK = 181, 164, 169, 170
SK_STORAGE_GET, SK_STORAGE_DELETE = 107, 108
"""Helpers that the checks of calls know by number."""
