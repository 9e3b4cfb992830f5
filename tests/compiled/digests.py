"""What simulations leave, as digests by name: run in a process of its own, compiled or pure."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ccsim.spec import Scenario
from tests.digests.digests import ALGORITHM, digest

ROOT = Path(__file__).resolve().parents[2]


def simulated(scenario: Scenario) -> str:
    """Return the digest of everything that a simulation leaves."""
    from ccsim.sim import simulate

    return digest(simulate(scenario))


def failure() -> str:
    """Return what is said of a shipped algorithm that fails: 1024/1024 leave nothing to divide by
    in CUBIC's `init`. No scenario may ask for that, so its parameters are changed behind it."""
    from ccsim.errors import AlgorithmError
    from ccsim.scenario import parse_scenario
    from ccsim.sim.world import World

    flow = "  - {name: a, congestion: cubic}"
    text = ALGORITHM.format(name="cubic").partition("  - ")[0] + flow
    world = World(parse_scenario(text, "fails"))
    live = world.flows[0]
    params = world.registry.first_ops(live.sk, live.spec).params
    before = params.beta  # a compiled module, and so its parameters, is there once for all runs
    object.__setattr__(params, "beta", 1024)
    try:
        world.run()
    except AlgorithmError as error:
        return str(error)
    finally:
        object.__setattr__(params, "beta", before)
    return ""


def checked() -> str:
    """Return what a check says of half a packet, which an integer of C would not take."""
    import ccsim

    source = (ROOT / "algorithms" / "reno.py").read_text()
    half = "    tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked)"
    assert half in source
    with TemporaryDirectory() as folder:
        file = Path(folder, "half.py")
        file.write_text(source.replace(half, "    sk.snd_cwnd += 0.5"))
        return ccsim.check_algorithm(file).findings[0].message


def loaded(file: Path) -> dict[str, str]:
    """Return what an algorithm file is loaded as: the file itself, an edited copy of it."""
    from ccsim.kernel import load_tables

    with TemporaryDirectory() as folder:
        edited = Path(folder, file.name)
        edited.write_bytes(file.read_bytes() + b"\n")
        kinds = [next(iter(load_tables(path).values())).private for path in (file, edited)]
    return {what: kind.__module__ for what, kind in zip(("as is", "edited"), kinds, strict=True)}


def main(seeds: int) -> None:
    """Print the digests of the shipped algorithms, and of so many random scenarios."""
    from ccsim.compiled import in_use
    from ccsim.scenario import parse_scenario
    from ccsim.verify.fuzz.scenarios import TEMPLATE_YAML, RandomDraw, complete, make_example

    found: dict[str, Any] = {"in use": in_use(), "input": import_module("ccsim.tcp.input").__file__}
    found["loaded"] = loaded(ROOT / "algorithms" / "bbr.py")
    found["failure"], found["checked"] = failure(), checked()
    for path in sorted((ROOT / "algorithms").glob("*.py")):
        text = ALGORITHM.format(name=path.stem)
        found[path.stem] = simulated(parse_scenario(text, path.stem))
    template = parse_scenario(TEMPLATE_YAML, "fuzz.yaml").resolved()
    for seed in range(seeds):
        scenario = complete(make_example(RandomDraw(seed)).scenario, template)
        found[f"seed {seed}"] = simulated(scenario)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
