"""Data written as YAML is read back the same, and looks as people write it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.scenario.document import parse_document
from ccsim.scenario.write import scenario_text

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    # control characters and surrogates: YAML has no way to hold them
    | st.text(
        st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co"), exclude_characters="\ufeff")
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_sections_stand_on_a_line_and_lists_have_one_for_each_entry() -> None:
    data = {
        "name": "x",
        "duration": "60 s",
        "seed": 1,
        "path": {"rate": "100 Mbit/s", "buffer": "1.5 BDP", "loss": "0.01 %"},
        "flows": [{"name": "bulk", "congestion": {"name": "cubic", "hystart": False}}],
        "objects": [],
    }
    assert scenario_text(data, ["First.", "", "Second."]) == (
        "# First.\n#\n# Second.\n\n"
        "name: x\nduration: 60 s\nseed: 1\n"
        "path: {rate: 100 Mbit/s, buffer: 1.5 BDP, loss: 0.01 %}\n"
        "flows:\n  - {name: bulk, congestion: {name: cubic, hystart: false}}\n"
        "objects: []\n"
    )


@pytest.mark.parametrize(
    "text",
    ["true", "null", "1", "1e3", "0x1f", "a: b", "#x", "", " a", "~", "2026-01-01", "on]", '"'],
)
def test_a_text_that_yaml_would_read_as_something_else_is_quoted(text: str) -> None:
    again = parse_document(scenario_text({"key": text, "list": [text]}), "x").data
    assert again == {"key": text, "list": [text]}


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), PLAIN, min_size=1, max_size=5))
def test_what_is_written_is_read_back(data: dict[str, Any]) -> None:
    assert parse_document(scenario_text(data), "x").data == data


def test_a_comment_cannot_become_data() -> None:
    text = scenario_text({"a": 1}, ["x\nb: 2"])
    assert parse_document(text, "x").data == {"a": 1}


def test_what_is_no_plain_data_is_refused() -> None:
    with pytest.raises(TypeError, match="expected plain data, got object"):
        scenario_text({"a": object()})
