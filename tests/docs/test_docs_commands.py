"""The commands and the YAML of the pages: executed word for word, on small stand-ins for what is
shipped, and read as what they are part of.

README, output, exchange, figures, policies, qdiscs and bpf_objects have tests of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import ccsim
from ccsim.cli import main
from ccsim.experiment import bench, peers
from ccsim.experiment.study.read import read_study
from ccsim.linux.host import missing_for
from ccsim.scenario.load import keys_text
from tests.docs.test_docs_site import PAGES, ROOT, blocks, commands

BASE: dict[str, Any] = {
    "duration": "60 s",
    "path": {"rate": "1 Mbit/s", "rtt": "40 ms", "buffer": "4 BDP"},
    "flows": [{"name": "bulk", "congestion": "cubic"}],
}
SWAP = {"at": "2 s", "via": "setsockopt", "flows": ["bulk"], "to": "bbr"}
SWAPPED = {**BASE, "duration": "4 s", "swaps": [SWAP]}
WORKLOAD = {
    "duration": "6 s",
    "path": BASE["path"],
    "links": {"fleet": "cubic"},
    "workloads": [
        {"name": "web", "arrivals": {"poisson": "5 /s"}, "sizes": "8 KiB", "congestion": "fleet"}
    ],
}
UPDATE = {"at": "2 s", "link": "fleet", "to": "bbr"}
STAND_INS: dict[str, dict[str, Any]] = {
    "cubic_to_bbr": SWAPPED,
    "rollout": {**WORKLOAD, "swaps": [{**UPDATE, "via": "link_update"}]},
    "rollout_reregister": {**WORKLOAD, "swaps": [{**UPDATE, "via": "reregister"}]},
    "swap_matrix": {
        "base": SWAPPED,
        "design": {"grid": {"swaps.0.to": ["bbr", "reno"]}},
        "seeds": 2,
    },
    "mine": SWAPPED,
}
"""Files of these names, which are found before what is shipped under them."""

MISSING = missing_for(["cubic", "bbr"])
EXECUTED = ("tutorial", "reports", "rollouts", "searching")


RUNNING = ("run", "sweep", "search")


def offer(verb: str, page: str = "") -> None:
    """Put the stand-ins into the folder for verbs that run something; for others, which mean what
    is stored under these names, take them away."""
    for name, keys in STAND_INS.items():
        if verb not in RUNNING:
            Path(name).unlink(missing_ok=True)
            continue
        longer = {"duration": "45 s"} if page == "searching" else {}
        Path(name).write_text(keys_text({"name": name, **keys, **longer}), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", EXECUTED)
def test_every_command_of_a_page_does_what_it_says(
    page: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if page == "searching":
        pytest.importorskip("optuna")
    if page == "rollouts":
        offer("run")
        assert main(["run", "mine", "--no-plot"]) == 0
    for words in commands(ROOT / "docs" / f"{page}.md"):
        offer(words[0], page)
        capsys.readouterr()
        few = ["--trials", "3"] if words[0] == "search" else []
        assert main([*words, *few]) == 0, words
        assert capsys.readouterr().out.strip(), words


def test_the_commands_of_an_algorithms_author(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, check, gallery = commands(ROOT / "docs" / "writing_algorithms.md")
    assert main(new) == 0
    assert main(check) == 0
    assert main([*gallery, "--duration", "2 s"]) == 0
    picture = Path(capsys.readouterr().out.split()[-1])
    assert picture.stat().st_size > 10_000


def test_the_commands_of_a_benchmark_with_measurements_that_take_no_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"wall_s": 2.0, "packets": 1_000_000, "peak_bytes": 5e7}
    monkeypatch.setattr(bench, "_in_a_process", lambda case: row)
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    for words in commands(ROOT / "docs" / "cost.md"):
        if words[0] == "bench":
            assert main(words) == 0, words
            assert "2.000" in capsys.readouterr().out, words


@pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))
def test_the_commands_that_run_a_scenario_on_this_kernel(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = {**SWAPPED, "duration": "1 s", "swaps": [{**SWAP, "at": "500 ms"}]}
    for words in commands(ROOT / "docs" / "linux.md"):
        text = keys_text({"name": "cubic_to_bbr", **second})
        Path("cubic_to_bbr").write_text(text, encoding="utf-8")
        assert main(words) in ((0, 1) if words[0] == "confirm" else (0,)), words
        assert capsys.readouterr().out.strip(), words  # 1: something is apart, as on a busy machine


def parts(page: Path) -> Iterator[dict[str, Any]]:
    """Yield the keys of each block of YAML; of alternatives below one another one by one."""
    for text in blocks(page, "yaml"):
        one, seen = list[str](), set[str]()
        for line in [*text.splitlines(), "end:"]:
            key = re.match(r"(\w+):", line)
            if key and (key[1] in seen or key[1] == "end"):
                yield dict(YAML(typ="safe").load("\n".join(one)))
                one, seen = [], set()
            seen |= {key[1]} if key else set()
            one.append(line)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "yaml")], ids=lambda p: p.stem)
def test_every_block_of_yaml_is_part_of_a_scenario_or_study_that_is_valid(
    page: Path, folder: Path
) -> None:
    for name in ("my_cc", "gentle"):
        assert main(["new", "algorithm", name]) == 0
    for keys in parts(page):
        if "design" in keys:
            assert len(read_study(keys).seeds) == 10
            continue
        whole = {**BASE, **keys}
        if "changes" in keys:
            whole["path"] = {"rate": "10 Mbit/s", "rtt": "40 ms", "qdisc": {"kind": "codel"}}
        if "hops" in keys:
            del whole["path"]
        if any(flow.get("congestion") == "fleet" for flow in keys.get("workloads", ())):
            whole["links"] = {"fleet": "cubic"}
        if page.stem == "policies":  # its policy is in the block of Python beside it
            (folder / "gentle.py").write_text(blocks(page, "python")[0], encoding="utf-8")
        assert ccsim.load(whole).name


def test_alternatives_in_a_block_are_told_apart() -> None:
    found = list(parts(ROOT / "docs" / "hosts.md"))
    assert [sorted(keys) for keys in found] == [
        ["hosts"],
        ["hosts"],
        ["flows", "tcp"],
        ["flows", "hosts", "tcp"],
    ]
