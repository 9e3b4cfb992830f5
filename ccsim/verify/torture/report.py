"""What a check of an algorithm file found: one row a broken rule, with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

__all__ = ["RULES", "AlgorithmReport", "Finding"]

RULES = {
    "load": "Linux would refuse the table, or the file cannot be loaded at all",
    "exception": "no hook raises anything, whatever an ACK brings",
    "integer": "what hooks write and return are whole numbers: int, not bool, float or NumPy's",
    "cwnd": "snd_cwnd and the undone window are 1 packet at least and fit in 32 bits",
    "ssthresh": "ssthresh() returns 2 packets at least (RFC 5681), 0x7fffffff at most",
    "pacing": "the pacing rate is above 0, and a sender on a clean path gets on",
    "host": "only the fields that are an algorithm's own are written",
    "pure": "get_info, export_model and phase change nothing",
    "phase": "phase() returns a name",
    "release": "nothing is called or written before init or after release",
    "shared": "two sockets share no state, neither in sk.ca nor outside it",
    "determinism": "the same life twice is the same: no clock, no random numbers but sk.random",
    "train": "the train hook leaves what the scalar hooks leave, ACK by ACK",
}
"""What is checked, by the word that a finding names it with."""


@dataclass(frozen=True)
class Finding:
    """One rule that an algorithm breaks.

    ``rule`` is a word of `RULES`; ``place`` is ``file:line``;
    ``algorithm`` the table's name; ``errno`` the name of what Linux would return at load, else
    empty; ``episode`` and ``t_s`` [s] tell where it showed first, ``hook`` in which operation.
    """

    rule: str
    place: str
    message: str
    algorithm: str = ""
    errno: str = ""
    hook: str = ""
    episode: str = ""
    t_s: float | None = None

    def __str__(self) -> str:
        """Return one line: place, algorithm, hook, what is wrong, and when it showed."""
        what = f"{self.errno}: {self.message}" if self.errno else self.message
        when = f", {self.t_s:.3f} s" if self.t_s is not None else ""
        shown = f" (in: {self.episode}{when})" if self.episode else ""
        parts = (self.place, self.algorithm, self.hook, what)
        return ": ".join(part for part in parts if part) + shown


@dataclass
class AlgorithmReport:
    """The outcome of `check_algorithm`: findings in the order of the file's tables.

    ``algorithms`` are the names that the file declares, ``episodes`` how many pieces of a
    connection's life they went through, ``calls`` how often a hook ran, ``trains`` how many trains
    of ACKs were compared with the hooks.
    """

    path: str
    algorithms: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    episodes: int = 0
    calls: int = 0
    trains: int = 0
    readable: bool = True  # False: the file is not there or cannot be read
    loaded_from: str = ""  # the path in places, if it is not ``path``, which is what is shown

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def add(self, finding: Finding) -> None:
        """Note a finding, unless the same rule is known to be broken at the same place."""
        if finding.rule not in RULES:
            raise ValueError(f"rule: expected one of {', '.join(RULES)}, got {finding.rule!r}")
        if self.loaded_from and finding.place.startswith(self.loaded_from):
            place = self.path + finding.place.removeprefix(self.loaded_from)
            finding = replace(finding, place=place)
        key = _key(finding)
        if all(_key(known) != key for known in self.findings):
            self.findings.append(finding)

    def lines(self) -> Iterator[str]:
        """Yield the report as text, a line a finding, and one that sums up."""
        yield from map(str, self.findings)
        names = ", ".join(self.algorithms)
        verdict = "ok" if self.ok else _counted(len(self.findings), "finding")
        did = f"{_counted(self.episodes, 'episode')}, {_counted(self.calls, 'hook call')}"
        if self.trains:
            did += f", {_counted(self.trains, 'train')}"
        yield f"{self.path}: {verdict} ({names + ': ' if names else ''}{did})"

    def text(self) -> str:
        """Return the report as text."""
        return "\n".join(self.lines())

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "file": self.path,
            "kind": "algorithm",
            "ok": self.ok,
            "algorithms": self.algorithms,
            "episodes": self.episodes,
            "calls": self.calls,
            "trains": self.trains,
            "findings": [asdict(finding) for finding in self.findings],
        }


def _key(finding: Finding) -> tuple[str, ...]:
    return finding.rule, finding.place, finding.algorithm, finding.hook


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
