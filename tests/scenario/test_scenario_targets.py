"""Targets of swaps and links with parameters, their twins, and the bounds of parameters."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import Scenario, parse_scenario

HEAD = """\
duration: 20 s
path: {rate: 50 Mbit/s, rtt: 40 ms}
links: {fleet: cubic}
listeners: [{name: web, congestion: reno}]
flows: [{name: a, congestion: {name: cubic, beta: 800}}]
swaps:
"""


def scenario(*swaps: str) -> Scenario:
    return parse_scenario(HEAD + "".join(f"  - {swap}\n" for swap in swaps), "s.yaml")


def refusal(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "s.yaml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "mechanism",
    [
        "via: setsockopt, flows: [a]",
        "via: setsockopt, listeners: [web]",
        "via: sweep",
        "via: link_update, link: fleet",
        "via: reregister, link: fleet",
        "via: staged, link: fleet",
        "via: sysctl",
    ],
)
@pytest.mark.parametrize(
    ("written", "params"),
    [
        ("cubic", {}),
        ("{name: cubic}", {}),
        ("{name: cubic, hystart: false}", {"hystart": False}),
        ("{name: cubic, beta: 600, hystart: 0}", {"beta": 600, "hystart": 0}),
    ],
)
def test_every_mechanism_takes_a_target_with_parameters(
    mechanism: str, written: str, params: dict[str, Any]
) -> None:
    (swap,) = scenario(f"{{at: 10 s, {mechanism}, to: {written}}}").swaps
    assert (swap.to, swap.to_params) == ("cubic", params)


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("{name: cubic, hystrat: 0}", "swaps.0.to.hystrat: 'cubic' has no parameter "
         "'hystrat'; did you mean 'hystart'?"),
        ("{name: cubix}", "swaps.0.to.name: no algorithm 'cubix'; did you mean 'cubic'?"),
        ("{name: cubic, beta: fast}", "swaps.0.to.beta: parameter 'beta': expected a whole "
         'number, got "fast"'),
        ("{name: cubic, beta: [1]}", "swaps.0.to: parameter 'beta': expected a number, got "
         "a list"),
        ("{name: fleet, beta: 1}", "swaps.0.to.beta: 'fleet' is a link; parameters go with "
         "the algorithm itself"),
        ("{hystart: 0}", "swaps.0.to.name: missing key 'name': registered name of the "
         "implementation"),
        ("[cubic]", "swaps.0.to: expected a name such as \"cubic\", got a list"),
        ("7", "swaps.0.to: expected a name such as \"cubic\", got 7"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_target_is_told_with_its_place(target: str, problem: str) -> None:
    line = f"  - {{at: 10 s, via: setsockopt, flows: [a], to: {target}}}"
    key = problem.split(":")[0].split(".")[-1]
    at = line.index(f"{key}:") if f"{key}:" in target else line.index(target)
    column = 1 + (line.index("cubix") if "cubix" in line else at)
    assert refusal(f"{HEAD}{line}\n") == [f"s.yaml:7:{column}: {problem}"]


def test_a_map_behind_a_link_is_asked_for_its_own_parameters() -> None:
    text = f"{HEAD}  - {{at: 10 s, via: link_update, link: fleet, to: {{name: cubic, gain: 1}}}}\n"
    (problem,) = refusal(text)
    assert problem.startswith("s.yaml:7:65: swaps.0.to.gain: 'cubic' has no parameter 'gain'")
    text = HEAD.replace("{fleet: cubic}", "{fleet: {name: cubic, gain: 1}}").replace("swaps:\n", "")
    (problem,) = refusal(text)
    assert problem.startswith("s.yaml:3:30: links.fleet.gain: 'cubic' has no parameter 'gain'")


def test_links_begin_with_the_parameters_that_they_are_given() -> None:
    text = HEAD.replace("{fleet: cubic}", "{fleet: {name: cubic, beta: 600}}")
    (link,) = parse_scenario(text.replace("swaps:\n", ""), "s.yaml").links
    assert (link.name, link.map, link.params) == ("fleet", "cubic", {"beta": 600})


def test_twin_b_has_the_targets_parameters_and_not_those_that_were_there() -> None:
    own = "{name: cubic, hystart: false}"
    twin = scenario(
        f"{{at: 5 s, via: setsockopt, flows: [a], listeners: [web], to: {own}}}",
        f"{{at: 6 s, via: link_update, link: fleet, to: {own}}}",
        f"{{at: 7 s, via: sysctl, to: {own}}}",
    ).with_b_twin()
    off = {"hystart": False}
    assert (twin.flows[0].congestion, twin.flows[0].congestion_params) == ("cubic", off)
    assert (twin.listeners[0].congestion, twin.listeners[0].congestion_params) == ("cubic", off)
    assert (twin.links[0].map, twin.links[0].params) == ("cubic", off)
    assert (twin.sysctls[0].to, twin.sysctls[0].to_params) == ("cubic", off)


def test_twin_b_of_a_staged_one_starts_on_the_link_and_the_link_on_the_parameters() -> None:
    twin = scenario(
        "{at: 5 s, via: staged, link: fleet, flows: [a], to: {name: cubic, hystart: 0}}"
    ).with_b_twin()
    assert (twin.flows[0].congestion, twin.flows[0].congestion_params) == ("fleet", {})
    assert (twin.links[0].map, twin.links[0].params) == ("cubic", {"hystart": 0})


def test_what_is_resolved_with_parameters_can_be_read_back() -> None:
    given = scenario("{at: 5 s, via: sweep, to: {name: cubic, hystart: false, beta: 7}}")
    assert Scenario.from_resolved(given.resolved()) == given
    other = scenario("{at: 5 s, via: sweep, to: {name: cubic, hystart: false, beta: 8}}")
    assert given.identity() != other.identity()


# --- bounds ---


@pytest.mark.parametrize(
    ("congestion", "problem"),
    [
        ("{name: cubic, beta: 99999999999999999999999}", "beta: parameter 'beta': expected an "
         "int of C, -2147483648 to 2147483647, got 99999999999999999999999"),
        ("{name: cubic, beta: 2147483648}", "beta: parameter 'beta': expected an int of C, "
         "-2147483648 to 2147483647, got 2147483648"),
        ("{name: cubic, hystart: -2147483649}", "hystart: parameter 'hystart': expected an int "
         "of C, -2147483648 to 2147483647, got -2147483649"),
        ("{name: cubic, beta: 2147483647}", "beta: cubic: beta: expected 0 to 1023, got "
         "2147483647"),
        ("{name: cubic, beta: 1024}", "beta: cubic: beta: expected 0 to 1023, got 1024"),
        ("{name: cubic, hystart: 0, beta: -1}", "beta: cubic: beta: expected 0 to 1023, got "
         "-1"),
        ("{name: dctcp, dctcp_shift_g: 2000}", "dctcp_shift_g: dctcp: dctcp_shift_g: expected "
         "0 to 10, got 2000"),
        ("{name: copa, delta: 7.5}", "delta: copa: delta: expected 0.001 to 1, got 7.5"),
    ],
)  # fmt: skip
def test_a_parameter_out_of_bounds_is_refused_with_its_place(congestion: str, problem: str) -> None:
    text = (
        "duration: 2 s\npath: {rate: 5 Mbit/s, rtt: 40 ms}\n"
        f"flows:\n  - {{name: bulk, congestion: {congestion}}}\n"
    )
    column = 1 + text.splitlines()[3].index(problem.split(":")[0])
    assert refusal(text) == [f"s.yaml:4:{column}: flows.0.congestion.{problem}"]


@pytest.mark.parametrize("beta", [0, 717, 1023])
def test_a_parameter_at_its_bounds_is_taken(beta: int) -> None:
    swap = f"{{at: 5 s, via: setsockopt, flows: [a], to: {{name: cubic, beta: {beta}}}}}"
    assert scenario(swap).swaps[0].to_params == {"beta": beta}


def test_bounds_hold_for_what_a_users_file_says_as_far_as_an_int_goes(tmp_path: Any) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom ccsim.kernel import TcpCongestionOps\n"
        "@dataclass(frozen=True)\nclass Params:\n    gain: int = 1\n    share: float = 0.5\n"
        'mine = TcpCongestionOps(name="mine", params=Params(), ssthresh=f, undo_cwnd=f,'
        " cong_avoid=f)\n"
    )
    text = (
        "duration: 2 s\npath: {rate: 5 Mbit/s, rtt: 40 ms}\nobjects: [mine.py]\n"
        "flows: [{congestion: {name: mine, PARAMS}}]\n"
    )
    for params in ("gain: 2147483647", "share: 1e300", "share: 99999999999"):
        parse_scenario(text.replace("PARAMS", params), "s.yaml", tmp_path)
    with pytest.raises(ScenarioError, match=r"got 2147483648"):
        parse_scenario(text.replace("PARAMS", "gain: 2147483648"), "s.yaml", tmp_path)
