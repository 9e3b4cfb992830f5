"""Random scenarios whose swaps get random policies and triggers: no cut shows, no vector path."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.sim.swap.policies import POLICIES
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Draw, Example, RandomDraw, make_example
from tests.sim.sim_rig import MS, template

STATES = ("Recovery", "Disorder", "Loss", "slow-start", "Drain", "ProbeBW", "Startup")
NOTHING: dict[str, Any] = {"state": "", "cwnd_above": 0, "loss": 0, "acked_bytes": 0}


def trigger(draw: Draw, flow: str) -> dict[str, Any]:
    condition: dict[str, Any] = draw.pick(
        (
            {"state": draw.pick(STATES)},
            {"cwnd_above": draw.between(2, 60)},
            {"loss": draw.between(1, 4)},
            {"acked_bytes": draw.between(1, 600_000)},
        )
    )
    return NOTHING | condition | {"flow": flow, "delay_ns": draw.between(3 * MS, 40 * MS)}


def with_policies_and_triggers(seed: int) -> Example:
    """Return an example of the generator with at least one swap of a flow, each told more."""
    draw = RandomDraw(seed)
    example = make_example(draw)
    flows = [flow["name"] for flow in example.scenario["flows"]]
    swap = {"at_ns": example.scenario["duration_ns"] // 3, "via": "setsockopt", "to": "bbr"}
    swaps = [*example.scenario["swaps"], swap | {"flows": flows[:1], "link": "", "over_ns": 0}]
    for swap in swaps:
        if swap["flows"]:
            swap["state"] = draw.pick([*POLICIES])
        if draw.pick((True, False)):
            swap["trigger"] = trigger(draw, draw.pick(flows))
    cuts = tuple(cut for cut in example.cuts if cut >= MS) or (MS,)
    return Example({**example.scenario, "swaps": swaps}, cuts)


@pytest.mark.parametrize("seed", range(10))
def test_neither_cuts_nor_vector_paths_show_whatever_swaps_say(seed: int) -> None:
    example = with_policies_and_triggers(seed)
    found = check(example, template())
    assert not found, f"{found}\n{example.scenario}"
