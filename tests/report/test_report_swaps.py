"""The table of a swap: a column a flow while they are few, else a row a flow in two tables."""

from __future__ import annotations

import html
import re
from typing import Any

from ccsim.report.swap_table import swap_tables


def swap(reached: int, beside: int) -> dict[str, Any]:
    """Return a swap of flows that each lost 1 MB, at 10 s."""

    def own(name: str, **more: Any) -> dict[str, Any]:
        figures = {"deficit_bytes": 1_000_000, "deficit_s": 0.5, "drops": 3, "marks": 0, "rtos": 0}
        return {"flow": name, **figures, **more}

    cwnd = {"cwnd_before_packets": 30, "cwnd_after_packets": 10, "cwnd_jump_packets": -20}
    flows = [own(f"f-{k}", at_s=10.0 + k, **cwnd) for k in range(reached)]
    others = [own(f"o-{k}") for k in range(beside)]
    whole = {"deficit_bytes": 1_000_000 * (reached + beside), "marks": 0, "from_s": 10, "to_s": 20}
    return {
        "index": 2,
        "label": "cubic → bbr, sweep",
        "total": whole,
        "flows": flows,
        "beside": others,
    }


def text(*swaps: dict[str, Any]) -> str:
    return html.unescape(" ".join(swap_tables(swaps)))


def cells(row: str, page: str) -> list[str]:
    (found,) = re.findall(rf"<tr><th[^>]*>{re.escape(row)}</th>(.*?)</tr>", page)
    return re.findall(r"<td[^>]*>(.*?)</td>", found)


def test_few_flows_stand_beside_one_another_below_their_sum() -> None:
    page = text(swap(2, 1))
    assert "What swap 2 cost, cubic → bbr, sweep: from 10 to 20 s" in page
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page)
    assert heads == ["", "all", "f-0", "f-1", "o-0 (beside)"]
    assert cells("goodput deficit to A-twin (MB)", page) == ["3.000", "1.000", "1.000", "1.000"]
    assert cells("cwnd (packets)", page) == ["–", "30 → 10", "30 → 10", "–"]


def test_one_flow_alone_has_no_column_of_all() -> None:
    assert re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', text(swap(1, 0))) == ["", "f-0"]


def test_what_nothing_is_known_of_and_marks_that_were_none_are_left_out() -> None:
    page = text(swap(2, 0))
    assert "longest stall" not in page
    assert "marks (packets)" not in page


def test_many_flows_have_a_row_each_in_two_tables() -> None:
    page = text(swap(9, 1))
    assert page.count("<table") == 2
    assert "transposed" not in page
    first, second = page.split("Of each flow from its own swap on.")
    assert first.count("<tr>") == 1 + 11  # heading, all, nine and one
    assert second.count("<tr>") == 1 + 9
    assert first.count("<th ") <= 11  # what fits 1080 px


def test_a_swap_that_failed_has_no_table() -> None:
    assert text({**swap(0, 0), "total": None}) == ""
