"""The page's server: who is answered, and that a state from outside is data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="pip install -e '.[dev]' brings it")
pytest.importorskip("httpx", reason="pip install -e '.[dev]' brings it")

from starlette.testclient import TestClient

from ccsim.cli import main
from ccsim.explore.server import application
from ccsim.explore.session import Session

TEXT = """\
name: page
duration: 4 s
path: {rate: 10 Mbit/s, rtt: 40 ms}
flows:
  - {name: bulk, congestion: cubic}
swaps:
  - {at: 2 s, via: setsockopt, flows: [bulk], to: reno}
"""
HOST = "127.0.0.1:4000"
TOKEN = "of this test"
OWN = {"X-Token": TOKEN, "Origin": f"http://{HOST}"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.yaml").write_text(TEXT)
    (tmp_path / "secret.py").parent.joinpath("inside").mkdir()
    return tmp_path


@pytest.fixture
def client(folder: Path) -> TestClient:
    session = Session(folder / "page.yaml", ["seed=3"], folder / "results")
    app = application(session, TOKEN, frozenset({HOST}))
    return TestClient(app, base_url=f"http://{HOST}")


def asked(client: TestClient, action: str, headers: Mapping[str, str] = OWN, **body: Any) -> Any:
    return client.post(f"/{action}", json=body, headers=dict(headers))


def problems(client: TestClient, text: str = TEXT, **overrides: str) -> str:
    answer = asked(client, "simulate", text=text, set=overrides)
    assert answer.status_code == 422
    found: str = "\n".join(answer.json()["problems"])
    return found


def test_the_page_and_what_it_begins_with(client: TestClient) -> None:
    page = client.get("/", params={"token": TOKEN})
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "class Traces" in client.get("/explore.js").text
    assert asked(client, "start").json() == {"text": TEXT, "set": {"seed": "3"}}


def test_a_state_is_simulated_with_its_overrides(client: TestClient) -> None:
    told = asked(client, "simulate", text=TEXT, set={"path.buffer": "2 BDP", "swaps.0.at": "1 s"})
    answer = told.json()
    assert answer["failed"] == ""
    assert answer["traces"]["swaps"][0]["t"] == [1.0]
    knobs = {knob["key"]: knob for knob in answer["knobs"]}
    # 10 Mbit/s x 40 ms are 33.3 packets of 1500 bytes: twice that are 67 whole ones
    assert knobs["path.buffer"]["value"] == pytest.approx(67 / 33.333, rel=0.001)
    assert knobs["swaps.0.at"]["value"] == 1
    assert knobs["swaps.0.at"]["high"] == 4
    assert "buffer: 2 BDP" in answer["yaml"]
    assert "A-twin" in answer["tables"][1]


def test_twins_that_are_the_same_are_not_simulated_again(client: TestClient) -> None:
    session_known = _known(client)
    asked(client, "simulate", text=TEXT, set={})
    assert len(session_known) == 3
    asked(client, "simulate", text=TEXT, set={"swaps.0.at": "1 s"})
    assert len(session_known) == 4


def _known(client: TestClient) -> Any:
    session = client.app.routes[-1].endpoint.__closure__  # type: ignore[attr-defined]
    cells = [cell.cell_contents for cell in session]
    (act,) = [cell for cell in cells if callable(cell)]
    (found,) = [c.cell_contents for c in act.__closure__ if isinstance(c.cell_contents, Session)]
    return found.known


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Origin": f"http://{HOST}"}, "token"),
        ({**OWN, "X-Token": "another"}, "token"),
        ({**OWN, "Origin": "http://evil.example"}, "Origin"),
        ({**OWN, "Host": "evil.example:4000"}, "Host"),
    ],
)
def test_others_are_not_answered(client: TestClient, headers: dict[str, str], why: str) -> None:
    answer = asked(client, "simulate", headers, text=TEXT)
    assert answer.status_code == 403
    assert answer.text.startswith(why)


def test_a_token_in_the_address_alone_lets_nobody_act(client: TestClient) -> None:
    answer = client.post(f"/keep?token={TOKEN}", json={"text": TEXT})
    assert answer.status_code == 403
    assert client.get("/").status_code == 403


def test_what_is_wrong_with_a_state_is_told_as_of_a_file(client: TestClient) -> None:
    said = problems(client, TEXT.replace("to: reno", "to: rneo"))
    assert said == "page.yaml:7:51: swaps.0.to: no algorithm 'rneo'; did you mean 'reno'?"


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.py", "inside/../../secret.py"])
def test_a_file_elsewhere_is_refused_before_it_is_read(client: TestClient, name: str) -> None:
    said = problems(client, f"{TEXT}objects: [{name}]\n")
    assert "expected a file in the folder from which the page was started" in said
    said = problems(client, f"{TEXT}objects: [{{file: {name}}}]\n")
    assert "objects.0.file: expected a file in the folder" in said


def test_an_override_names_no_file_elsewhere_either(client: TestClient) -> None:
    assert "expected a file in the folder" in problems(client, **{"path.trace": "/etc/passwd"})


def test_what_would_take_too_long_is_refused(client: TestClient) -> None:
    said = problems(client, **{"path.rate": "10 Gbit/s", "duration": "60 s"})
    assert "expected at most 5 million packets (rate × duration)" in said


@pytest.mark.parametrize("body", ["[1]", "{", '"text"', '{"text": 1}', "[" * 5000])
def test_what_is_no_state_is_refused(client: TestClient, body: str) -> None:
    headers = {**OWN, "Content-Type": "application/json"}
    assert client.post("/simulate", content=body, headers=headers).status_code == 422


def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    assert "expected at most 512 KiB" in problems(client, TEXT + "#" * 600_000)


def test_a_run_is_kept_listed_and_opened_by_its_name_alone(
    client: TestClient, folder: Path
) -> None:
    kept = asked(client, "keep", text=TEXT, set={"seed": "5"}).json()
    path = Path(kept["folder"])
    assert path.parent == folder / "results" / "page"
    assert (path / "manifest.json").is_file()
    assert kept["runs"] == [{"name": f"page/{path.name}", "kind": "run"}]
    assert asked(client, "open", name=f"page/{path.name}").json()["name"] == "page"
    for stranger in (f"page/../page/{path.name}", str(path), "..", ""):
        assert asked(client, "open", name=stranger).status_code == 422
        assert client.get("/study", params={"token": TOKEN, "name": stranger}).status_code == 404


def test_a_figure_is_drawn_in_the_formats_that_there_are(client: TestClient) -> None:
    answer = asked(client, "figure", text=TEXT, set={}, format="png")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert asked(client, "figure", text=TEXT, set={}, format="exe").status_code == 422


def test_without_its_server_the_verb_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    assert main(["explore", "--no-browser"]) == 2
    assert "pip install 'ccsim[explore]'" in capsys.readouterr().err


def test_a_scenario_that_is_wrong_is_told_before_anything_is_served(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explore", "cubic_to_bbr", "swaps.0.to=brr", "--no-browser"]) == 2
    assert "did you mean 'bbr'?" in capsys.readouterr().err
