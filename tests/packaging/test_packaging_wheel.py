"""The wheel: what is in it, what it asks for, and that it works far from any checkout."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import ccsim
from ccsim.compiled import MODULES, NATIVE, PACKAGED, suffixes
from tests.packaging.packaging_rig import ROOT, Environment, build, clean_env, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def metadata(wheel: Path, names: list[str]) -> Message:
    (name,) = [name for name in names if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("env") / "venv")
    environment.install(wheel)  # before it sees others' packages, lest pip find ccsim there
    environment.lend()
    return environment


@pytest.mark.parametrize(
    ("folder", "endings"),
    [("algorithms", (".py", ".pxd")), ("scenarios", (".yaml", ".c", ".h", ".o", ".py"))],
)
def test_it_carries_every_shipped_file_of_the_folder(
    names: list[str], folder: str, endings: tuple[str, ...]
) -> None:
    files = [path for ending in endings for path in (ROOT / folder).rglob(f"*{ending}")]
    here = {path.relative_to(ROOT).as_posix() for path in files}
    prefix = f"ccsim/{folder}/"
    packed = {name.removeprefix("ccsim/") for name in names if name.startswith(prefix)}
    assert here
    assert packed == here


def test_it_carries_the_types_that_compiling_takes(names: list[str]) -> None:
    files = {
        f"{module.replace('.', '/')}{suffix}"
        for module in (*MODULES, *NATIVE)
        for suffix in suffixes(module)
    }
    assert "ccsim/bpf/machine.pyx" in files
    assert files <= set(names)


def test_it_carries_what_reports_are_made_of(names: list[str]) -> None:
    here = {path.name for path in (ROOT / "ccsim" / "report" / "assets").iterdir()}
    packed = {Path(name).name for name in names if name.startswith("ccsim/report/assets/")}
    assert {".js", ".css"} == {Path(name).suffix for name in here}
    assert packed == here


def test_it_says_that_it_is_typed(names: list[str]) -> None:
    assert "ccsim/py.typed" in names


def test_it_installs_one_top_level_name(names: list[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert top == {"ccsim", f"ccsim-{ccsim.__version__}.dist-info"}


def test_it_carries_neither_tests_nor_caches(names: list[str]) -> None:
    assert [name for name in names if "test" in name or "cache" in name] == []


def test_its_version_is_the_packages_own_and_the_license_travels(
    metadata: Message, names: list[str]
) -> None:
    assert metadata["Version"] == ccsim.__version__
    assert metadata["License-Expression"] == "MIT"
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_runtime_dependency_is_bounded_on_both_sides(metadata: Message) -> None:
    asked = [text for text in metadata.get_all("Requires-Dist") or [] if "extra ==" not in text]
    assert len(asked) == 7
    for text in asked:
        assert re.fullmatch(r"[a-z-]+<\d+(\.\d+)?,>=\d+\.\d+", text), text


def test_it_declares_one_console_script(wheel: Path, names: list[str]) -> None:
    (name,) = [name for name in names if name.endswith("entry_points.txt")]
    points = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        points.read_string(archive.read(name).decode())
    assert {section: dict(points[section]) for section in points.sections()} == {
        "console_scripts": {"ccsim": "ccsim.__main__:main"}
    }


def test_installed_it_runs_a_shipped_scenario_from_another_folder(
    installed: Environment, tmp_path: Path
) -> None:
    command = installed.bin / "ccsim"
    said = run(command, "run", "steady_cubic", "duration=2 s", "--json", cwd=tmp_path)
    assert json.loads(said)["duration_s"] == 2
    (folder,) = (tmp_path / "results" / "steady_cubic").iterdir()
    assert (folder / "plots" / "run.png").read_bytes().startswith(b"\x89PNG")


def test_installed_it_finds_its_own_files_and_no_module_named_algorithms(
    installed: Environment, tmp_path: Path
) -> None:
    code = (
        "import importlib.util as u, ccsim.catalog as c\n"
        "print(c.algorithms_dir(), c.scenarios_dir(), u.find_spec('algorithms'), sep='\\n')"
    )
    package = installed.packages / "ccsim"
    assert run(installed.python, "-c", code, cwd=tmp_path).splitlines() == [
        str(package / "algorithms"),
        str(package / "scenarios"),
        "None",
    ]


def test_installed_it_lists_the_algorithms_and_answers_as_a_module(
    installed: Environment, tmp_path: Path
) -> None:
    listed = run(installed.bin / "ccsim", "list", "algorithms", cwd=tmp_path)
    assert {"bbr", "cubic", "reno"} <= {line.split()[0] for line in listed.splitlines()}
    said = run(installed.python, "-m", "ccsim", "--version", cwd=tmp_path)
    assert said == f"ccsim {ccsim.__version__} (pure Python)\n"


def test_without_a_compiler_it_is_python_alone_and_says_so_in_one_line(tmp_path: Path) -> None:
    for folder in ("source", "out"):
        (tmp_path / folder).mkdir()
    kept = ["pyproject.toml", "hatch_build.py", "README.md", "LICENSE"]
    for name in kept:
        shutil.copy(ROOT / name, tmp_path / "source")
    for name in ("ccsim", "algorithms", "scenarios"):
        shutil.copytree(ROOT / name, tmp_path / "source" / name)
    command = (sys.executable, "-m", "build", "--no-isolation", "--wheel", "-o")
    missing = {**clean_env(), "CC": "/nowhere/cc", "CCSIM_PURE": ""}
    done = subprocess.run(
        (*command, tmp_path / "out", "."),
        cwd=tmp_path / "source",
        env=missing,
        capture_output=True,
        text=True,
        check=True,
    )
    said = (done.stdout + done.stderr).splitlines()
    (line,) = [line for line in said if "pure Python" in line]
    assert "needs a C compiler, and there is no /nowhere/cc (CC names another)" in line
    (made,) = (tmp_path / "out").iterdir()
    assert made.name == f"ccsim-{ccsim.__version__}-py3-none-any.whl"


def test_machine_code_that_it_carries_is_used_until_a_source_is_edited(
    wheel: Path, tmp_path: Path
) -> None:
    """The folder is empty, as `use` looks for the name alone: a module of it is not found."""
    environment = Environment(tmp_path / "venv")
    environment.install(wheel)
    environment.lend()
    package = environment.packages / "ccsim"
    name = run(
        environment.python, "-c", "import ccsim.compiled as c; print(c.build_name())", cwd=tmp_path
    )
    (package / PACKAGED / name.strip()).mkdir(parents=True)

    def version(pure: str = "") -> str:
        cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "CCSIM_PURE": pure}
        return run(environment.bin / "ccsim", "--version", cwd=tmp_path, **cache)

    assert version() == f"ccsim {ccsim.__version__} (machine code)\n"
    assert version("1") == f"ccsim {ccsim.__version__} (pure Python)\n"
    with (package / "tcp" / "input.py").open("a") as source:
        source.write("# edited\n")
    assert version() == f"ccsim {ccsim.__version__} (pure Python)\n"
