"""Completion: the words that may come next, and that the shells' scripts ask for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ccsim.catalog import algorithm_files, scenario_files, study_files
from ccsim.cli import main
from ccsim.cli.completion import SHELLS, candidates
from ccsim.cli.parser import VERBS
from tests.cli.cli_rig import ROOT, Output


def words(*given: str) -> list[str]:
    return [word for word, _ in candidates(given)]


@pytest.fixture(autouse=True)
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a scenario, two runs of it and a study."""
    monkeypatch.chdir(tmp_path)
    for place in ("mine/aaa111", "mine/bbb222", "grid"):
        (tmp_path / "results" / place).mkdir(parents=True)
        (tmp_path / "results" / place / "manifest.json").write_text("{}")
    (tmp_path / "results" / "mine" / ".unfinished").mkdir()
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nduration: 1 s\npath: {rate: 1 Mbit/s, rtt: 10 ms}\n"
        "flows: [{name: a, congestion: cubic}]\n"
    )
    return tmp_path


def test_the_first_word_is_a_verb() -> None:
    assert words("") == sorted(VERBS)
    assert words("ru") == ["run"]
    assert words("zz") == []
    assert "--version" in words("--")


def test_a_scenario_is_a_shipped_one_or_a_file() -> None:
    assert words("run", "") == sorted([*scenario_files(), "mine.yaml"])
    assert words("search", "worst-swap", "stag") == ["staged"]
    assert words("sweep", "") == sorted([*study_files(), "mine.yaml"])


def test_stored_runs_are_names_and_ids_wherever_a_run_may_stand() -> None:
    everything = ["aaa111", "bbb222", "grid", "mine"]
    for before in (("show",), ("diff", "mine"), ("compare", "mine", "mine"), ("rm",), ("report",)):
        assert words(*before, "") == everything
    assert words("query", "m") == ["mine"]
    assert words("ls", "") == ["grid", "mine"]
    assert words("diff", "mine", "mine", "") == []
    assert words("show", "--results", "elsewhere", "") == []


def test_options_and_what_they_take() -> None:
    assert words("run", "mine", "--no-") == ["--no-plot", "--no-twins"]
    assert words("kernel", "--profile", "v") == ["v2"]
    assert words("run", "--out", "") == []  # a folder: the shell knows
    assert words("list", "sc") == ["scenarios"]
    assert words("query", "mine", "--format", "") == ["csv", "json", "md", "table", "tex"]


def test_subjects_and_the_names_behind_them() -> None:
    assert "algorithm" in words("verify", "")
    assert words("verify", "algorithm", "") == sorted(algorithm_files())
    assert words("gallery", "bbr", "cub") == ["cubic"]


def test_overrides_begin_with_the_keys_of_the_scenario() -> None:
    assert words("run", "mine.yaml", "path.") == ["path.rate=", "path.rtt="]
    assert dict(candidates(["run", "mine.yaml", "dur"])) == {"duration=": "1 s"}
    assert words("run", "cubic_to_bbr", "swaps.0.a") == ["swaps.0.at="]
    assert words("run", "nosuch", "path.") == []


def test_nothing_is_offered_after_what_is_no_verb() -> None:
    assert words("frobnicate", "") == []


@pytest.mark.parametrize("verb", VERBS)
def test_completion_of_every_verb_raises_nothing(verb: str) -> None:
    for more in ((), ("x",), ("x", "y"), ("--format",), ("-",)):
        candidates([verb, *more, ""])
        candidates([verb, *more, "-"])


def test_words_are_printed_with_their_meaning_after_a_tab(capsys: Output) -> None:
    assert main(["completion", "words", "--", "show", "aaa"]) == 0
    assert capsys.readouterr().out == "aaa111\trun of mine\n"
    assert main(["completion", "words", "--", "run", "--no-tw"]) == 0
    assert capsys.readouterr().out == "--no-twins\trun without the twins\n"


def test_the_words_verb_is_not_offered_itself() -> None:
    assert words("completion", "") == sorted(SHELLS)


BASH = """
source <(python -m ccsim completion bash)
try() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _ccsim "$1"
    printf '%s\\n' "${COMPREPLY[@]}"
}
compopt() { echo open; }
ccsim() { python -m ccsim "$@"; }
"""
ZSH = """
compadd() { print -l -- "open ${(@P)${@[-1]}}"; }
_describe() { print -l -- "${(@P)2}"; }
_files() { print files; }
source <(python -m ccsim completion zsh)
try() { words=("$@") CURRENT=$#; _ccsim; }
ccsim() { python -m ccsim "$@"; }
"""
FISH = """
function ccsim; python -m ccsim $argv; end
python -m ccsim completion fish | source
"""


def shell(name: str, script: str) -> list[str]:
    """Run a script in a shell in which ``python`` is this one."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"no {name}")
    done = subprocess.run(
        [path, "-c", script.replace("python -m", f"{sys.executable} -m")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_bash_asks_for_the_words() -> None:
    said = shell("bash", f"{BASH}try ccsim show aaa\ntry ccsim run mine.yaml path.rt\n")
    assert said == ["aaa111", "open", "path.rtt="]


def test_zsh_asks_for_the_words_and_leaves_files_to_itself() -> None:
    said = shell(
        "zsh", f"{ZSH}try ccsim show aaa\ntry ccsim run mine.yaml path.rt\ntry ccsim x y\n"
    )
    assert said == ["aaa111:run of mine", "open path.rtt=", "files"]


def test_fish_asks_for_the_words() -> None:
    said = shell("fish", f'{FISH}complete -C "ccsim show aaa"\n')
    assert said == ["aaa111\trun of mine"]
