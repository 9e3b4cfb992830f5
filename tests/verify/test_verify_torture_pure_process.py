"""Checks by a process of its own, for one that has compiled modules: the same report."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.errors import CcsimError
from ccsim.verify.torture import check_algorithm
from ccsim.verify.torture.pure_process import check_apart
from tests.verify.torture_rig import GOOD


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("snd_cwnd += 1", "snd_cwnd += 0.5", "integer"),
        ("    sk.ca.losses = 0", '    sk.ca.losses = 0\n    print("{")', ""),
        ("def init(sk):", "def init(sk:", "load"),
    ],
)
def test_it_says_what_the_process_itself_would_say(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], old: str, new: str, rule: str
) -> None:
    file = tmp_path / "good.py"
    file.write_text(GOOD.replace(old, new))
    report = check_apart(str(file))
    assert report == check_algorithm(file)
    assert [finding.rule for finding in report.findings] == [rule] * bool(rule)
    assert capfd.readouterr().out == ""


def test_a_file_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    report = check_apart(str(tmp_path / "none.py"))
    assert not report.readable
    assert not report.ok


def test_the_end_of_the_process_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "good.py"
    file.write_text("import os\n\nos.kill(os.getpid(), 9)\n")
    with pytest.raises(CcsimError, match=r"good\.py: the process that checks it ended with -9"):
        check_apart(str(file))


@pytest.mark.pure
def test_where_something_is_compiled_another_process_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "good.py"
    file.write_text("import os\n\nraise ValueError(f'process {os.getpid()}')\n")
    here = check_algorithm(file).findings[0].message
    assert check_algorithm(file).findings[0].message == here
    monkeypatch.setattr("ccsim.verify.torture.check.some_imported", lambda: True)
    assert check_algorithm(file).findings[0].message != here
