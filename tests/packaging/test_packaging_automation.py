"""The workflow that runs the checks elsewhere, and the image."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.packaging.packaging_rig import ROOT


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    return dict(YAML(typ="safe").load(ROOT / ".github" / "workflows" / "ci.yml"))


def test_linux_runs_what_decides_on_every_python_that_is_supported(
    workflow: dict[str, Any],
) -> None:
    job = workflow["jobs"]["linux"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_macos_runs_the_readmes_second_command(workflow: dict[str, Any]) -> None:
    (command,) = [step["run"] for step in workflow["jobs"]["macos"]["steps"] if "run" in step]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert command.replace("python -m", "python3 -m", 1) in readme


def test_wheels_are_built_for_every_python_and_tried_as_machine_code(
    workflow: dict[str, Any],
) -> None:
    job = workflow["jobs"]["wheels"]
    assert {name.split("-")[0] for name in job["strategy"]["matrix"]["os"]} == {"ubuntu", "macos"}
    used = [step["uses"].split("@")[0] for step in job["steps"]]
    assert used == ["actions/checkout", "pypa/cibuildwheel", "actions/upload-artifact"]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    built = settings["tool"]["cibuildwheel"]
    pythons = workflow["jobs"]["linux"]["strategy"]["matrix"]["python"]
    assert built["build"].split() == [f"cp{name.replace('.', '')}-*" for name in pythons]
    assert "machine code" in built["test-command"]
    assert job["steps"][-1]["with"]["path"].startswith("wheelhouse/")


def test_every_action_has_a_version_and_none_may_write(workflow: dict[str, Any]) -> None:
    used = [
        step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step
    ]
    assert used
    known = r"actions/[a-z-]+@v\d+|pypa/cibuildwheel@v\d+(\.\d+){2}"
    assert all(re.fullmatch(known, name) for name in used)
    assert workflow["permissions"] == {"contents": "read"}


def test_the_image_leaves_out_what_is_ignored_and_what_is_large() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", ".venv", "results", "tests"} <= set(ignored)
    assert len((ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()) <= 10


@pytest.mark.slow
def test_the_image_is_built_and_runs_a_scenario() -> None:
    if shutil.which("docker") is None:
        pytest.skip("needs docker")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("needs a docker daemon that answers")
    base = re.search(
        r"^FROM (\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert base is not None
    if subprocess.run(
        ["docker", "pull", "-q", base[1]], capture_output=True, check=False
    ).returncode:
        pytest.skip(f"needs {base[1]}, which cannot be had here")
    subprocess.run(["docker", "build", "-q", "-t", "ccsim-test", str(ROOT)], check=True)
    said = subprocess.run(
        ["docker", "run", "--rm", "ccsim-test", "check", "cubic_to_bbr"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert said.stdout == "cubic_to_bbr: ok\n"
