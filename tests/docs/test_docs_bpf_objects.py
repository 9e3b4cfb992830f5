"""docs/bpf_objects.md: its tables are made from the code, and its messages are ones that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ccsim.bpf.inventory import TABLES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "bpf_objects.md").read_text(encoding="utf-8")
CODE = "".join(path.read_text("utf-8") for path in sorted((ROOT / "ccsim" / "bpf").rglob("*.py")))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_what_the_code_makes(name: str) -> None:
    (found,) = re.findall(rf"<!-- table: {name} -->\n\n(.*?)\n\n<!-- end -->", TEXT, re.DOTALL)
    assert found == TABLES[name]()


MESSAGES = (
    "BTF is required",
    "struct ops programs must have a GPL compatible license",
    "program isn't referenced anywhere",
    "failed to resolve CO-RE relocation <",
    "extern (func ksym) '",
    "(strong): not resolved",
    "invalid mem access '",
    "no write support to tcp_sock at off ",
    "invalid variable offset",
    "max value is outside of the allowed memory range",
    "unbounded memory access",
    "infinite loop detected",
    "BPF program is too large",
    "program of this type cannot use helper ",
    "but ccsim does not have it",
    "Cannot find member ",
    " in kernel BTF",
)


def test_each_message_that_is_explained_stands_in_the_code() -> None:
    rows = TEXT.split("| message | what to do |")[1].split("\n\n")[0].splitlines()[2:]
    code = re.sub(r'"\s+f?"', "", CODE).replace("{answer.what}", "<").replace('\\"', '"')
    for message in MESSAGES:
        assert any(message in row for row in rows), message
        assert message in code, message
    assert all(any(m in row for m in (*MESSAGES, "`required`")) for row in rows)


def test_the_tables_name_what_a_reader_looks_for() -> None:
    assert "| `cong_avoid` | sk, ack, acked |  |" in TABLES["members"]()
    assert "`snd_cwnd_stamp`" in TABLES["fields"]().splitlines()[-1]
    assert "`tcp_reno_undo_cwnd`" in TABLES["calls"]()
    assert "`CONFIG_HZ`" in TABLES["objects"]()
