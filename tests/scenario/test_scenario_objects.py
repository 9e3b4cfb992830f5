"""Tests of a scenario's own algorithm files: read for their names, never run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import Scenario, load_scenario

pytestmark = pytest.mark.usefixtures("three_algorithms")

OPS = "ssthresh=f, undo_cwnd=f, cong_avoid=f"
MY_CC = f'my_map = TcpCongestionOps(name="my_cc", {OPS})\n'


def load(folder: Path, congestion: str, *objects: str, links: str = "{}") -> Scenario:
    file = folder / "s.yaml"
    file.write_text(
        "duration: 1 s\npath: {rate: 10 Mbit/s, rtt: 40 ms}\n"
        f"objects: [{', '.join(objects)}]\nlinks: {links}\n"
        f"flows:\n  - {{congestion: {congestion}}}\n"
    )
    return load_scenario(file)


def refusal(folder: Path, congestion: str, *objects: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(folder, congestion, *objects)
    return str(caught.value).removeprefix(f"{folder}/")


def test_an_object_file_beside_the_scenario_adds_its_name(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(MY_CC)
    scenario = load(tmp_path, "my_cc", "my_cc.py")
    assert scenario.objects == (str(tmp_path / "my_cc.py"),)
    assert scenario.objects_sha256 == (hashlib.sha256(MY_CC.encode()).hexdigest(),)


def test_a_changed_object_file_changes_the_identity_and_a_moved_one_does_not(
    tmp_path: Path,
) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my_cc.py").write_text(MY_CC)
    here, there = (load(tmp_path / f, "my_cc", "my_cc.py") for f in ("here", "there"))
    (tmp_path / "there" / "my_cc.py").write_text(MY_CC + "# edited\n")
    edited = load(tmp_path / "there", "my_cc", "my_cc.py")
    assert here.identity() == there.identity() != edited.identity()


def test_an_object_file_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(f"raise SystemExit\n{MY_CC}")
    assert load(tmp_path, "my_cc", "my_cc.py").flows[0].congestion == "my_cc"


def test_a_link_may_name_the_table_by_its_variable(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(MY_CC)
    assert load(tmp_path, "fleet", "my_cc.py", links="{fleet: my_map}").links[0].map == "my_map"


def test_a_socket_cannot_ask_for_the_variable(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(MY_CC)
    assert refusal(tmp_path, "my_map", "my_cc.py") == (
        "s.yaml:6:18: flows.0.congestion: no algorithm 'my_map'; expected 'bbr', 'cubic', 'my_cc' "
        "or 'reno'"
    )


def test_a_map_behind_a_link_is_registered_by_the_links_name_alone(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(MY_CC)
    with pytest.raises(ScenarioError, match="no algorithm 'my_cc'; expected 'bbr', 'cubic', "):
        load(tmp_path, "my_cc", "my_cc.py", links="{fleet: my_map}")


def test_a_private_table_of_an_object_file_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(MY_CC + '_own = TcpCongestionOps(name="own_cc")\n')
    assert "no algorithm 'own_cc'" in refusal(tmp_path, "own_cc", "my_cc.py")


def test_a_name_that_only_running_would_tell_is_left_to_loading(tmp_path: Path) -> None:
    (tmp_path / "many.py").write_text(f'a = TcpCongestionOps(name="a" + SUFFIX, {OPS})\n')
    assert load(tmp_path, "whatever", "many.py").flows[0].congestion == "whatever"


def test_a_file_without_a_table_is_left_to_loading(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text("from mine import table\n")
    assert load(tmp_path, "whatever", "made.py").flows[0].congestion == "whatever"


def test_an_object_file_that_is_missing_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    assert refusal(tmp_path, "reno", "none.py") == (
        "s.yaml:3:11: objects.0: no such file 'none.py'; object files are looked up beside the "
        "scenario"
    )


def test_an_object_file_that_is_a_folder_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    assert refusal(tmp_path, "reno", "d") == (
        "s.yaml:3:11: objects.0: d: cannot be read: Is a directory"
    )


def test_a_syntax_error_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("x = 1\ndef f(:\n    pass\n")
    assert refusal(tmp_path, "reno", "bad.py") == (
        "s.yaml:3:11: objects.0: bad.py:2:7: not valid Python: invalid syntax"
    )


def test_an_object_file_must_be_utf8_text_without_nul(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    (tmp_path / "nul.py").write_bytes(b"x = 1\0\n")
    (tmp_path / "huge.py").write_bytes(b"#" * (1024 * 1024 + 1))
    assert refusal(tmp_path, "reno", "latin.py").endswith("got byte 0xe9")
    assert "nul.py: not valid Python: " in refusal(tmp_path, "reno", "nul.py")
    assert refusal(tmp_path, "reno", "huge.py").endswith("at most 1024 KiB, got more")
    (tmp_path / "most.py").write_bytes(b"#" * (1024 * 1024))
    assert "most.py: expected a table of operations" in refusal(tmp_path, "reno", "most.py")


def test_an_object_file_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(MY_CC)
    assert refusal(tmp_path, "reno", "my_cc.py", "my_cc.py") == (
        "s.yaml:3:10: objects: file 'my_cc.py' is given twice"
    )


def test_two_object_files_with_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(MY_CC)
    (tmp_path / "b.py").write_text(MY_CC)
    assert refusal(tmp_path, "my_cc", "a.py", "b.py") == (
        "s.yaml:3:17: objects.1: b.py: 'my_cc', on line 1, is defined in a.py too"
    )


# --- what the kernel would refuse when the run begins ---

LACKS = (
    'from x import f\nmy_map = TcpCongestionOps(\n    name="my_cc", ssthresh=f, undo_cwnd=f\n)\n'
)
NOTHING = 'my_map = TcpCongestionOps(name="my_cc", ssthresh=None)\n'
EITHER = "required operation missing: cong_avoid or cong_control is not implemented"


def test_a_table_without_a_required_operation_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(LACKS)
    said = f"s.yaml:3:11: objects.0: my_cc.py:2: EINVAL: my_cc: {EITHER}"
    assert refusal(tmp_path, "my_cc", "my_cc.py") == said


def test_all_operations_that_a_table_lacks_are_told(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(NOTHING)
    assert refusal(tmp_path, "my_cc", "my_cc.py").endswith(
        "missing: ssthresh, undo_cwnd, cong_avoid or cong_control is not implemented"
    )


def test_the_map_that_a_link_begins_with_must_be_complete(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(LACKS)
    with pytest.raises(ScenarioError, match=r"my_cc\.py:2: EINVAL: "):
        load(tmp_path, "fleet", "my_cc.py", links="{fleet: my_map}")


def test_a_map_that_only_a_link_update_names_is_refused_when_the_run_comes_to_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "my_cc.py").write_text(LACKS)
    update = "swaps: [{at: 500 ms, via: link_update, link: fleet, to: my_map}]\n"
    file = tmp_path / "s.yaml"
    file.write_text(
        "duration: 1 s\npath: {rate: 10 Mbit/s, rtt: 40 ms}\nobjects: [my_cc.py]\n"
        f"links: {{fleet: reno}}\nflows:\n  - {{congestion: fleet}}\n{update}"
    )
    assert load_scenario(file).swaps[0].to == "my_map"


@pytest.mark.parametrize(
    "source",
    [
        "my_map = TcpCongestionOps(**members)\n",
        "my_map = dataclasses.replace(reno, name='my_cc')\n",
        f"{LACKS}my_map = dataclasses.replace(my_map, cong_avoid=f)\n",
        f"{LACKS.replace('my_map', '_base')}{MY_CC}",
    ],
)
def test_what_only_running_would_tell_or_nobody_attaches_is_not_complained_about(
    source: str, tmp_path: Path
) -> None:
    (tmp_path / "my_cc.py").write_text(source)
    assert load(tmp_path, "my_cc", "my_cc.py").flows[0].congestion == "my_cc"
