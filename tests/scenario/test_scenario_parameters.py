"""Tests of module parameters: checked against the algorithm's file before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.catalog import algorithm_files, read_parameters
from ccsim.errors import ScenarioError
from ccsim.scenario import load_scenario, parse_scenario

HEAD = "duration: 1 s\npath: {rate: 10 Mbit/s, rtt: 40 ms}\nlinks: {fleet: bbr}\n"
MINE = """\
from dataclasses import dataclass
from typing import Any, ClassVar

from ccsim.kernel import TcpCongestionOps

raise SystemExit  # whoever runs this file


@dataclass(frozen=True)
class Params:
    UNIT: ClassVar[int] = 7
    gain: float = 1.5
    mode: str = "calm"
    table: Any = None


my_map = TcpCongestionOps(
    name="my_cc", params=Params(), ssthresh=f, undo_cwnd=f, cong_avoid=f
)
"""


def refusal(congestion: str, key: str = "flows") -> str:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(f"{HEAD}{key}:\n  - {{name: a, congestion: {congestion}}}\n"
                       + ("flows: [{}]\n" if key != "flows" else ""), "s.yaml")  # fmt: skip
    return str(caught.value)


# --- shipped algorithms, as they are ---


@pytest.mark.parametrize(
    ("congestion", "message"),
    [
        (
            "{name: cubic, bta: 1}",
            "s.yaml:5:41: flows.0.congestion.bta: 'cubic' has no parameter 'bta'; did you mean "
            "'beta'?",
        ),
        (
            "{name: cubic, hystrat: 0}",
            "s.yaml:5:41: flows.0.congestion.hystrat: 'cubic' has no parameter 'hystrat'; did you "
            "mean 'hystart'?",
        ),
        (
            "{name: dctcp, zzz: 1}",
            "s.yaml:5:41: flows.0.congestion.zzz: 'dctcp' has no parameter 'zzz'; expected "
            "'dctcp_shift_g' or 'dctcp_alpha_on_init'",
        ),
        (
            "{name: bbr, gain: 1}",
            "s.yaml:5:39: flows.0.congestion.gain: 'bbr' has no parameter 'gain'; it takes none",
        ),
        (
            "{name: cubic, beta: 0.7}",
            "s.yaml:5:41: flows.0.congestion.beta: parameter 'beta': expected a whole number, got "
            "0.7",
        ),
        (
            "{name: cubic, beta: high}",
            "s.yaml:5:41: flows.0.congestion.beta: parameter 'beta': expected a whole number, got "
            '"high"',
        ),
        (
            "{name: htcp, use_rtt_scaling: 0.5}",
            "s.yaml:5:40: flows.0.congestion.use_rtt_scaling: parameter 'use_rtt_scaling': "
            "expected true or false, got 0.5",
        ),
        (
            "{name: fleet, beta: 717}",
            "s.yaml:5:41: flows.0.congestion.beta: 'fleet' is a link; parameters go with the "
            "algorithm itself",
        ),
    ],
)
def test_a_parameter_that_is_wrong_is_told_with_its_place(congestion: str, message: str) -> None:
    assert refusal(congestion) == message


def test_a_listeners_parameters_are_checked_too() -> None:
    assert refusal("{name: cubic, bta: 1}", "listeners") == (
        "s.yaml:5:41: listeners.0.congestion.bta: 'cubic' has no parameter 'bta'; did you mean "
        "'beta'?"
    )


@pytest.mark.parametrize(("written", "value"), [("false", False), ("0", 0), ("1", 1)])
def test_a_switch_may_be_a_number_or_a_truth(written: str, value: int) -> None:
    text = f"{HEAD}flows: [{{congestion: {{name: cubic, hystart: {written}}}}}]\n"
    assert parse_scenario(text, "s.yaml").flows[0].congestion_params == {"hystart": value}


def test_every_shipped_algorithm_tells_its_parameters_without_running() -> None:
    for name, path in algorithm_files().items():
        assert read_parameters(path.read_text(encoding="utf-8"), path.stem) is not None, name
    cubic = algorithm_files()["cubic"].read_text(encoding="utf-8")
    found = read_parameters(cubic, "cubic")
    assert found is not None
    assert set(found.values()) == {"int"}
    inherited = ["hystart", "hystart_detect", "hystart_low_window", "hystart_ack_delta_us"]
    own = ["fast_convergence", "beta", "initial_ssthresh", "bic_scale", "tcp_friendliness"]
    assert list(found) == inherited + own


# --- a user's own file ---


def mine(folder: Path, params: str, source: str = MINE) -> dict[str, object]:
    (folder / "mine.py").write_text(source)
    file = folder / "s.yaml"
    file.write_text(
        f"{HEAD}objects: [mine.py]\nflows: [{{congestion: {{name: my_cc, {params}}}}}]\n"
    )
    return dict(load_scenario(file).flows[0].congestion_params)


def test_a_users_file_is_read_for_its_parameters_and_not_run(tmp_path: Path) -> None:
    given = {"gain": 2, "mode": "wild", "table": True}
    assert mine(tmp_path, "gain: 2, mode: wild, table: true") == given


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("gian: 2", "'my_cc' has no parameter 'gian'; did you mean 'gain'?"),
        ("UNIT: 2", "'my_cc' has no parameter 'UNIT'; expected 'gain', 'mode' or 'table'"),
        ("gain: high", "parameter 'gain': expected a number, got \"high\""),
        ("mode: 7", "parameter 'mode': expected text, got 7"),
    ],
)
def test_a_users_parameters_are_checked_as_the_shipped_ones(
    tmp_path: Path, params: str, message: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        mine(tmp_path, params)
    place = f"{tmp_path}/s.yaml:5:36: flows.0.congestion.{params.partition(':')[0]}: "
    assert str(caught.value) == place + message


@pytest.mark.parametrize(
    "source",
    [
        MINE.replace("Params()", "make()"),
        MINE.replace("Params()", "PARAMS"),
        MINE.replace("class Params:", "class Params(Base):"),
        MINE.replace("class Params:", "class Params(mine.Base):"),
        MINE.replace("class Params:", "class Other:") + "from elsewhere import Params\n",
        MINE.replace('name="my_cc"', '**members, name="my_cc"'),
        "my_cc = make_table()\n",
    ],
)
def test_what_only_running_would_tell_is_left_to_loading(tmp_path: Path, source: str) -> None:
    assert mine(tmp_path, "whatever: 1", source) == {"whatever": 1}


def test_a_table_without_parameters_takes_none(tmp_path: Path) -> None:
    for params in ("", ", params=None"):
        source = MINE.replace(", params=Params()", params)
        with pytest.raises(ScenarioError, match="'my_cc' has no parameter 'gain'; it takes none"):
            mine(tmp_path, "gain: 1", source)
