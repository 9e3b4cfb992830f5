"""What a run shows, in sentences with numbers: one paragraph about the run, one for each swap.

One run is one observation: its sentences state what it measured and claim nothing beyond.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ccsim.experiment.study.repeats import DIFFER
from ccsim.report.markup import Markup, tag
from ccsim.report.numbers import count, decimal, listed
from ccsim.report.setting import setting_words, workload_sentences

__all__ = ["run_sentences"]

Row = Mapping[str, Any]
ONE_BY_ONE = 4
"""Up to that many flows reached by a swap are listed one by one."""


def run_sentences(
    scenario: Row, metrics: Row, failed: str = "", connections: Mapping[str, int] | None = None
) -> list[Markup]:
    """Return the paragraphs of a run's summary; ``connections`` counts those of each workload."""
    paragraphs = [tag("p", *setting_words(scenario, metrics, connections or {}))]
    paragraphs += workload_sentences(metrics)
    if failed:
        paragraphs.insert(0, tag("p", "The run failed: ", failed, class_="failed-run"))
    for swap in metrics["swaps"]:
        paragraphs += _swap(swap, metrics["twins"])
    paragraphs.append(tag("p", _one_observation(scenario, metrics), class_="small"))
    return paragraphs


def _strong(text: str) -> Markup:
    return tag("strong", text)


def _swap(swap: Row, twins: Row) -> list[Markup]:
    """Tell of one swap; of several flows, but not many, in a list below."""
    flows = swap["flows"]
    head = _head(swap)
    if swap["error"] and not flows:
        return [tag("p", *head, f"failed: {swap['error']}. Nothing was changed.")]
    head.append(f"reached {count(swap['reached'], 'running flow')}. ")
    if swap["error"]:
        head.append(f"It failed in part: {swap['error']}. ")
    if swap.get("outcome"):
        when = f" after {_time(swap['outcome_s'] - swap['t_s'])} s" if swap["outcome_s"] else ""
        head.append(f"Its outcome{when}: {swap['outcome']}. ")
    if flows and not twins.get("a"):
        head.append("Without an A-twin there is nothing to measure its cost against. ")
        return [tag("p", *head, *_around(swap))]
    head += _together(swap["total"] or {"deficit_bytes": None}, swap["index"])
    if len(flows) > ONE_BY_ONE:
        head += _many(flows)
    elif len(flows) == 1:
        head += _disruption(flows[0], swap["new"])
    else:
        items = [tag("li", *_disruption(flow, swap["new"])) for flow in flows]
        below = [tag("ul", *items)] if items else []
        return [tag("p", *head, *_around(swap)), *below]
    return [tag("p", *head, *_around(swap))]


def _head(swap: Row) -> list[Any]:
    """Return when, what set it off, from what to what, and how."""
    trigger = f" ({swap['trigger']})" if swap.get("trigger") else ""
    state = swap.get("state")
    policy = f", state policy {state}," if state and swap["flows"] else ""
    what = _strong(f"{swap['old']} → {swap['new']}")
    return [f"At {_time(swap['t_s'])} s{trigger}, ", what, f" by {swap['via']}{policy} "]


def _disruption(row: Row, new: str) -> list[Any]:
    """Tell of one flow: what it fell behind, how deep the dip was, how long, what was dropped."""
    return [
        *_deficit(row),
        *_dip(row),
        *_to_twin(row, new),
        *_losses(row),
    ]


def _together(total: Row, index: int) -> list[Any]:
    """Tell of all flows in the swap's window: bytes, drops, the tail of the RTT, stalls."""
    if total["deficit_bytes"] is None:
        return []
    others = [str(other) for other in total["swaps"] if other != index]
    shared = f" (with swap {listed(others)}, which came at once)" if others else ""
    who = "the one flow" if total["flows"] == 1 else f"all {total['flows']} flows together"
    words = [
        f"From {_time(total['from_s'])} to {_time(total['to_s'])} s{shared}, {who} delivered ",
        *_less(total),
        f"; {count(total['drops'], 'packet was', 'packets were')} dropped or lost, "
        f"{_more(total['extra_drops'])} than in the A-twin",
    ]
    if total["rtt_p99_ms"] is not None:
        words.append(f", the p99 of the RTTs was {decimal(total['rtt_p99_ms'], 1)} ms")
    if total["longest_stall_s"] is not None:
        words.append(f", the longest stall {decimal(total['longest_stall_s'], 2)} s")
    return [*words, ". "]


def _more(number: int) -> str:
    return f"{abs(number):,} {'more' if number >= 0 else 'less'}"


def _deficit(row: Row) -> list[Any]:
    if row["deficit_bytes"] is None:
        return []
    return [f"{row['flow']} delivered ", *_less(row), ". "]


def _less(row: Row) -> list[Any]:
    """Tell by how much less was delivered than in the A-twin."""
    behind = row["deficit_bytes"] >= 0
    megabytes = decimal(abs(row["deficit_bytes"]), 3, 1e-6)
    words: list[Any] = [
        _strong(f"{megabytes} MB {'less' if behind else 'more'}"),
        " than in the A-twin, where nothing was swapped",
    ]
    if row["deficit_s"] is not None:
        seconds = decimal(abs(row["deficit_s"]), 3)
        words.append(f": {seconds} s of the goodput there")
    if row["deficit_peak_bytes"] and row["deficit_peak_bytes"] > abs(row["deficit_bytes"]):
        words.append(f" ({decimal(row['deficit_peak_bytes'], 3, 1e-6)} MB behind at worst)")
    return words


def _dip(row: Row) -> list[Any]:
    if row["dip_worst_ratio"] is None:
        return []
    words: list[Any] = [
        "Its worst 200 ms ran at ",
        _strong(f"{decimal(row['dip_worst_ratio'], 0, 100)} %"),
        " of the 2 s before",
    ]
    back = row["dip_recovery_s"]
    if isinstance(back, Mapping):
        words.append(f" and it was not back above 95 % of the A-twin within {_seconds(back)} s")
    elif back is not None and back > 0:
        words.append(f"; it was back above 95 % of the A-twin after {back:g} s")
    elif back == 0:
        words.append("; it never fell below 95 % of the A-twin")
    return [*words, ". "]


def _to_twin(row: Row, new: str) -> list[Any]:
    time = row["time_to_b_twin_s"]
    if time is None:
        return []
    if isinstance(time, Mapping):
        return [
            f"Within {_seconds(time)} s it did not come within 10 % of the B-twin, "
            f"which ran {new} from the start. "
        ]
    return [f"It ran within 10 % of the B-twin, which ran {new} from the start, after {time:g} s. "]


def _losses(row: Row) -> list[Any]:
    words: list[Any] = ["The second after cost ", _strong(_packets(row["drops_in_second_after"]))]
    timeouts = count(row["rtos"], "retransmission timeout")
    words.append(f" and {timeouts} fired" if row["rtos"] else f"; {timeouts} fired")
    if row["rtt_p99_ms"] is not None:
        words.append(f"; the p99 of its RTT was {decimal(row['rtt_p99_ms'], 1)} ms")
    return [*words, ". "]


def _packets(number: int) -> str:
    return count(number, "dropped packet")


def _seconds(censored: Row) -> str:
    return _time(censored["at_least_s"])


def _time(seconds: float) -> str:
    """Return seconds to the millisecond, without zeros at the end."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _many(flows: Sequence[Row]) -> list[Any]:
    """Tell of many flows at once: medians and ranges, and how many never recovered."""
    deficits = [row["deficit_s"] for row in flows if row["deficit_s"] is not None]
    words: list[Any] = []
    if deficits:
        low, middle, high = min(deficits), statistics.median(deficits), max(deficits)
        words += [
            "Each delivered ",
            _strong(f"{decimal(middle, 3)} s"),
            f" of its goodput in the A-twin less (median of {len(deficits)}; from "
            f"{decimal(low, 3)} to {decimal(high, 3)} s). ",
        ]
    censored = sum(isinstance(row["dip_recovery_s"], Mapping) for row in flows)
    dropped = sum(row["drops_in_second_after"] for row in flows)
    words.append(f"In the seconds after they lost {count(dropped, 'packet')} together. ")
    if censored:
        words.append(f"{censored} of them never got back above 95 % of their A-twins. ")
    return words


def _around(swap: Row) -> list[Any]:
    """Tell what happened beside the flows that were swapped."""
    words: list[Any] = []
    if (beside := swap.get("neighbours")) and beside["harm"] is not None:
        lost = "lost" if beside["harm"] >= 0 else "gained"
        words.append(
            f"{count(beside['flows'], 'neighbour').capitalize()} {lost} "
            f"{decimal(abs(beside['harm']), 1, 100)} % of their goodput in the "
            f"{_time(beside['window_s'])} s after. "
        )
    fair = swap.get("fairness")
    if fair and None not in (fair["jain_index"], fair["jain_index_a_twin"]):
        words.append(
            f"Jain's index of the {count(fair['flows'], 'flow')} was {fair['jain_index']:.3f}, in "
            f"the A-twin {fair['jain_index_a_twin']:.3f}. "
        )
    if held := swap.get("connections"):
        words.append(
            f"{count(held['old_at_update'], 'connection')} stayed on {swap['old']}, "
            f"{held['new_since']} started on {swap['new']}"
        )
        words.append(f", {_last_old(held, swap['old'])}. ")
    return words


def _last_old(held: Row, old: str) -> str:
    last = held["last_old_closed_s"]
    if isinstance(last, Mapping):
        return f"and {old} still served some {_seconds(last)} s later"
    return f"and the last one on {old} was gone after {_time(last)} s"


def _one_observation(scenario: Row, metrics: Row) -> str:
    if not metrics["swaps"]:
        return f"One run (n = 1): what it measured, not an estimate. {_replicate(metrics)}"
    names = listed([name for name in ("A-twin", "B-twin") if metrics["twins"].get(name[0].lower())])
    against = f" against {names} with the same random numbers" if names else ""
    return (
        f"One run (n = 1, seed {scenario['seed']}){against}: what it measured, not an estimate. "
        f"{_replicate(metrics)}"
    )


def _replicate(metrics: Row) -> str:
    """Return how to come to an interval; where nothing is random, seeds are no way."""
    drew = metrics.get("random")
    if drew == []:
        return f"Nothing in it is random: seeds would give the same run. They differ by {DIFFER}."
    return "For intervals, replicate it over seeds with ccsim sweep."
