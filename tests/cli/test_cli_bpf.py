"""Compiled objects on the command line: the shell, the gallery, `verify bpf`; and from Python."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

import pytest

import ccsim
from ccsim.cli import main
from ccsim.kernel import Kernel, Object, Sock
from ccsim.kernel.errors import KernelError
from tests.bpf.bpf_rig import DATA

AIMD = DATA / "objects" / "aimd.bpf.o"


def test_the_shell_opens_loads_links_updates_and_dumps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "story.txt"
    script.write_text(
        f"open {AIMD}\nload aimd\nattach aimd_one\nconnect a aimd\nsend a 2\n"
        "update aimd_one aimd_two\nconnect b aimd\nsend b 3\nss\ndump aimd\n"
    )
    assert main(["kernel", str(script)]) == 0
    printed = capsys.readouterr().out
    assert "object aimd: maps aimd_one (aimd), aimd_two (aimd)" in printed
    assert "2 ACKs served by aimd_one" in printed
    assert "3 ACKs served by aimd_two" in printed
    assert '"kept_percent": 70' in printed


def test_the_gallery_takes_an_object(tmp_path: Path) -> None:
    from ccsim.experiment.gallery import gallery_scenarios

    scenarios = gallery_scenarios([str(AIMD)], duration="1 s")
    assert list(scenarios) == ["aimd"]
    assert scenarios["aimd"].objects == (str(AIMD.resolve()),)


def test_verify_bpf_counts_calls_and_differences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(DATA / "recordings" / "probe_rto.jsonl.xz", tmp_path)
    shutil.copy(DATA / "objects" / "probe.bpf.o", tmp_path)
    assert main(["verify", "bpf", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "probe_rto.jsonl.xz: interpreter: 720 calls, 0 differences" in printed
    assert "probe_rto.jsonl.xz: python: 720 calls, 0 differences" in printed


def test_verify_bpf_prints_the_first_difference_in_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(DATA / "objects" / "probe.bpf.o", tmp_path)
    source = DATA / "recordings" / "probe_rto.jsonl.xz"
    text = lzma.decompress(source.read_bytes()).decode().replace('"snd_cwnd":11', '"snd_cwnd":12')
    (tmp_path / "changed.jsonl").write_text(text)
    assert main(["verify", "bpf", str(tmp_path / "changed.jsonl"), "--form", "python"]) == 1
    printed = capsys.readouterr().out
    assert "probe_cong_avoid: snd_cwnd: expected 12, got 11" in printed
    assert '"op": "cong_avoid"' in printed


def test_verify_bpf_without_the_object_says_where_it_looked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(DATA / "recordings" / "probe_rto.jsonl.xz", tmp_path)
    (tmp_path / "probe.bpf.o").write_bytes(AIMD.read_bytes())  # the name alone is not enough
    assert main(["verify", "bpf", str(tmp_path)]) == 2
    assert "expected the object probe.bpf.o with SHA-256" in capsys.readouterr().err


def test_from_python_an_object_is_loaded_attached_and_read() -> None:
    found = ccsim.load_object(AIMD, {"increase": 5})
    kernel = Kernel()
    opened = Object.open(found.tables)
    opened.load(kernel)
    opened.maps["aimd_one"].attach_struct_ops()
    sk = Sock()
    kernel.socket(sk)
    kernel.setsockopt(sk, 13, "aimd")
    kernel.connect(sk)
    sk.ca_ops.cong_avoid(sk, 0, 7)  # type: ignore[misc]
    assert sk.snd_cwnd == 10, "the window was not the limit"
    sk.is_cwnd_limited = True
    sk.ca_ops.cong_avoid(sk, 0, 7)  # type: ignore[misc]
    assert sk.snd_cwnd == 17
    assert (found.bss["one"]["cong_avoid"], found.bss["one"]["acked"]) == (2, 14)
    assert found.data == {"increase": 5, "kept_percent": 70}
    assert found.rodata == {}
    kernel.close(sk)
    assert found.bss["one"]["release"] == 1


def test_two_objects_of_one_file_share_nothing() -> None:
    one, other = ccsim.load_object(AIMD), ccsim.load_object(AIMD)
    sk = Sock()
    sk.ca = one.runtime.area()
    one.tables["aimd_one"].init(sk)  # type: ignore[misc]
    assert (one.bss["one"]["init"], other.bss["one"]["init"]) == (1, 0)


def test_a_variable_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="no_such"):
        ccsim.load_object(AIMD, {"no_such": 1})


def test_an_object_that_libbpf_would_not_open_has_stage_and_errno(tmp_path: Path) -> None:
    (tmp_path / "x.bpf.o").write_bytes(AIMD.read_bytes()[:300])
    with pytest.raises(KernelError, match=r"^open: "):
        ccsim.load_object(tmp_path / "x.bpf.o")
