"""What the screen does to tables: 80 columns, folded or dropped by priority; colour or none."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccsim.cli import main
from ccsim.cli.layout import table
from ccsim.cli.output import run_text
from ccsim.cli.screen import Screen, has_colour
from ccsim.experiment.measure import measure
from tests.cli.cli_rig import Output
from tests.experiment.synthetic import flow, result

NARROW = Screen(30)


def test_what_fits_is_left_as_it_is() -> None:
    assert table(["flow", "RTT (ms)"], [["a", "9.5"]], NARROW) == table(
        ["flow", "RTT (ms)"], [["a", "9.5"]]
    )


def test_units_go_below_the_names_first() -> None:
    headers = ["flow", "goodput (Mbit/s)", "lost (packets)"]
    assert table(headers, [["bulk", "12.5", "3"]], NARROW).splitlines() == [
        "flow   goodput       lost",
        "      (Mbit/s)  (packets)",
        "bulk      12.5          3",
    ]


def test_words_are_folded_where_they_can_be_read() -> None:
    rows = [["bulk", "cubic(beta=600,hystart=false)", "3"]]
    assert table(["flow", "served by", "lost"], rows, NARROW).splitlines() == [
        "flow  served by           lost",
        "bulk  cubic(beta=600,        3",
        "      hystart=false)",
    ]


def test_a_parameter_is_not_cut_where_it_need_not_be() -> None:
    rows = [["bulk", "cubic(hystart=false)", "3"]]
    assert table(["flow", "served by", "resent"], rows, NARROW).splitlines()[1:] == [
        "bulk  cubic(                 3",
        "      hystart=false)",
    ]


def test_columns_go_by_priority_and_a_line_says_which() -> None:
    headers = ["flow", "aaaaaaaa", "bbbbbbbb", "cccccccc"]
    text = table(headers, [["bulk", "1", "2", "3"]], NARROW, drop=("cccccccc", "aaaaaaaa"))
    assert text.splitlines() == [
        "flow  aaaaaaaa  bbbbbbbb",
        "bulk         1         2",
        "not shown: cccccccc; --wide",
        "  shows all",
    ]


def test_a_firm_column_is_folded_last() -> None:
    rows = [["a label of words", "1", "2"]]
    text = table(["what", "aaaaaa", "bbbbbbb"], rows, NARROW, ("bbbbbbb",), firm="what")
    assert text.splitlines()[1] == "a label of words       1"
    assert table(["what", "aaaaaa", "bbbbbbb"], rows, NARROW).splitlines()[1:] == [
        "a label of          1        2",
        "words",
    ]


def test_wide_shows_all() -> None:
    headers = ["flow", *(f"column {k}" for k in range(20))]
    text = table(headers, [["bulk", *map(str, range(20))]], Screen(None), drop=headers[1:])
    assert "not shown" not in text
    assert len(text.splitlines()[0]) > 200


WORDS = st.lists(st.sampled_from("ab =,(→"), max_size=24).map(lambda some: f"a{''.join(some)}b")
NUMBERS = st.floats(-1e6, 1e6).map(lambda x: f"{x:.2f}")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(WORDS, WORDS, NUMBERS, NUMBERS), max_size=5), st.integers(40, 90))
def test_no_line_is_longer_than_the_screen_and_nothing_shown_is_cut(
    rows: list[tuple[str, str, str, str]], width: int
) -> None:
    headers = ["flow", "served by", "goodput (Mbit/s)", "lost (packets)"]
    text = table(headers, rows, Screen(width), drop=("lost (packets)",))
    assert max(map(len, text.splitlines())) <= width
    letters = sorted(re.sub(r"[^ab→]", "", "".join(row[0] + row[1] for row in rows)))
    body = text.partition("\nnot shown")[0].splitlines()[1:]
    body = [line for line in body if "(Mbit/s)" not in line]
    assert sorted(re.sub(r"[^ab→]", "", "".join(body))) == letters


# --- runs ---


def test_many_flows_have_a_line_with_their_total_and_few_have_none() -> None:
    four = measure(result(*(flow(f"f{k}", mbit=((1, 10),)) for k in range(4)), duration_s=1))
    (total,) = [line.split() for line in run_text("x", four).splitlines() if line[:4] == "all "]
    assert total[:5] == ["all", "4", "0", "1", "40.000"]
    three = measure(result(*(flow(f"f{k}", mbit=((1, 10),)) for k in range(3)), duration_s=1))
    assert "all 3" not in run_text("x", three)


MANY = """\
name: many
duration: 600 ms
path: {rate: 20 Mbit/s, rtt: 20 ms}
flows: [{name: a_flow_with_quite_a_long_name, congestion: {name: cubic, hystart: false}, count: 9}]
swaps:
  - {at: 300 ms, via: sweep, to: {name: cubic, beta: 800, fast_convergence: false}}
"""


def shown(capsys: Output, *arguments: str) -> list[str]:
    assert main(list(arguments)) in (0, 1)
    return capsys.readouterr().out.splitlines()


def test_every_verb_keeps_within_80_columns_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("many.yaml").write_text(MANY)
    run = shown(capsys, "run", "many.yaml", "--no-plot", "--jobs", "1")
    assert max(map(len, run)) <= 80
    for command in (
        "show many",
        "ls",
        "list scenarios",
        "list qdiscs",
        "query many 'select * from flows limit 2'",
        "compare many many --format svg",
        "diff many many",
    ):
        name, *rest = command.replace("'", "").split(maxsplit=2)
        lines = shown(capsys, name, *(rest if name == "query" else " ".join(rest).split()))
        assert max(map(len, lines)) <= 80, command
    assert max(map(len, shown(capsys, "show", "many", "--wide"))) > 100
    monkeypatch.setenv("COLUMNS", "132")
    assert 80 < max(map(len, shown(capsys, "show", "many"))) <= 132


# --- colour ---


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),  # no-color.org: when not empty
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_there_is_colour_where_a_terminal_has_it_and_nobody_says_no(
    stream: io.StringIO,
    environment: dict[str, str],
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert has_colour(stream) is expected


def test_colour_changes_no_letter() -> None:
    metrics = measure(result(*(flow(f"f{k}") for k in range(4))))
    plain, coloured = (run_text("x", metrics, Screen(80, colour)) for colour in (False, True))
    assert "\x1b" not in plain
    assert coloured.startswith("\x1b[1mx: ")
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
