"""Where the labels of marks go, so that no two overlap: over their lines, or in a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ccsim.plot.picture import Mark

__all__ = ["Layout", "Placed", "lay_out"]

Measure = Callable[[str], float]
Group = tuple[int, ...]  # marks under one text, by index

CLOSE = 9.0  # marks of one label that follow each other within this stand under one label [pt]
GAP = 3.0  # least distance between texts, and from a text to another mark's line [pt]
ROWS = 2
TOGETHER = 0.3  # so do marks of one label within this share of its width
KEY_ROWS = 8


@dataclass(frozen=True)
class Placed:
    """A text centred at ``x`` [pt from the axes' left edge], in ``row`` (0: next to the axes)."""

    text: str
    x: float
    row: int
    marks: tuple[int, ...]  # the marks it stands for


@dataclass(frozen=True)
class Layout:
    """Texts above the axes, and the key that explains them when they are numbers."""

    texts: tuple[Placed, ...]
    key: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows of text there are above the axes."""
        return max((text.row + 1 for text in self.texts), default=0)


def lay_out(marks: Sequence[Mark], x: Sequence[float], width: float, measure: Measure) -> Layout:
    """Place the labels of ``marks`` at ``x`` [pt]; ``measure`` gives a text's width [pt].

    Labels stand over their lines, in two rows if need be, moved inwards at the edges. Where that
        would make a label touch another or another's line, every mark gets a number instead and the
        labels go into a key.
    """
    groups = _groups_of_one_label(marks, x, measure)
    texts = _labels(groups, marks, x, width, measure)
    if texts is not None:
        return Layout(tuple(texts))
    number = {label: i + 1 for i, label in enumerate(dict.fromkeys(m.label for m in marks))}
    texts = _numbers(groups, marks, x, number, measure)
    return Layout(tuple(texts), _key(marks, number))


def _groups_of_one_label(
    marks: Sequence[Mark], x: Sequence[float], measure: Measure
) -> list[Group]:
    """Return neighbouring marks that share one label: same text, in close order or all under it."""
    groups: list[Group] = []
    for i, mark in enumerate(marks):
        last = groups[-1] if groups else ()
        reach = TOGETHER * measure(mark.label)
        same = last and marks[last[0]].label == mark.label
        if same and (x[i] - x[last[-1]] < CLOSE or x[i] - x[last[0]] < reach):
            groups[-1] = (*last, i)
        else:
            groups.append((i,))
    return groups


def _labels(
    groups: Sequence[Group],
    marks: Sequence[Mark],
    x: Sequence[float],
    width: float,
    measure: Measure,
) -> list[Placed] | None:
    placed: list[Placed] = []
    for members in groups:
        text = marks[members[0]].label + (f" ({len(members)}×)" if len(members) > 1 else "")
        half = measure(text) / 2
        if 2 * half > width:
            return None
        centre = min(max(_middle(members, x), half), width - half)
        fits = (
            spot
            for spot in (Placed(text, centre, row, members) for row in range(ROWS))
            if not any(_clash(spot, other, x, measure) for other in placed)
        )
        spot = next(fits, None)
        if spot is None:
            return None
        placed.append(spot)
    return placed


def _middle(members: Group, x: Sequence[float]) -> float:
    return (x[members[0]] + x[members[-1]]) / 2


def _clash(a: Placed, b: Placed, x: Sequence[float], measure: Measure) -> bool:
    """Return whether two texts touch, or a line up to the upper one cuts the lower one."""
    half_a, half_b = measure(a.text) / 2, measure(b.text) / 2
    if a.row == b.row:
        return abs(a.x - b.x) < half_a + half_b + 2 * GAP
    upper, lower, half = (a, b, half_b) if a.row > b.row else (b, a, half_a)
    return any(abs(x[i] - lower.x) < half + GAP for i in upper.marks)


def _numbers(
    groups: Sequence[Group],
    marks: Sequence[Mark],
    x: Sequence[float],
    number: dict[str, int],
    measure: Measure,
) -> list[Placed]:
    """Return the numbers over the lines, joined where they would touch: ``1, 2`` or ``1–4``."""
    placed: list[Placed] = []
    for members in groups:
        placed.append(_numbered(members, marks, x, number))
        while len(placed) > 1 and _clash(placed[-2], placed[-1], x, measure):
            members = (*placed[-2].marks, *placed[-1].marks)
            placed[-2:] = [_numbered(members, marks, x, number)]
    return placed


def _numbered(
    members: Group, marks: Sequence[Mark], x: Sequence[float], number: dict[str, int]
) -> Placed:
    return Placed(_joined(members, marks, number), _middle(members, x), 0, members)


def _joined(members: Group, marks: Sequence[Mark], number: dict[str, int]) -> str:
    found = sorted({number[marks[i].label] for i in members})
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{found[0]}–{found[-1]}"
    return ", ".join(map(str, found))


def _key(marks: Sequence[Mark], number: dict[str, int]) -> tuple[str, ...]:
    rows = []
    for label, n in number.items():
        times = [mark.t_s for mark in marks if mark.label == label]
        when = f"{times[0]:g} s"
        if len(times) > 1:
            when = f"{times[0]:g}–{times[-1]:g} s, {len(times)}×"
        rows.append(f"{n}  {label} ({when})")
    if len(rows) > KEY_ROWS:
        hidden = len(rows) - KEY_ROWS + 1
        rows[KEY_ROWS - 1 :] = [f"… and {hidden} more swaps"]
    return tuple(rows)
