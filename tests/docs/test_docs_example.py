"""The example of the public API: it runs, and its types are what `mypy --strict` finds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ccsim

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "swap_cost.py"


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    paths = {"PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT), "MPLBACKEND": "agg"}
    env = {**os.environ, **paths}
    run = [sys.executable, *words]
    return subprocess.run(run, capture_output=True, text=True, env=env, cwd=cwd, check=False)


def test_it_runs_and_prints_what_it_promises(tmp_path: Path) -> None:
    done = command(str(EXAMPLE), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("refused: <dict>:2:11: duration: expected a time with a unit")
    assert lines[1].startswith("<Run example ")
    assert lines[3:5] == ["run.svg, and 2 panels", "True ['bottleneck']"]
    assert [line.partition(":")[0] for line in lines[5:]] == ["0.5 BDP", "2 BDP"]


@pytest.mark.slow
def test_its_types_are_strict_and_a_wrong_one_is_found(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    assert (Path(ccsim.__file__).parent / "py.typed").is_file()
    wrong = EXAMPLE.read_text(encoding="utf-8") + "\n\nCWND: str = ccsim.load_run('x').flows['y']\n"
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    strict = ["-m", "mypy", "--config-file=", "--strict", "--follow-imports=silent"]
    done = command(*strict, str(EXAMPLE), "wrong.py", cwd=tmp_path)
    (error, _) = done.stdout.splitlines()
    assert 'has type "FlowTrace", variable has type "str"' in error
    assert error.startswith("wrong.py:")
