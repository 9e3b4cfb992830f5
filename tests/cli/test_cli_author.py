"""``ccsim new`` writes what works at once; ``ccsim check`` tells scenarios from algorithm files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.cli.template import NameRefused, check_name, write_algorithm

ROOT = Path(__file__).resolve().parents[2]
Output = pytest.CaptureFixture[str]
SCENARIO = """\
name: mine
duration: 1 s
path: {rate: 10 Mbit/s, rtt: 40 ms}
objects: [my_cc.py]
flows: [{congestion: {name: my_cc, beta: 800}}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_written_passes_its_check_and_its_test_and_runs(
    folder: Path, capsys: Output
) -> None:
    assert main(["new", "algorithm", "my_cc"]) == 0
    assert "wrote my_cc.py and test_my_cc.py" in capsys.readouterr().out
    assert main(["check", "my_cc.py"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "my_cc.py: loading an algorithm file runs its code with your rights"
    assert said[1].startswith("my_cc.py: ok (my_cc: ")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_cc.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout
    (folder / "mine.yaml").write_text(SCENARIO)
    assert main(["run", "mine.yaml", "--no-plot", "--jobs", "1"]) == 0
    assert sorted(path.name for path in folder.glob("*.py")) == ["my_cc.py", "test_my_cc.py"]


@pytest.mark.parametrize("name", ["x", "a23456789012345", "BBR_9"])
def test_any_name_that_linux_and_python_take_will_do(name: str, folder: Path) -> None:
    for path in write_algorithm(name, folder / "new" / "folder"):
        text = path.read_text()
        compile(text, path, "exec")
        assert name in text
        assert "NAME" not in text
        assert "FILE]" not in text
        assert 'name("FILE")' not in text
        assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a234567890123456", "EINVAL: .* at most 15 characters, got 16"),
        ("my-cc", "EINVAL: .* got '-'"),
        ("../evil", "EINVAL"),
        ("sürf", "EINVAL"),
        ("my.cc", "expected a Python identifier"),
        ("9cc", "expected a Python identifier"),
        ("", "expected a Python identifier"),
        ("lambda", "expected a Python identifier"),
        ("_cc", "no underscore"),
        ("random", "would hide the Python module"),
        ("ccsim", "would hide the Python module"),
        ("cubic", "ships an algorithm of this name"),
        ("ssthresh", "uses this name for something else"),
        ("max", "uses this name for something else"),
        ("Params", "uses this name for something else"),
    ],
)
def test_a_name_that_one_of_them_does_not_take_is_refused(
    name: str, why: str, folder: Path
) -> None:
    with pytest.raises((NameRefused), match=why):
        check_name(name)
    assert main(["new", "algorithm", name]) == 2
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("there", ["my_cc.py", "test_my_cc.py"])
def test_nothing_is_overwritten_and_nothing_half_written(
    there: str, folder: Path, capsys: Output
) -> None:
    (folder / there).write_text("mine")
    assert main(["new", "algorithm", "my_cc"]) == 2
    assert capsys.readouterr().err == f"{there}: exists already, and is not overwritten\n"
    assert [path.name for path in folder.iterdir()] == [there]
    assert (folder / there).read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(folder: Path, capsys: Output) -> None:
    (folder / "file").write_text("")
    assert main(["new", "algorithm", "my_cc", "--dir", "file"]) == 2
    assert capsys.readouterr().err.startswith("file: cannot be written: ")


BROKEN = """\
from ccsim.kernel import TcpCongestionOps


def cong_avoid(sk, acked):
    sk.snd_cwnd = 0


bad = TcpCongestionOps(name="bad", cong_avoid=cong_avoid, ssthresh=lambda sk: 2)
"""


def test_a_file_that_breaks_rules_is_listed_and_exits_1(folder: Path, capsys: Output) -> None:
    (folder / "bad.py").write_text(BROKEN)
    assert main(["check", "bad.py"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[1:] == [
        "bad.py:8: bad: EINVAL: required operation missing: undo_cwnd is not implemented",
        "bad.py:4: bad: cong_avoid: EINVAL: expected a function of (sk, ack, acked): too many "
        "positional arguments",
        "bad.py: 2 findings (bad: 0 episodes, 0 hook calls)",
    ]


def test_json_is_one_document_for_all_files(folder: Path, capsys: Output) -> None:
    (folder / "bad.py").write_text(BROKEN)
    (folder / "bad.yaml").write_text(SCENARIO.replace("1 s", "soon"))
    assert main(["check", "--json", "bad.py", "bad.yaml", "none.py"]) == 2
    out, err = capsys.readouterr()
    assert "runs its code" in err
    algorithm, scenario, missing = json.loads(out)["files"]
    assert (algorithm["kind"], algorithm["ok"]) == ("algorithm", False)
    assert [found["errno"] for found in algorithm["findings"]] == ["EINVAL", "EINVAL"]
    assert (scenario["kind"], scenario["ok"]) == ("scenario", False)
    assert scenario["problems"][0]["line"] == 2
    assert "cannot be read" in missing["findings"][0]["message"]


def test_a_scenario_and_an_algorithm_in_one_call(folder: Path, capsys: Output) -> None:
    write_algorithm("my_cc", folder)
    (folder / "mine.yaml").write_text(SCENARIO)
    assert main(["check", "mine.yaml", "my_cc.py"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "mine.yaml: ok"
