"""`import ccsim`: what it offers, and that it costs nothing until it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ccsim

ROOT = Path(__file__).resolve().parent.parent
QUICK = """\
duration: 2 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows: [{name: bulk, congestion: cubic}]
swaps: [{at: 1 s, via: setsockopt, flows: [bulk], to: reno}]
"""


def python(code: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """A scenario file of a moment."""
    file = tmp_path / "quick.yaml"
    file.write_text(QUICK)
    return file


def test_load_run_look_and_plot(quick: Path, tmp_path: Path) -> None:
    scenario = ccsim.load(quick, "path.rate=20 Mbit/s", seed=3)
    assert (scenario.path.rate_bps, scenario.seed) == (20_000_000, 3)
    run = ccsim.run(scenario, out=tmp_path / "results", jobs=1)
    cwnd = run.flows["bulk"].snd_cwnd
    assert isinstance(cwnd, np.ndarray)
    assert cwnd.min() >= 1
    assert run.metrics["swaps"][0]["label"] == "cubic → reno, setsockopt"
    assert run.plot(tmp_path / "out.png") == tmp_path / "out.png"
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert ccsim.load_run(run.path).metrics == run.metrics


def test_a_file_or_a_name_can_be_run_at_once(quick: Path, tmp_path: Path) -> None:
    run = ccsim.run(quick, out=tmp_path / "results", jobs=1, twins=False)
    assert run.name == "quick"
    assert ccsim.load("cubic_to_bbr").duration_ns == 60_000_000_000


def test_a_script_without_a_main_guard_may_use_worker_processes(quick: Path) -> None:
    script = quick.with_name("script.py")
    script.write_text(
        "import ccsim\n"
        "run = ccsim.run('quick.yaml', jobs=3)\n"
        "print(run.metrics['twins']['b'], len(run.result.swaps))\n"
    )
    done = python("import runpy; runpy.run_path('script.py', run_name='__main__')", quick.parent)
    assert (done.stdout, done.stderr) == ("complete 1\n", "")


def test_importing_it_imports_nothing_but_what_looks_for_compiled_modules() -> None:
    # an editable install's own finder is called _editable_impl_ccsim
    ours = "sorted(m for m in sys.modules if m.partition('.')[0] == 'ccsim')"
    done = python(f"import sys, ccsim; print({ours})")
    assert done.stdout == "['ccsim', 'ccsim.compiled', 'ccsim.startup']\n"


def test_every_public_name_is_there_and_listed() -> None:
    for name in ccsim.__all__:
        assert getattr(ccsim, name) is not None
        assert name in dir(ccsim)
    assert issubclass(ccsim.ScenarioError, ccsim.CcsimError)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'ccsim' has no attribute 'simulate'"):
        ccsim.simulate  # noqa: B018


def test_a_wrong_override_is_a_scenario_error(quick: Path) -> None:
    with pytest.raises(ccsim.ScenarioError, match="durration"):
        ccsim.load(quick, "durration=3 s")
