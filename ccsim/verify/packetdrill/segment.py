"""A TCP segment as scripts write it: flags, sequence range, acknowledgement, window, options, ECN
bits."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Option", "Segment", "flags_text", "option_text"]

Option = tuple[str, tuple[int, ...]]
"""Kind and numbers: ``("mss", (1460,))``, ``("TS", (val, ecr))``, ``("sack", (start, end, …))``."""

FLAG_ORDER = "SFRPUEW."


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment. Sequence numbers are the script's: each side's SYN is 0.

    ``flags``: letters of ``SFRPUEW.`` (E: ECE, W: CWR, ``.``: ACK). ``window`` is as in the header,
    None: not given; ``options`` None: not looked at; ``ecn`` noecn, ect0, ect1, ect01, ce or None.
    ``burst``: PSH comes of segmentation offload alone, as it does from Linux 5.4 on.
    """

    flags: frozenset[str]
    seq: int
    length: int
    ack: int = 0
    window: int | None = None
    options: tuple[Option, ...] | None = ()
    ecn: str | None = None
    burst: bool = False

    @property
    def end(self) -> int:
        """One past the last byte of data."""
        return self.seq + self.length

    def option(self, kind: str) -> tuple[int, ...] | None:
        """Return the numbers of an option; None if the segment does not bear it."""
        return next((numbers for name, numbers in self.options or () if name == kind), None)

    def __str__(self) -> str:
        ecn = f"[{self.ecn}] " if self.ecn else ""
        parts = [f"{ecn}{flags_text(self.flags)} {self.seq}:{self.end}({self.length})"]
        if "." in self.flags:
            parts.append(f"ack {self.ack}")
        if self.window is not None:
            parts.append(f"win {self.window}")
        if self.options is None:
            parts.append("<...>")
        elif self.options:
            parts.append(f"<{','.join(map(option_text, self.options))}>")
        return " ".join(parts)


def flags_text(flags: frozenset[str]) -> str:
    """Return flags as scripts write them; ``-``: none."""
    return "".join(flag for flag in FLAG_ORDER if flag in flags) or "-"


def option_text(option: Option) -> str:
    """Return an option as scripts write it."""
    kind, numbers = option
    if kind == "TS":
        return f"TS val {numbers[0]} ecr {numbers[1]}"
    if kind == "sack":
        blocks = zip(numbers[::2], numbers[1::2], strict=True)
        return "sack " + " ".join(f"{start}:{end}" for start, end in blocks)
    if kind in ("FO", "FOEXP"):
        return f"{kind} {bytes(numbers).hex()}".rstrip()
    return " ".join((kind, *map(str, numbers)))
