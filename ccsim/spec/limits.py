"""What numbers and names of a specification may be, as annotations of its fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from ccsim.units import MAX_PACKETS, MAX_RATE_BPS, MAX_SIZE_BYTES, MAX_TIME_NS

__all__ = [
    "FLOW_NAME",
    "HEADER_BYTES",
    "INIT_NET",
    "MAX_CONNECTIONS",
    "MAX_GRO_PACKETS",
    "MAX_MIN_RTT_WLEN_S",
    "MAX_MSS_BYTES",
    "MAX_SEED",
    "Count",
    "Harmless",
    "Name",
    "NonNegativeNs",
    "Packets",
    "Parameter",
    "PositiveNs",
    "Probability",
    "Rate",
    "Size",
    "Within",
    "is_harmless",
]

MAX_SEED = 2**63 - 1
MAX_MIN_RTT_WLEN_S = 86_400  # one_day_secs
MAX_CONNECTIONS = 100_000  # of all workloads of a scenario
MAX_GRO_PACKETS = 64  # 64 KiB hold no more of the smallest packets that are merged
HEADER_BYTES = 52  # IPv4 (20), TCP (20) and its timestamps (12): 1448 bytes of payload make 1500
MAX_MSS_BYTES = 65_535 - HEADER_BYTES

INIT_NET = "init"
"""The network namespace that every kernel starts with; ``kernel.default`` is its default."""

FLOW_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
"""Names of scenarios and flows: harmless in a path, a column and a legend."""


def is_harmless(name: str) -> bool:
    """Report whether a name fits `FLOW_NAME` and is no way out of a folder ("." and "..")."""
    return bool(FLOW_NAME.fullmatch(name)) and bool(name.strip("."))


@dataclass(frozen=True, slots=True)
class Within:
    """A number from ``least`` to ``most``, both included."""

    least: int
    most: int | None = None

    def expected(self, value: float) -> str:
        """Return what is expected instead of a value; empty if it is within."""
        if value >= self.least and (self.most is None or value <= self.most):
            return ""
        return f"{self.least} or more" if self.most is None else f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class Harmless:
    """A name that cannot leave the results folder."""

    def expected(self, value: str) -> str:
        """Return what is expected instead of a value; empty if it is harmless."""
        return "" if is_harmless(value) else "1 to 64 of A-Z a-z 0-9 _ . -"


Name = Annotated[str, Harmless()]
Count = Annotated[int, Within(0)]
NonNegativeNs = Annotated[int, Within(0, MAX_TIME_NS)]
PositiveNs = Annotated[int, Within(1, MAX_TIME_NS)]
Packets = Annotated[int, Within(1, MAX_PACKETS)]
Probability = Annotated[float, Within(0, 1)]
Rate = Annotated[int, Within(1, MAX_RATE_BPS)]
Size = Annotated[int, Within(1, MAX_SIZE_BYTES)]
Parameter = bool | int | float | str
