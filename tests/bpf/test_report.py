"""What ``ccsim check`` says of objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ccsim.bpf.report import check_object
from ccsim.cli.entry import main
from tests.bpf.edge_rig import edge_files

OBJECTS = Path(__file__).parent / "data" / "objects"


def edge(name: str, folder: Path) -> str:
    path = folder / name
    path.write_bytes(edge_files()[name])
    return str(path)


def test_a_report_lists_what_the_source_of_the_object_uses() -> None:
    report = check_object(str(OBJECTS / "marks.bpf.o"))
    assert report.ok
    found = report.to_json()
    # read off marks.bpf.c by eye
    assert found["helpers"] == ["bpf_tcp_send_ack"]
    assert found["kernel_functions"] == ["tcp_reno_cong_avoid", "tcp_reno_undo_cwnd"]
    assert found["fields_written"] == [
        *("ecn_flags", "icsk_ack.pending", "icsk_ca_priv", "snd_ssthresh"),
    ]
    assert found["fields_read"] == [
        *("delivered", "delivered_ce", "ecn_flags", "icsk_ack.pending", "icsk_ca_priv"),
        *("rcv_nxt", "snd_cwnd", "snd_nxt", "snd_una"),
    ]
    assert found["tables"]["marks"]["flags"] == 2
    assert all(row["guarded"] == 0 for row in found["programs"].values())


def test_variables_stand_with_the_values_they_load_with() -> None:
    maps = check_object(str(OBJECTS / "leaver.bpf.o")).to_json()["maps"]
    assert maps[0]["variables"] == {"patience": 3, "successor": "cubic"}


def test_check_prints_a_refusal_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = edge("write_clamp.bpf.o", tmp_path)
    assert main(["check", file]) == 1
    assert capsys.readouterr().out == (
        f"{file}: load: EACCES: prog 'bad_cong_avoid': insn 2: ; tp->snd_cwnd_clamp = 10; @ "
        "write_clamp.bpf.c:23: no write support to tcp_sock at off 1936\n"
    )


def test_check_foretells_what_attaching_refuses(tmp_path: Path) -> None:
    for name, said in (
        ("no_cong_avoid.bpf.o", "bad: cong_avoid or cong_control: required"),
        ("name_empty.bpf.o", "bad: the congestion control has no name"),
        ("name_bad_character.bpf.o", "expected letters, digits"),
    ):
        (refusal,) = check_object(edge(name, tmp_path)).refusals
        assert (refusal.stage, refusal.number) == ("attach", 22)
        assert said in refusal.message


def test_a_file_that_is_no_object_is_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.bpf.o"
    file.write_bytes(b"text")
    assert main(["check", str(file), "--json"]) == 2
    (document,) = json.loads(capsys.readouterr().out)["files"]
    assert document["refusals"][0]["errno"] == "4001"
    assert main(["check", str(tmp_path / "none.o")]) == 2
