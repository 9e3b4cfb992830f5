"""README and pages do what they say: commands, files and examples are taken out and executed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ccsim.scenario.vocabulary import MECHANISMS
from ccsim.sim.result_tables import FLOW_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")}
BLOCK = re.compile(r"<!-- (\w+: [\w.-]+) -->\n```\w*\n(.*?)```\n", re.DOTALL)
BLOCKS = dict(found for text in (*PAGES.values(), README) for found in BLOCK.findall(text))
SERVER = """\
name: server
duration: 12 s
path: {rate: 10 Mbit/s, rtt: 40 ms}
namespaces: {blue: reno}
links: {fleet: cubic}
listeners: [{name: web, congestion: fleet}]
flows:
  - {name: get, listener: web, count: 3, start_every: 4 s}
  - {name: put, netns: blue, congestion: {name: cubic, hystart: false}}
  - {name: new, netns: blue, start: 10 s}
  - {name: plain}
swaps:
  - {at: 2 s, via: link_update, link: fleet, to: bbr}
  - {at: 6 s, via: setsockopt, listeners: [web], to: fleet}
  - {at: 9 s, via: sysctl, netns: blue, to: bbr}
twins: false
"""
KEYS = PAGES["scenarios"].split("| key, or swap |")[1].split("\n\n")[0]
FIDELITY = README.split("| recorded, and what compares |")[1].split("\n\n")[0]


def block(mark: str) -> str:
    return BLOCKS[mark]


def python(*arguments: str, cwd: Path, wrong: bool = False) -> str:
    """Run Python with ccsim at hand; return what it printed, for input that is wrong to stderr."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (2 if wrong else 0), done.stderr
    return done.stderr if wrong else done.stdout


def ccsim(*arguments: str, cwd: Path, wrong: bool = False) -> str:
    return python("-m", "ccsim", *arguments, cwd=cwd, wrong=wrong)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the README's own scenario, algorithm and shell script."""
    made = tmp_path_factory.mktemp("reader")
    for mark, name in (
        ("docs: scenario", "mine.yaml"),
        ("docs: my_cc.py", "my_cc.py"),
        ("docs: kernel", "story.txt"),
        ("docs: api", "api.py"),
    ):
        (made / name).write_text(block(mark), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """What running the README's scenario prints."""
    return ccsim("run", "mine.yaml", cwd=folder)


@pytest.fixture(scope="module")
def scripted(folder: Path) -> str:
    """What the README's Python example prints."""
    return python("api.py", cwd=folder)


@pytest.mark.slow
class TestScenarioAndAlgorithm:
    """`mine.yaml` with `my_cc.py`: three mechanisms in one run."""

    def test_the_algorithm_of_the_readme_serves_its_flow_until_it_is_swapped(
        self, printed: str
    ) -> None:
        rows = [line.split() for line in printed.splitlines() if line.startswith("bulk ")]
        assert [row[1:4] for row in rows if row[3] in ("my_cc", "bbr")] == [
            ["0", "10", "my_cc"],
            ["10", "12", "my_cc"],
            ["12", "20", "my_cc"],
            ["20", "30", "bbr"],
        ]
        goodput = [float(row[4]) for row in rows]
        assert all(1 < mbit < 50 for mbit in goodput)

    def test_each_swap_is_reported_and_the_sweep_ends_by_14_s(self, printed: str) -> None:
        assert re.findall(r"^swap \d at (\d+) s", printed, re.MULTILINE) == ["10", "12", "20"]
        assert re.search(
            r"^swapped at \(s\) +– +12\.000 +13\.000 +14\.000( +–)+$", printed, re.MULTILINE
        )

    def test_every_line_that_the_readme_explains_is_printed(self, printed: str) -> None:
        tables = [part.split("\n\n")[0] for part in PAGES["output"].split("| line | meaning |")[1:]]
        labels = re.findall(r"^\| ([^|]+) \|", "\n".join(tables), re.MULTILINE)
        parts = [part for label in labels if "--" not in label for part in label.split(", ")]
        assert len(parts) == 14
        for part in parts:
            assert part.strip() in printed, part

    def test_the_error_it_quotes_is_what_a_wrong_name_gives(self, folder: Path) -> None:
        (folder / "wrong").mkdir()
        shutil.copy(folder / "my_cc.py", folder / "wrong")
        text = block("docs: scenario").replace("to: bbr", "to: brr")
        (folder / "wrong" / "mine.yaml").write_text(text, encoding="utf-8")
        said = ccsim("check", "mine.yaml", cwd=folder / "wrong", wrong=True)
        for page in (README, PAGES["scenarios"]):
            assert re.findall(r"`(mine\.yaml:[^`]+)`", page) == [said.rstrip()]

    def test_the_verbs_work_on_the_runs(self, folder: Path, printed: str, scripted: str) -> None:
        commands = [shlex.split(line, comments=True) for line in block("docs: verbs").splitlines()]
        assert [command[1] for command in commands] == ["show", "export", "plot", "compare"]
        said = [ccsim(*command[1:], cwd=folder) for command in commands]
        assert said[0].splitlines()[2:9] == printed.splitlines()[2:9]
        assert all(_written(text, folder) for text in said[1:])


def _written(text: str, folder: Path) -> Sequence[str]:
    """Return the lines of a text that are paths of files which are there and not empty."""
    return [
        line
        for line in text.splitlines()
        if line and (folder / line).is_file() and (folder / line).stat().st_size
    ]


def test_every_key_of_the_table_of_servers_is_in_the_scenario_that_runs() -> None:
    cells = [row.split(" | ")[0] for row in KEYS.splitlines()[2:]]
    keys = [key for cell in cells for key in re.findall(r"`([^`]+)`", cell)]
    assert len(keys) == 7
    assert [key for key in keys if key not in SERVER] == []


@pytest.fixture(scope="module")
def served_by(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Which implementations served each flow of SERVER, as printed."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "server.yaml").write_text(SERVER, encoding="utf-8")
    printed = ccsim("run", "server.yaml", "--no-plot", cwd=folder)
    found: dict[str, set[str]] = {}
    for flow, name in re.findall(r"^(\S+) +\d+ +\d+ +([a-z]+) ", printed, re.MULTILINE):
        found.setdefault(flow, set()).add(name)
    return found


@pytest.mark.slow
class TestServersAndNamespaces:
    """The mechanisms that reach no running flow: who runs what is told by the table of flows."""

    def test_what_is_accepted_after_the_update_alone_is_on_the_old_one_all_the_same(
        self, served_by: dict[str, set[str]]
    ) -> None:
        assert served_by["get-2"] == {"cubic"}

    def test_what_is_accepted_after_the_listener_chose_again_is_on_the_new_one(
        self, served_by: dict[str, set[str]]
    ) -> None:
        assert served_by["get-3"] == {"bbr"}

    def test_without_congestion_a_flow_runs_the_default_of_its_namespace_then(
        self, served_by: dict[str, set[str]]
    ) -> None:
        assert served_by["new"] == {"bbr"}
        assert served_by["plain"] == {"cubic"}

    def test_a_restricted_default_of_another_namespace_is_refused(self, tmp_path: Path) -> None:
        text = SERVER.replace("netns: blue, to: bbr", "netns: blue, to: vegas")
        (tmp_path / "server.yaml").write_text(text, encoding="utf-8")
        printed = ccsim("run", "server.yaml", "--no-plot", cwd=tmp_path)
        assert "EPERM: the implementation is restricted to the initial namespace" in printed

    def test_a_misspelt_parameter_is_found_before_the_run(self, tmp_path: Path) -> None:
        text = SERVER.replace("hystart", "hystrat")
        (tmp_path / "server.yaml").write_text(text, encoding="utf-8")
        said = ccsim("check", "server.yaml", cwd=tmp_path, wrong=True)
        column = text.splitlines()[8].index("hystrat") + 1
        place = f"server.yaml:9:{column}: flows.1.congestion.hystrat: "
        assert said == f"{place}'cubic' has no parameter 'hystrat'; did you mean 'hystart'?\n"


@pytest.mark.parametrize(
    ("subject", "recordings", "last"),
    [
        ("kernel", "kernel/data/conformance.jsonl.gz", "131 of 131 sequences agree"),
        ("algorithm cubic", "algorithms/data/linux/cubic", "cubic: 23 of 23 files agree"),
        ("episode --quiet", "verify/data/episodes", "reno, the kernel repeats itself: 21 of 21"),
        ("trace", "verify/data/traces/single_reno_A_10M_40ms_1bdp.json", "  drops 88 recorded"),
    ],
)
def test_each_verification_of_the_table_runs_on_recordings_of_the_tests(
    subject: str, recordings: str, last: str
) -> None:
    words = subject.split()
    assert f"`ccsim verify {words[0]} " in FIDELITY
    said = ccsim("verify", *words, f"tests/{recordings}", cwd=ROOT)
    assert said.splitlines()[-1].startswith(last)


def test_fuzzing_finds_no_difference() -> None:
    assert "`ccsim fuzz --seconds" in README
    said = ccsim("fuzz", "--seconds", "2", "--seed", "1", cwd=ROOT)
    assert said.endswith(": no difference\n")


def test_the_algorithms_it_names_are_those_that_are_shipped() -> None:
    pattern = (
        r"The (\d+) that Linux ships are such files in `algorithms/`:\s([^*]+)\. Beside them: "
    )
    ((count, linux, beyond),) = re.findall(
        pattern + r"([^*]+)\.\s\*\*", PAGES["writing_algorithms"]
    )
    shipped = sorted(path.stem for path in (ROOT / "algorithms").glob("*.py"))
    names = [
        re.split(r"\s*,\s*", re.sub(r"\([^)]*\)", "", words).strip()) for words in (linux, beyond)
    ]
    assert sorted([*names[0], *names[1]]) == shipped
    assert len(names[0]) == int(count) == 17


@pytest.mark.slow
def test_the_python_example_runs_and_draws(folder: Path, scripted: str) -> None:
    last, cwnd, rtt_ms = scripted.splitlines()[0].split()
    assert int(last) == 30_000_000_000
    assert int(cwnd) > 1000  # the pipe and two BDP of buffer hold 1000
    assert 40 <= float(rtt_ms) <= 120
    assert (folder / "picture.pdf").read_bytes().startswith(b"%PDF")


def test_the_python_example_has_ten_lines_at_most() -> None:
    assert len([line for line in block("docs: api").splitlines() if line]) <= 10


def test_the_algorithm_has_about_thirty_lines() -> None:
    lines = block("docs: my_cc.py").splitlines()
    assert len([line for line in lines if line]) <= 30


def test_the_kernels_story_takes_twelve_lines_and_ends_as_shown(folder: Path) -> None:
    assert len(block("docs: kernel").splitlines()) == 12
    said = ccsim("kernel", "story.txt", cwd=folder)
    assert "\nENOENT: no congestion control 'mine' is registered\n" in said
    assert said.endswith(block("docs: kernel-output"))


@pytest.mark.parametrize(("mark", "verb"), [("ci: run", "ccsim run"), ("ci: test", "pytest")])
def test_there_is_one_command_to_run_and_one_to_test(mark: str, verb: str) -> None:
    assert README.count(f"<!-- {mark} -->") == 1
    (line,) = block(mark).splitlines()
    assert line.startswith("python3 -m venv .venv && ")
    assert verb in line


def test_trace_columns_are_those_it_names() -> None:
    (named,) = re.findall(r"one row a flow and sample \(10 ms\): `([^`]+)`", PAGES["output"])
    assert tuple(re.split(r",\s+", named)) == FLOW_COLUMNS


@pytest.mark.parametrize("page", ["README", "mechanism"])
def test_every_mechanism_has_its_row(page: str) -> None:
    text = README if page == "README" else PAGES[page]
    table = text.split("| `via` |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(MECHANISMS)


def test_the_readme_shows_the_scenario_of_the_page() -> None:
    assert f"```yaml\n{block('docs: scenario')}```" in README


def test_every_relative_link_and_picture_exists_and_pictures_are_small() -> None:
    linked = re.findall(r'(?:\]\(|src=")(?!https?:)([^")#]+)', README)
    mentioned = re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:md|cff|png))`", README)
    assert "docs/cubic_to_bbr.png" in linked
    for name in {*linked, *mentioned}:
        assert (ROOT / name).is_file(), name
    assert sum(path.stat().st_size for path in (ROOT / "docs").glob("*.png")) < 500_000


def test_it_stays_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 160
