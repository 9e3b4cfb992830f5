"""Tests of key=value overrides: what they set, and errors that name the override."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccsim.errors import ScenarioError
from ccsim.scenario import Scenario, load_scenario

pytestmark = pytest.mark.usefixtures("three_algorithms")

TEXT = """\
duration: 60 s
path: {rate: 100 Mbit/s, rtt: 40 ms}
flows:
  - {name: bulk, congestion: cubic}
swaps:
  - {at: 20 s, via: setsockopt, flows: [bulk], to: bbr}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text(TEXT)
    return path


def refusal(file: Path, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file, overrides)
    return str(caught.value).splitlines()


def test_overrides_set_values_in_sections_and_lists(file: Path) -> None:
    scenario = load_scenario(
        file, ["path.rate=1 Gbit/s", "flows.0.congestion=bbr", "duration=30 s", "swaps.0.to=reno"]
    )
    assert scenario.path.rate_bps == 1_000_000_000
    assert scenario.path.buffer_packets == 3333  # the buffer is a BDP of the new rate
    assert scenario.flows[0].congestion == "bbr"
    assert scenario.duration_ns == 30_000_000_000
    assert scenario.swaps[0].to == "reno"


def test_an_entry_of_a_list_may_be_named(file: Path) -> None:
    assert load_scenario(file, ["flows.bulk.start=1 s"]).flows[0].start_ns == 1_000_000_000


def test_a_section_that_is_left_out_is_made(file: Path) -> None:
    assert load_scenario(file, ["tcp.initial_window=20"]).tcp.initial_window == 20


def test_a_value_may_be_any_yaml(file: Path) -> None:
    scenario = load_scenario(file, ["swaps=[]", "path={rate: 10 Mbit/s, rtt: 40 ms}"])
    assert scenario.swaps == ()
    assert scenario.path.buffer_packets == 33


def test_the_last_of_two_overrides_holds(file: Path) -> None:
    assert load_scenario(file, ["seed=2", "seed=3"]).seed == 3
    assert load_scenario(file, ["seed=2"], seed=4).seed == 4


def test_an_override_may_mend_what_the_file_has_wrong(file: Path) -> None:
    file.write_text(TEXT.replace("40 ms", "40"))
    assert load_scenario(file, ["path.rtt=40 ms"]).path.rtt_ns == 40_000_000


def test_an_override_gives_the_same_scenario_as_the_file_would(file: Path) -> None:
    by_override: Scenario = load_scenario(file, ["path.rtt=80 ms"])
    file.write_text(TEXT.replace("40 ms", "80 ms"))
    assert load_scenario(file) == by_override


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rate", 'expected key=value such as "path.rate=1 Gbit/s"'),
        ("=5", 'expected key=value such as "path.rate=1 Gbit/s"'),
        (
            "path.rate=5",
            'path.rate: expected a rate with a unit such as "100 Mbit/s", got 5; write "5 Mbit/s" '
            'or "5 Gbit/s"',
        ),
        ("path.rat=5 Mbit/s", "path.rat: unknown key 'rat'; did you mean 'rate'?"),
        ("paht.rate=5 Mbit/s", "paht: unknown key 'paht'; did you mean 'path'?"),
        ("swaps.0.to=brr", "swaps.0.to: no algorithm 'brr'; did you mean 'bbr'?"),
        (
            "flows.1.start=1 s",
            "flows.1.start: no entry '1' in 'flows', which has 1; expected the name of one, or its "
            "number from 0",
        ),
        (
            "flows.-1.start=1 s",
            "flows.-1.start: no entry '-1' in 'flows', which has 1; expected the name of one, or "
            "its number from 0",
        ),
        (
            "path.rate.x=1",
            "path.rate.x: expected a mapping or list at 'path.rate', got \"100 Mbit/s\"",
        ),
        (
            "seed=[1",
            "seed: not valid YAML: expected ',' or ']', but got '<stream end>'",
        ),
        ("seed=", "seed: expected a whole number, got null"),
        (
            "swaps.0.at=70 s",
            "swaps.0.at: expected a time before the end of the run at 60 s, got 70 s",
        ),
    ],
)
def test_an_error_names_the_override_and_not_a_line(
    file: Path, override: str, message: str
) -> None:
    assert refusal(file, override) == [f"override {override!r}: {message}"]


def test_an_override_is_blamed_when_it_makes_a_value_of_the_file_wrong(file: Path) -> None:
    late = "expected a time before the end of the run at 15 s, got 20 s"
    blamed = [
        f"override 'duration=15 s': duration: does not fit swaps.0.at in {file}, line 6: {late}; "
        "hint: override swaps.0.at too"
    ]
    assert refusal(file, "duration=15 s") == blamed
    assert refusal(file, "seed=7", "duration=15 s", "path.rtt=9 ms") == blamed


WORDS = """~|[]|{}|[1]|{a: 1}|-1|1e400|.nan|.inf|true|0 s|1e-9 s|61 s|1e18 s|0 packets|all|[all]
[bulk, bulk]|99999999999999999999|{name: bbr, x: .nan}"""
JUNK = st.one_of(st.text(max_size=12), st.sampled_from(re.split(r"[|\n]", WORDS)))
SECTIONS = {
    "": "name description duration seed path flows objects links swaps record kernel tcp twins",
    "path.": "rate rtt buffer qdisc loss",
    "flows.0": "",
    "flows.0.": "name congestion start stop size rtt access_delay count start_every",
    "swaps.0": "",
    "swaps.0.": "at via flows to over link state",
    "kernel.": "profile default hz",
    "tcp.": "mss initial_window quickacks min_rto delayed_ack",
    "record.": "interval",
    "links.": "fleet",
    "new.": "key",
}
PLACES = st.sampled_from([f"{s}{key}" for s, keys in SECTIONS.items() for key in keys.split(" ")])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.lists(st.tuples(PLACES, JUNK), min_size=1, max_size=3))
def test_whatever_is_set_either_loads_or_is_a_scenario_error(
    file: Path, changes: list[tuple[str, str]]
) -> None:
    overrides = [f"{place}={junk}" for place, junk in changes]
    with contextlib.suppress(ScenarioError):
        plain = load_scenario(file, overrides).resolved()
        assert Scenario.from_resolved(plain).resolved() == plain


def test_a_seed_that_is_none_is_told_as_an_override(file: Path) -> None:
    with pytest.raises(ScenarioError, match="override 'seed=-1': seed: expected at least 0"):
        load_scenario(file, seed=-1)
