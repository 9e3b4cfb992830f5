"""Tests of reading YAML: plain data with positions, and what is refused before any model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.errors import ScenarioError
from ccsim.scenario.document import parse_document, parse_value


def refusal(text: str | bytes) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse_document(text, "s.yaml")
    return str(caught.value)


def test_every_key_and_value_knows_its_line_and_column() -> None:
    document = parse_document("a: 1\nb:\n  - {c: x, d: [y]}\n", "s.yaml")
    assert document.data == {"a": 1, "b": [{"c": "x", "d": ["y"]}]}
    assert document.values[("a",)] == (1, 4)
    assert document.keys[("b", 0, "d")] == (3, 12)
    assert document.values[("b", 0, "d", 0)] == (3, 16)


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "[1, 2.5, true, ~, 'x', 010, 0x1F, 1e3, .inf, 2026-01-01, no, 12:30, 1_000]"
    expected = [1, 2.5, True, None, "x", 10, 31, 1000.0, float("inf"), "2026-01-01", "no"]
    assert parse_value(text, "s.yaml") == [*expected, "12:30", 1000]


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse_document(b"\xef\xbb\xbfname: x\n", "s.yaml").data == {"name": "x"}


def test_an_alias_stands_for_its_anchor() -> None:
    document = parse_document("a: &x {r: 1}\nb: *x\n", "s.yaml")
    assert document.data == {"a": {"r": 1}, "b": {"r": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 's.yaml:1:1: expected a mapping such as "name: …", got an empty file'),
        (
            "# only a comment\n",
            's.yaml:1:1: expected a mapping such as "name: …", got an empty file',
        ),
        ("- 1\n", 's.yaml:1:1: expected a mapping such as "name: …", got a list'),
        ("hello\n", 's.yaml:1:1: expected a mapping such as "name: …", got "hello"'),
        ("a: 1\nb: 2\na: 3\n", "s.yaml:3:1: key 'a' is given twice; the first is on line 1"),
        (
            "p:\n  r: 1\n  r: 2\n",
            "s.yaml:3:3: p: key 'r' is given twice; the first is on line 2",
        ),
        ("a: [1, 2\n", "s.yaml:2:1: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n---\nb: 2\n", "s.yaml:2:1: not valid YAML: but found another document"),
        ("a: *b\n", "s.yaml:1:4: not valid YAML: found undefined alias 'b'"),
        ("a: b: c\n", "s.yaml:1:5: not valid YAML: mapping values are not allowed here"),
        (
            "\ta: 1\n",
            "s.yaml:1:1: not valid YAML: found character '\\t' that cannot start any token",
        ),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            "s.yaml:1:4: a: expected plain data, got the tag "
            "'tag:yaml.org,2002:python/object/apply:os.system'; tags are not understood",
        ),
        (
            "a: !mine 3\n",
            "s.yaml:1:4: a: expected plain data, got the tag '!mine'; tags are not understood",
        ),
        ("a: !!int x\n", 's.yaml:1:4: a: expected a YAML int, got "x"'),
        ("? [1]\n: 2\n", "s.yaml:1:3: expected a word as key, got a list or mapping"),
        (
            "a: &x {b: 1}\nc: {<<: *x}\n",
            "s.yaml:2:5: c: merge keys (<<) are not understood; write the keys out",
        ),
        (b"a: 1\nb: \xff\n", "s.yaml:2:4: expected UTF-8 text, got byte 0xff"),
        (b"a: 1" + b" " * 262_144, "s.yaml: expected at most 256 KiB of YAML, got more"),
    ],
)
def test_what_is_no_plain_mapping_is_refused_at_its_place(text: str | bytes, message: str) -> None:
    assert refusal(text) == message


def test_an_alias_bomb_is_refused_before_it_unfolds() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for i in range(1, 12):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]")
    assert "expected at most 20000 values, got more" in refusal("\n".join(lines))


def test_an_anchor_inside_itself_is_refused() -> None:
    assert refusal("a: &x [*x]\n").endswith("expected at most 20 levels of nesting, got more")


def test_deep_nesting_is_refused() -> None:
    assert refusal("a: " + "[" * 600).startswith("s.yaml:1:")
    assert "20 levels" in refusal("a: " + "[" * 30 + "]" * 30)


def test_twenty_levels_and_twenty_thousand_values_are_the_most() -> None:
    """Below the mapping, which is a value, too; so are the list and each x in it."""
    assert parse_document("a: " + "[" * 20 + "]" * 20, "s.yaml")
    assert "20 levels" in refusal("a: " + "[" * 21 + "]" * 21)
    assert parse_document(f"a: [{', '.join(['x'] * 19_998)}]", "s.yaml")
    assert "20000 values" in refusal(f"a: [{', '.join(['x'] * 19_999)}]")


def test_a_file_of_256_kib_is_the_longest_and_has_no_line_to_blame() -> None:
    text = "a: b #"
    assert parse_document(text + "x" * (256 * 1024 - len(text)), "s.yaml").data == {"a": "b"}
    told = refusal(text + "x" * (256 * 1024 - len(text) + 1))
    assert told == "s.yaml: expected at most 256 KiB of YAML, got more"


def test_a_number_of_thousand_digits_is_refused() -> None:
    assert "expected a YAML int" in refusal("seed: " + "9" * 5000)


@given(st.text(max_size=80))
def test_whatever_the_text_only_a_scenario_error_comes_out(text: str) -> None:
    try:
        data = parse_document(text, "s.yaml").data
    except ScenarioError as error:
        data = {"refused": str(error)}
    assert isinstance(data, dict)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('name: "\\ud800"', "s.yaml:1:7: name: expected text, got half a character, \\ud800"),
        ('"\\udfff": 1', "s.yaml:1:1: expected text, got half a character, \\udfff"),
        ('a: [1, {b: "x\\udc80"}]', "s.yaml:1:12: a.1.b: expected text, got half a character"),
    ],
)
def test_half_a_character_is_no_text(text: str, told: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_document(text, "s.yaml")
    assert str(caught.value).startswith(told)


def test_a_whole_character_beyond_the_first_65536_is_text() -> None:
    assert parse_document('name: "\\U0001F600"', "s.yaml").data == {"name": "\U0001f600"}
