"""The commands of docs/advice.md and docs/explore.md, executed word for word: advice on few packets
and seeds, the local page until it has been looked at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ccsim.cli import main
from ccsim.experiment.advice import design
from ccsim.scenario.load import keys_text
from tests.docs.test_docs_site import ROOT, commands

MINE: dict[str, Any] = {
    "name": "mine",
    "duration": "4 s",
    "path": {"rate": "1 Mbit/s", "rtt": "20 ms"},
    "flows": [{"name": "bulk", "congestion": "cubic"}, {"name": "rival", "congestion": "reno"}],
    "swaps": [{"at": "2 s", "via": "setsockopt", "flows": ["bulk"], "to": "bbr"}],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the commands name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(keys_text(MINE), encoding="utf-8")
    shutil.copy(ROOT / "scenarios" / "objects" / "aimd.bpf.o", tmp_path)
    assert main(["new", "algorithm", "my_cc"]) == 0
    return tmp_path


def test_every_command_about_advice_says_what_the_page_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(design, "PACKETS", 100)
    monkeypatch.setattr(design, "POLICIES", ())
    fleet_swaps = design._fleet_swaps
    monkeypatch.setattr(design, "_fleet_swaps", lambda *asked: [next(fleet_swaps(*asked))])
    said = []
    for words in commands(ROOT / "docs" / "advice.md"):
        capsys.readouterr()
        assert main([*words, "--seeds", "1", "--workers", "1"]) == 0, words
        said.append(capsys.readouterr().out)
    plain, crossed, scenario, own, parameters = said
    assert plain.startswith("cubic → bbr on rate=20 Mbit/s,rtt=40 ms,buffer=1 BDP, at a blind in")
    assert "on dsl beside cubic, 500 kbit/s, at a blind instant" in crossed
    assert "| neighbours' loss (%) |" in crossed
    assert "on mine.yaml beside rival, at a blind instant" in " ".join(scenario.split())
    assert own.startswith("reno → my_cc.py on dsl,rtt=60 ms, at a blind instant")
    assert json.loads(parameters)["cost"]["extra_drops"]["n"] == 1


def test_every_command_about_looking_around_serves_the_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    testclient = pytest.importorskip("starlette.testclient", reason="pip install -e '.[dev]'")
    uvicorn = pytest.importorskip("uvicorn", reason="pip install -e '.[dev]'")
    opened: list[str] = []
    begun: list[dict[str, Any]] = []

    def look(server: Any, sockets: list[Any]) -> None:
        place = urlsplit(opened[-1])
        client = testclient.TestClient(server.config.app, base_url=f"http://{place.netloc}")
        assert client.get(place.path).status_code != 200  # without the token
        assert client.get(f"{place.path}?{place.query}").status_code == 200
        own = {"X-Token": place.query.removeprefix("token="), "Origin": f"http://{place.netloc}"}
        begun.append(client.post("/start", json={}, headers=own).json())
        sockets[0].close()

    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(uvicorn.Server, "run", look)
    for words in commands(ROOT / "docs" / "explore.md"):
        assert main(words) == 0, words
        assert opened[-1] in capsys.readouterr().out
    shipped, own = begun
    assert "name: cubic_to_bbr" in shipped["text"]
    assert own["text"] == keys_text(MINE)
    assert own["set"] == {"path.buffer": "2 BDP"}
