"""Whatever is no markup is text: nothing that a user wrote can become an element or a script."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.report.markup import Markup, script_json, tag


class Reader(HTMLParser):
    """Collects elements and text as a browser would see them."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_text_is_escaped_and_markup_is_not_escaped_twice() -> None:
    inner = tag("b", "a < b & c")
    assert inner == "<b>a &lt; b &amp; c</b>"
    assert tag("p", inner, " > ", 7) == "<p><b>a &lt; b &amp; c</b> &gt; 7</p>"


def test_attributes_are_quoted_and_none_leaves_them_out() -> None:
    made = tag("td", "x", class_="a b", data_key=1.5, title="\"<&'", hidden=None, open=True)
    assert made == '<td class="a b" data-key="1.5" title="&quot;&lt;&amp;&#x27;" open>x</td>'


def test_lists_are_taken_apart_and_none_is_nothing() -> None:
    assert tag("ul", [tag("li", 1), [None, "<"]]) == "<ul><li>1</li>&lt;</ul>"


@pytest.mark.parametrize("name", ["script", "style", "p onclick=x", "", "p>"])
def test_elements_that_could_run_something_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="markup: expected the name of an element"):
        tag(name, "x")


@pytest.mark.parametrize("name", ["onclick", "ONLOAD", "a b", 'x="'])
def test_attributes_that_could_run_something_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="markup: expected the name of an attribute"):
        tag("p", **{name: "x"})


@given(st.text(), st.text())
def test_any_text_is_read_back_as_that_text_and_adds_no_element(text: str, value: str) -> None:
    reader = Reader(tag("p", text, title=value))
    title = reader.elements[0][1]["title"]
    assert [name for name, _ in reader.elements] == ["p"]
    assert title is not None
    assert title == value.replace("\0", "\ufffd")
    assert reader.text == text.replace("\0", "\ufffd")


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--", "]]>", "\u2028&"])
def test_json_in_a_script_cannot_end_it_and_still_means_the_same(text: str) -> None:
    made = script_json({"name": text})
    assert not set("<>&\u2028\u2029") & set(made)
    assert json.loads(made) == {"name": text}


def test_numbers_that_json_has_no_word_for_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        script_json([float("nan")])


def test_a_text_that_looks_like_markup_is_no_markup() -> None:
    assert tag("p", "<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>"
    assert tag("p", Markup("<b>x</b>")) == "<p><b>x</b></p>"
