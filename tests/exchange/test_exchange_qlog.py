"""A run as qlog: what is written is what the schema demands and what the run did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ccsim.exchange.capture import Selection
from ccsim.exchange.qlog import write_qlog
from ccsim.experiment.stored import StoredRun
from tests.exchange.cbor import to_cbor

Record = dict[str, Any]
CDDL = Path(__file__).with_name("qlog.cddl").read_text("utf-8")


def records(path: Path) -> list[Record]:
    """Read a JSON text sequence (RFC 7464): each text between a separator and a line's end."""
    parts = path.read_bytes().split(b"\x1e")
    assert parts[0] == b""
    assert all(part.endswith(b"\n") for part in parts[1:])
    return [json.loads(part) for part in parts[1:]]


@pytest.fixture(scope="module")
def log(swap: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    target = tmp_path_factory.mktemp("qlog") / "swap.sqlog"
    write_qlog(swap, target)
    return records(target)


def named(log: list[Record], name: str) -> list[Record]:
    return [record for record in log if record.get("name") == name]


def test_every_record_is_what_the_schema_demands(log: list[Record]) -> None:
    pycddl = pytest.importorskip("pycddl")
    schema = pycddl.Schema(CDDL)
    for record in log[:500] + log[-500:]:
        schema.validate_cbor(to_cbor(record))
    for record in log:
        if not record.get("name", "tcp:packet").startswith("tcp:packet"):
            schema.validate_cbor(to_cbor(record))
    with pytest.raises(pycddl.ValidationError):
        schema.validate_cbor(to_cbor({**log[-1], "time": 1}))
    with pytest.raises(pycddl.ValidationError):
        schema.validate_cbor(to_cbor({"time": 1.0, "name": "tcp:start"}))


def test_the_head_says_what_follows(log: list[Record]) -> None:
    head = log[0]
    assert head["serialization_format"] == "application/qlog+json-seq"
    assert head["trace"]["vantage_point"]["type"] == "client"
    schemas = {record["name"].split(":")[0] for record in log[1:]}
    assert schemas == {"simulation", "tcp"}
    assert {uri.rsplit(":", 1)[1] for uri in head["trace"]["event_schemas"]} == schemas


def test_events_are_in_order_of_time(log: list[Record]) -> None:
    times = [record["time"] for record in log[1:]]
    assert times == sorted(times)


def test_its_packets_are_those_that_the_run_counts(log: list[Record], swap: StoredRun) -> None:
    counters = swap.flows["bulk"].counters
    sent = named(log, "tcp:packet_sent")
    assert len(sent) == counters["packets_sent"]
    again = [record for record in sent if record["data"].get("is_retransmission")]
    assert len(again) == counters["retransmissions"]


def test_a_packet_is_told_by_its_header(log: list[Record]) -> None:
    """10 Mbit/s: the SYN takes 48 us and is answered after 40 ms."""
    assert named(log, "tcp:packet_received")[0] == {
        "time": 40.048,
        "name": "tcp:packet_received",
        "group_id": "bulk",
        "data": {
            "header": {
                "sequence_number": 0,
                "acknowledgement_number": 1,
                "flags": ["syn", "ack"],
                "timestamp": [307268, 307248],
            },
            "raw": {"length": 60, "payload_length": 0},
        },
    }


def test_metrics_say_what_has_changed_alone(log: list[Record], swap: StoredRun) -> None:
    known: Record = {}
    flow = swap.flows["bulk"]
    at = {int(t): k for k, t in enumerate(flow.t_ns)}
    for record in named(log, "tcp:recovery_metrics_updated"):
        assert all(known.get(key) != value for key, value in record["data"].items())
        known |= record["data"]
        k = at[round(record["time"] * 1e6)]
        assert known["congestion_window"] == flow.snd_cwnd[k] * 1448
        assert known["packets_in_flight"] == flow.in_flight[k]


def test_the_swap_is_a_marker(log: list[Record]) -> None:
    (marker,) = named(log, "simulation:marker")
    assert marker["time"] == 4000.0
    assert marker["data"]["message"] == "swap 0: bulk: cubic → reno, setsockopt, at 4 s"


def test_states_go_from_one_to_the_next(log: list[Record]) -> None:
    state = "open"
    changes = named(log, "tcp:congestion_state_updated")
    assert len(changes) > 5
    for record in changes:
        assert record["data"]["old"] == state
        state = record["data"]["new"]


def test_a_part_of_it_may_be_asked_for(marked: StoredRun, tmp_path: Path) -> None:
    target = tmp_path / "x.sqlog"
    wanted = Selection(from_ns=200_000_000, to_ns=300_000_000, flows=("new",))
    write_qlog(marked, target, wanted=wanted)
    found = records(target)[2:]
    assert {record["group_id"] for record in found} == {"new"}
    assert 200 <= found[0]["time"] <= found[-1]["time"] < 300
    packets = named(found, "tcp:packet_sent")
    assert {record["data"]["ecn"] for record in packets} == {"ect0"}
