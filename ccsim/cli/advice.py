"""Advice as people, documents and programs take it: text, Markdown, LaTeX, JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ccsim.cli.layout import NONE, table
from ccsim.cli.screen import PLAIN, Screen

if TYPE_CHECKING:
    from ccsim.experiment.advice import Advice, Question, Way
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
TEX = {"→": r"$\to$", "–": "--", "…": r"\dots ", "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#"}


def advice_text(advice: Advice, form: str = "table", screen: Screen = PLAIN) -> str:
    """Return all of it as text with tables, as Markdown (``md``), or as LaTeX (``tex``)."""
    blocks = [_said(advice, form), _table(_cost(advice), form, screen)]
    for question in advice.questions:
        blocks += [_heading(question, form), _table(_ways(question), form, screen)]
        blocks.append(_plain(_conclusion(question), form))
    blocks += [_plain(f"note: {note}", form) for note in advice.notes]
    about = advice.about
    blocks.append(
        _plain(
            f"{about['runs']} runs; the swap is due at {about['swap_at_s']:g} s and watched for "
            f"{about['watched_s']:g} s; *: told apart from the first row, p < 0.05 after Holm. "
            f"Study: {about['study']}",
            form,
        )
    )
    return "\n\n".join(blocks)


def _said(advice: Advice, form: str) -> str:
    """Return the answer in a sentence or two."""
    old, new, path = advice.texts
    deficit, drops = advice.cost["deficit_s"], advice.cost["extra_drops"]
    worst = advice.worst["deficit_s"]
    text = (
        f"{old} → {new} on {path}, at a blind instant: goodput deficit {_number(deficit, 3)} s "
        f"({_number(advice.cost['deficit_bytes'], 3, 1e-6)} MB), extra drops {_number(drops, 1)}, "
        f"n = {deficit.n}; at worst {_fixed(worst.value, 3)} s (seed {worst.seed})."
    )
    advised = [f"{question.name}: {question.best}" for question in advice.questions]
    return _plain(f"{text} Advised: {'; '.join(advised)}.", form)


Table = tuple[list[str], list[list[str]]]


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
    from ccsim.experiment.advice.answer import ALL, METRICS, OF_FLEETS

    names = [*METRICS, *(OF_FLEETS if question.name == "via" else [])]
    heads = [text for name in names for text in (ALL[name].text, "95 %")]
    rows = [
        [_word(way.name, question.name), str(way.n), *_figures(way, names)] for way in question.ways
    ]
    return [question.name, "n", *_distinct(heads)], rows


def _figures(way: Way, names: Sequence[str]) -> Iterator[str]:
    from ccsim.experiment.advice.answer import ALL

    for name in names:
        mean, ends = _cells(way.figures[name], ALL[name].digits)
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


def _less(way: Way, name: str) -> str:
    from ccsim.experiment.advice.answer import METRICS

    difference = way.differences[name]
    about = METRICS[name]
    mean, ends = _cells(difference.interval, about.digits)
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


# --- forms ----------------------------------------------------------------------------------------


def _plain(text: str, form: str) -> str:
    return _tex(text) if form == "tex" else text


def _tex(text: str) -> str:
    return "".join(TEX.get(mark, mark) for mark in text)


def _heading(question: Question, form: str) -> str:
    title = TITLES[question.name]
    return {"md": f"## {title}", "tex": rf"\paragraph{{{title}}}"}.get(form, title)


def _table(content: Table, form: str, screen: Screen) -> str:
    heads, rows = content
    if form == "md":
        lines = [heads, ["---"] * len(heads), *rows]
        return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)
    if form == "tex":
        return "\n".join(_booktabs(heads, rows))
    return table(heads, rows, screen, drop=[h for h in heads if h.startswith("95 %")])


def _cell(text: str) -> str:
    return text.strip().replace("|", r"\|")


def _booktabs(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}"
    yield r"\toprule"
    yield " & ".join(_tex(head.strip()) for head in heads) + r" \\"
    yield r"\midrule"
    for row in rows:
        yield " & ".join(_tex(cell) for cell in row) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}"


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


def _way(way: Way) -> dict[str, Any]:
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
