"""docs/findings: no page states a figure that the published tables do not give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.stated import ROOT, Tables, design_of, problems, states, wrong

FINDINGS = ROOT / "docs" / "findings"
ELSEWHERE = {
    "kernel": "tests/verify/test_verify_swaps.py holds it against its table",
}
PAGES = [page for page in sorted(FINDINGS.glob("*.md")) if page.stem not in ELSEWHERE]
PAGES += [page for page in [ROOT / "docs" / "practice.md"] if page.is_file()]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """A folder with one table: drops of two pairs."""
    folder = tmp_path_factory.mktemp("published")
    made = Tables(folder)
    rows = "(VALUES ('cubic', 12.34, 12), ('reno', -0.5, 12)) AS t(old, drops, n)"
    made.db.execute(f"COPY (FROM {rows}) TO '{folder}/t.parquet' (FORMAT parquet)")
    return made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_states_what_the_published_tables_give(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert problems(text, Tables(), design_of(text)) == []
    assert "<!-- SELECT" in text


def test_the_first_screen_states_what_the_published_tables_give() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## ")[0]
    assert list(wrong(text, Tables())) == []
    assert text.count("<!-- SELECT") > 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_answers_says_how_doubts_and_can_be_made_again(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.parent == FINDINGS:
        parts = ["## How it was measured", "## Threats to validity", "## Again"]
        assert [line for line in text.splitlines() if line in parts] == parts
        assert text.startswith("# ")
        assert "\n\n**" in text.split("##")[0]


ASKED = "<!-- SELECT drops, n FROM 't.parquet' WHERE old = 'cubic' -->"
TABLE = """\
<!-- SELECT * FROM 't.parquet' ORDER BY n, old -->
| old | drops | n |
|---|---|---|
| cubic | 12.3 | 12 |
| reno | −0.5 | 12 |
"""


@pytest.mark.parametrize(
    "text",
    [
        f"It drops 12.3 packets (n = 12){ASKED}.",
        f"It drops 12 packets [95 % of them] (n = 12){ASKED}, on bbr3.",
        f"On 20 Mbit/s 12.34 packets, n = 12 {ASKED}",
        TABLE,
    ],
)
def test_what_the_tables_give_may_be_stated(text: str, tables: Tables) -> None:
    assert problems(text, tables, "rate: 20 Mbit/s") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f"It drops 12.4 packets (n = 12){ASKED}.",
            "says ['12.4', '12'], but (Dec",
        ),
        (f"It drops packets (n = 12){ASKED}.", "says ['12'], but"),
        (f"It drops 12.3 packets (n = 12){ASKED}, 99 more.", "99 has no query"),
        ("It drops 12.3 packets.", "12.3 has no query"),
        (TABLE.replace("−0.5", "0.5"), "says ['0.5', '12'], but ('reno'"),
        (TABLE.replace("reno |", "bbr |"), "but ('reno'"),
        (TABLE.replace("| reno | −0.5 | 12 |\n", ""), "1 rows, but 2"),
        ("3<!-- SELECT n FROM 't.parquet' -->", "expected one row, got 2"),
    ],
)
def test_what_they_do_not_give_is_told(text: str, problem: str, tables: Tables) -> None:
    assert any(problem in one for one in problems(text, tables)), problems(text, tables)


@pytest.mark.parametrize(
    ("number", "value", "agree"),
    [
        ("1,234", 1233.6, True),
        ("1,234", 1234.6, False),
        ("−0.37", -0.3651, True),
        ("0.37", -0.37, False),
        ("0.98", 0.9849, True),
        ("0.98", 0.9851, False),
    ],
)
def test_numbers_agree_at_the_digits_that_are_printed(
    number: str, value: float, agree: bool
) -> None:
    assert states(number, value) is agree
