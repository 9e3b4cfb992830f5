"""``ccsim new object``: what it writes compiles, verifies and names what is there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ccsim.bpf.header import header_text
from ccsim.bpf.object import open_object
from ccsim.cli.entry import main
from ccsim.cli.template import NameRefused
from ccsim.cli.template_object import write_object
from tests.bpf.edge_rig import archive

CLANG = shutil.which("clang")


def test_the_object_that_it_makes_loads() -> None:
    # compiled by clang 14 from what `ccsim new object my_cc` wrote
    opened = open_object(archive("kinds")["my_cc.v3.bpf.o"], "my_cc")
    assert opened.variables() == {
        "increase": (".rodata", 1),
        "kept": (".rodata", 717),
        "losses": (".bss", 0),
    }
    loaded = opened.load()
    assert sorted(loaded.tables["my_cc"].programs) == [
        *("cong_avoid", "init", "pkts_acked", "ssthresh", "undo_cwnd"),
    ]


@pytest.mark.skipif(CLANG is None, reason="needs clang")
def test_what_is_written_compiles_without_a_warning(tmp_path: Path) -> None:
    source, _, _ = write_object("mine", tmp_path / "made")
    command = ["clang", "-O2", "-g", "-Wall", "-Wno-unused", "-Werror", "-target", "bpf"]
    subprocess.run(
        [*command, "-mcpu=v3", "-c", source.name, "-o", "mine.bpf.o"],
        cwd=source.parent,
        check=True,
        timeout=60,
    )
    assert main(["check", str(source.parent / "mine.bpf.o")]) == 0


def test_the_makefile_and_the_message_name_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "object", "mine", "--dir", str(tmp_path)]) == 0
    assert f"make -C {tmp_path} check" in capsys.readouterr().out
    assert "mine.bpf.o: mine.bpf.c bpf_cc.h\n\t$(CLANG)" in (tmp_path / "Makefile").read_text()


def test_the_header_declares_fields_with_their_widths() -> None:
    text = header_text()
    assert "\tu8 is_cwnd_limited : 1;\n" in text
    assert "\tstruct minmax_sample s[3];\n" in text
    assert (
        "(*cong_control)(struct sock *sk, u32 ack, int flag, const struct rate_sample *rs);" in text
    )
    assert "extern u32 tcp_reno_ssthresh(struct sock *sk) __ksym;" in text
    assert "get_info" not in text


@pytest.mark.parametrize("name", ["struct", "9lives", "a.b", "sixteen_letters_", "losses", "u32"])
def test_a_name_that_c_or_the_kernel_would_not_take_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(NameRefused):
        write_object(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("mine")
    with pytest.raises(NameRefused, match="exists already"):
        write_object("mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]
