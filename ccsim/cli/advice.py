"""Advice as people, documents and programs take it: text, Markdown, LaTeX, JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ccsim.cli.layout import NONE, table
from ccsim.cli.screen import PLAIN, Screen
from ccsim.cli.typeset import document

if TYPE_CHECKING:
    from ccsim.experiment.advice import Advice, Question, SwapWay
    from ccsim.experiment.statistics import Interval

__all__ = ["advice_json", "advice_text"]

TITLES = {
    "state": "Which state policy",
    "when": "Which moment",
    "via": "Which mechanism",
}
WORDS = {
    "linux": {"state": "linux (the kernel's)", "when": "at a blind instant"},
}


Table = tuple[list[str], list[list[str]]]
"""Headers and rows."""


def advice_text(advice: Advice, screen: Screen = PLAIN) -> str:
    """Return all of it: the answer, tables, notes; set for a page or a paper as the screen says."""
    blocks = [screen.filled(_said(advice)), _table(_cost(advice), screen)]
    for question in advice.questions:
        title = TITLES[question.name]
        blocks.append(f"## {title}" if screen.form == "md" else screen.styled(title, "bold"))
        blocks += [_table(_ways(question), screen), screen.filled(_conclusion(question))]
    blocks += [screen.filled(f"note: {note}") for note in advice.notes]
    about = advice.about
    blocks.append(
        screen.filled(
            f"{about['runs']} runs; the swap is due at {about['swap_at_s']:g} s and watched for "
            f"{about['watched_s']:g} s; *: told apart from the first row, p < 0.05 after Holm. "
            f"Study: {about['study']}"
        )
    )
    text = "\n\n".join(blocks)
    return text if screen.form == "text" else document(screen.form, text)


def _table(content: Table, screen: Screen) -> str:
    heads, rows = content
    return table(heads, rows, screen, [head for head in heads if head.startswith("95 %")][::-1])


def _said(advice: Advice) -> str:
    """Return the answer in a sentence or two."""
    old, new, path = advice.texts
    deficit, drops = advice.cost["deficit_s"], advice.cost["extra_drops"]
    worst = advice.worst["deficit_s"]
    of = " of all together" if "neighbours_loss" in advice.cost else ""
    text = (
        f"{old} → {new} on {path}{_beside(advice)}, at a blind instant: goodput deficit{of} "
        f"{_number(deficit, 3)} s ({_number(advice.cost['deficit_bytes'], 3, 1e-6)} MB), "
        f"extra drops {_number(drops, 1)}, {_neighbours(advice)}n = {deficit.n}; "
        f"at worst {_fixed(worst.value, 3)} s (seed {worst.seed})."
    )
    advised = [f"{question.name}: {question.best}" for question in advice.questions]
    return f"{text} Advised: {'; '.join(advised)}."


def _beside(advice: Advice) -> str:
    others = advice.about.get("beside")
    return f" beside {', '.join(others)}" if others else ""


def _neighbours(advice: Advice) -> str:
    loss = advice.cost.get("neighbours_loss")
    return f"neighbours' loss {_number(loss, 1, 100)} %, " if loss else ""


def _cost(advice: Advice) -> Table:
    """Return the figures of a blind swap: mean, interval, n, worst."""
    from ccsim.experiment.advice.answer import ALL

    rows = []
    for name, interval in advice.cost.items():
        about = ALL[name]
        worst = advice.worst.get(name)
        rows.append(
            [
                about.text,
                *_cells(interval, about.digits, about.scale),
                str(interval.n),
                NONE if worst is None else _fixed(worst.value * about.scale, about.digits),
            ]
        )
    return ["a blind swap", "mean", "95 % interval", "n", "worst"], rows


def _ways(question: Question) -> Table:
    """Return the ways of a question by the metrics that tell them apart."""
    from ccsim.experiment.advice.answer import ALL, OF_FLEETS

    names = [*question.metrics, *(OF_FLEETS if question.name == "via" else [])]
    heads = [text for name in names for text in (ALL[name].text, "95 %")]
    rows = [
        [_word(way.name, question.name), str(way.n), *_figures(way, names)] for way in question.ways
    ]
    return [question.name, "n", *_distinct(heads)], rows


def _figures(way: SwapWay, names: Sequence[str]) -> Iterator[str]:
    from ccsim.experiment.advice.answer import ALL

    for name in names:
        mean, ends = _cells(way.figures[name], ALL[name].digits, ALL[name].scale)
        told = name in way.differences and way.differences[name].verdict
        yield f"{mean}*" if told else mean
        yield ends


def _distinct(heads: Sequence[str]) -> list[str]:
    """Return headers of which no two are alike: a table's columns are told by their names."""
    return [head + " " * heads[:k].count(head) for k, head in enumerate(heads)]


def _conclusion(question: Question) -> str:
    usual, best = (_word(name, question.name) for name in (question.usual, question.best))
    if question.best == question.usual:
        text = f"Advised: {best}; no way is better by one metric and worse by none."
    else:
        way = next(way for way in question.ways if way.name == question.best)
        less = ", ".join(f"{_less(way, name)}" for name in way.better)
        text = f"Advised: {best}: against {usual} {less}."
    equal = [_word(name, question.name) for name in question.equal]
    return f"{text} Not told apart from it: {', '.join(equal)}." if equal else text


def _less(way: SwapWay, name: str) -> str:
    from ccsim.experiment.advice.answer import METRICS

    difference = way.differences[name]
    about = METRICS[name]
    mean, ends = _cells(difference.interval, about.digits, about.scale)
    return f"{about.text} {mean} [{ends}] (p = {difference.p:.2g})"


def _word(way: str, question: str) -> str:
    return WORDS.get(way, {}).get(question, way)


def _cells(interval: Interval, digits: int, scale: float = 1.0) -> tuple[str, str]:
    if math.isnan(interval.estimate):
        return NONE, NONE
    mean = _fixed(interval.estimate * scale, digits)
    if interval.low is None or interval.high is None:
        return mean, NONE
    low, high = (_fixed(end * scale, digits) for end in (interval.low, interval.high))
    return mean, f"{low} … {high}"


def _fixed(value: float, digits: int) -> str:
    """Return a number with that many decimals; nothing has no sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _number(interval: Interval, digits: int, scale: float = 1.0) -> str:
    mean, ends = _cells(interval, digits, scale)
    return mean if ends == NONE else f"{mean} [{ends}]"


# --- JSON -----------------------------------------------------------------------------------------


def advice_json(advice: Advice) -> dict[str, Any]:
    """Return all of it as JSON values."""
    old, new, path = advice.texts
    return {
        "from": old,
        "to": new,
        "path": path,
        **advice.about,
        "cost": {name: _interval(one) for name, one in advice.cost.items()},
        "worst": {
            name: {"value": one.value, "seed": one.seed, "n": one.of}
            for name, one in advice.worst.items()
        },
        **{question.name: _question(question) for question in advice.questions},
        "notes": list(advice.notes),
    }


def _question(question: Question) -> dict[str, Any]:
    return {
        "usual": question.usual,
        "best": question.best,
        "not_told_apart": list(question.equal),
        "ways": {way.name: _way(way) for way in question.ways},
    }


def _way(way: SwapWay) -> dict[str, Any]:
    return {
        "n": way.n,
        "figures": {name: _interval(one) for name, one in way.figures.items()},
        "differences": {
            name: {**_interval(one.interval), "p": _or_none(one.p), "verdict": one.verdict}
            for name, one in way.differences.items()
        },
    }


def _interval(interval: Interval) -> Mapping[str, Any]:
    return {
        "mean": _or_none(interval.estimate),
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
