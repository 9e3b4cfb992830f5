"""The `linux` profile equals the recorded kernel in every field of every step."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ccsim.errors import RecordingError
from ccsim.verify.conformance import replay_file, replay_paths, replay_steps

BUNDLE = Path(__file__).parent / "data" / "conformance.jsonl.gz"
SEQUENCES: dict[str, list[dict[str, Any]]] = {
    line["name"]: line["steps"]
    for line in map(json.loads, gzip.decompress(BUNDLE.read_bytes()).decode().splitlines())
}


def test_the_bundle_holds_31_sequences_by_hand_and_100_random_ones():
    assert sum(name.startswith("hand/") for name in SEQUENCES) == 31
    assert sum(name.startswith("public/") for name in SEQUENCES) == 100


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_recorded_sequence_replays_without_a_difference(name):
    result = replay_steps(SEQUENCES[name], name=name)
    assert result.agrees, result
    assert result.steps == len(SEQUENCES[name])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("errno", "EPERM"),
        ("avail", "reno bbr"),
        ("default", "bbr"),
        ("maps", {}),
        ("links", {"K1#1": None}),
        ("conns", {"C1": "reno"}),
        ("init", {"A1": 1}),
        ("release", {"A1": 1}),
    ],
)
def test_a_difference_in_any_field_is_found_at_its_step(field, value):
    steps = json.loads(json.dumps(SEQUENCES["hand/01_create_close"]))
    expect = steps[2]["expect"]
    (expect if field == "errno" else expect["obs"])[field] = value
    result = replay_steps(steps)
    assert (result.agrees, result.step, result.op) == (False, 2, "link_create")
    assert (result.field, result.expected) == (field, value)
    assert result.got != value


def test_served_by_and_the_servers_name_are_compared_too():
    steps = json.loads(json.dumps(SEQUENCES["hand/30_listener"]))
    sends = [step for step in steps if step["op"] == "conn_rsend"]
    sends[0]["expect"]["server_cc"] = "cubic"
    assert replay_steps(steps).field == "server_cc"
    sends[0]["expect"]["served_by"] = []
    assert replay_steps(steps).field == "served_by"


def test_the_v2_profile_differs_already_at_the_number_of_a_state():
    result = replay_steps(SEQUENCES["hand/01_create_close"], "v2")
    assert (result.step, result.op, result.field) == (1, "map_set", "maps")
    # READY is 3 in Linux; the series calls it UNREG, its second state
    assert result.expected == {"A1#1": {"state": 3, "refcnt": 0}}
    assert result.got == {"A1#1": {"state": 1, "refcnt": 0}}


def test_folders_files_and_bundles_can_be_named(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a", "sub/b"):
        (tmp_path / f"{name}.json").write_text(json.dumps(SEQUENCES["hand/15_pin"]))
    results = list(replay_paths([tmp_path, BUNDLE]))
    assert [Path(r.name).name for r in results[:2]] == ["a.json", "b.json"]
    assert len(results) == 2 + 131
    assert all(result.agrees for result in results)


OBS = {"errno": "OK", "obs": {}}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"{", "not a recording in JSON"),
        ("a.json", b"\xff", "not a recording in JSON"),
        ("a.json", b"{}", "expected a list of steps, got dict"),
        ("a.json", b"[]", "expected a list of steps"),
        ("a.json", b'[{"op": "map_new"}]', "step 0: expected op, args and expect"),
        ("a.json", b"[7]", "step 0: expected op, args and expect"),
        (
            "a.json",
            json.dumps([{"op": "reboot", "args": [], "expect": OBS}]).encode(),
            "step 0: there is no operation 'reboot'",
        ),
        ("a.jsonl", b'{"steps": []}', "expected lines of name and steps"),
        ("a.jsonl.gz", b"plain", "cannot be read"),
    ],
)
def test_a_file_that_is_no_recording_is_an_error_with_its_path(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=name) as caught:
        replay_file(path)
    assert words in str(caught.value)


def test_missing_paths_and_empty_folders_are_errors(tmp_path):
    with pytest.raises(RecordingError, match="cannot be read"):
        list(replay_paths([tmp_path / "absent.json"]))
    with pytest.raises(RecordingError, match="folder without any"):
        list(replay_paths([tmp_path]))


@pytest.mark.parametrize("args", [["Q9"], [], ["A1", "0", "0", "0"], ["A1", "much"]])
def test_arguments_that_no_driver_knows_are_an_error_that_names_the_step(args):
    op = "map_set" if args[1:] else "map_new"
    with pytest.raises(RecordingError, match="step 0"):
        replay_steps([{"op": op, "args": args, "expect": OBS}])
