"""The editable install, the source distribution, and the project's files about itself."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import ccsim
from tests.packaging.packaging_rig import ROOT, Environment, build, needs, run


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    needs("hatchling", "editables")
    environment = Environment(tmp_path_factory.mktemp("env") / "venv")
    environment.lend()  # what builds it
    environment.install("--no-build-isolation", "-e", ROOT)
    return environment


class TestEditable:
    """An editable install is the checkout itself."""

    pytestmark = pytest.mark.slow

    def test_it_is_the_checkouts_package_and_files(
        self, editable: Environment, tmp_path: Path
    ) -> None:
        code = (
            "import ccsim.catalog as c\n"
            "print(c.__file__, c.algorithms_dir(), c.scenarios_dir(), sep='\\n')"
        )
        assert run(editable.python, "-c", code, cwd=tmp_path).splitlines() == [
            str(ROOT / "ccsim" / "catalog.py"),
            str(ROOT / "algorithms"),
            str(ROOT / "scenarios"),
        ]

    def test_it_copies_no_file_that_could_go_stale(self, editable: Environment) -> None:
        files = editable.installed_files()
        assert files
        assert not [name for name in files if name.startswith(("ccsim/", "algorithms"))]

    @pytest.mark.parametrize("name", ["algorithms", "scenarios", "tests"])
    def test_no_folder_of_the_checkout_becomes_a_module(
        self, editable: Environment, tmp_path: Path, name: str
    ) -> None:
        code = f"import importlib.util as u; print(u.find_spec({name!r}))"
        found = run(editable.python, "-c", code, cwd=tmp_path)
        assert str(ROOT / name) not in found  # some packages leave a folder of such a name behind

    def test_its_command_checks_a_shipped_scenario(
        self, editable: Environment, tmp_path: Path
    ) -> None:
        said = run(editable.bin / "ccsim", "check", "cubic_to_bbr", cwd=tmp_path)
        assert said == "cubic_to_bbr: ok\n"


class TestSourceDistribution:
    """What somebody builds from who has no repository."""

    pytestmark = pytest.mark.slow

    def test_a_wheel_of_it_holds_what_a_wheel_of_the_checkout_holds(self, tmp_path: Path) -> None:
        for name in ("sdist", "source", "wheel", "direct"):
            (tmp_path / name).mkdir()
        with tarfile.open(build("sdist", ROOT, tmp_path / "sdist")) as archive:
            archive.extractall(tmp_path / "source", filter="data")
        (source,) = (tmp_path / "source").iterdir()
        assert source.name == f"ccsim-{ccsim.__version__}"
        assert (source / "tests" / "packaging" / Path(__file__).name).is_file()
        assert not (source / ".venv").exists()
        indirect = build("wheel", source, tmp_path / "wheel")
        direct = build("wheel", ROOT, tmp_path / "direct")
        assert indirect.name == direct.name
        with zipfile.ZipFile(indirect) as one, zipfile.ZipFile(direct) as other:
            assert set(one.namelist()) == set(other.namelist())


def test_the_changelog_opens_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(r"^## (?:\[)?(\d+\.\d+\.\d+)", text, re.MULTILINE)
    assert found is not None
    assert found[1] == ccsim.__version__


def test_the_citation_names_this_version_and_license() -> None:
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    assert citation["version"] == ccsim.__version__
    assert citation["license"] == "MIT"
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]
    assert citation["authors"] == [{"name": "The ccsim authors"}]


def test_the_license_is_mit_and_names_its_holder() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License\n\nCopyright (c) The ccsim authors\n")


def test_results_hold_nothing_but_their_readme() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert ignored.index("results/*") < ignored.index("!results/README.md")
    assert (ROOT / "results" / "README.md").is_file()


def test_continuous_integration_can_be_started() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
