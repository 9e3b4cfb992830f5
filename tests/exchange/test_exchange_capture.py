"""A run as a capture: what the real tshark finds in it is what the run has counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ccsim.cli import main
from ccsim.errors import ResultsError
from ccsim.exchange.capture import Selection, write_capture
from ccsim.experiment.stored import StoredRun
from ccsim.sim.traces import FlowTrace
from tests.exchange.conftest import stored
from tests.exchange.tshark import needs_tshark, tshark

DATA = "tcp.len > 0"
AGAIN = "tcp.analysis.retransmission or tcp.analysis.out_of_order"
"""A sender does not send out of order: what tshark takes for that, within a round trip of newer
data, has been sent again."""


@pytest.fixture(scope="module")
def capture(swap: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("capture") / "swap.pcapng"
    write_capture(swap, target)
    return target


def flow_of(run: StoredRun) -> FlowTrace:
    return run.flows["bulk"]


@needs_tshark
class TestOfTshark:
    """A CUBIC flow with losses, every packet acknowledged, swapped to Reno at 4 s."""

    def test_every_checksum_is_right(self, capture: Path) -> None:
        rows = tshark(capture, "ip.checksum.status", "tcp.checksum.status")
        assert len(rows) > 8000
        assert set(map(tuple, rows)) == {("1", "1")}

    def test_it_finds_every_packet_that_was_sent(self, capture: Path, swap: StoredRun) -> None:
        sent = tshark(capture, "frame.number", only="ip.src == 10.0.0.1")
        assert len(sent) == flow_of(swap).counters["packets_sent"]

    def test_it_finds_the_retransmissions_that_the_run_counts(
        self, capture: Path, swap: StoredRun
    ) -> None:
        found = tshark(capture, "frame.number", only=f"{DATA} and ({AGAIN})")
        assert len(found) == flow_of(swap).counters["retransmissions"] > 5

    def test_each_packet_beyond_a_gap_is_a_duplicate_ack(
        self, capture: Path, swap: StoredRun
    ) -> None:
        """Every packet is acknowledged; what moves no left edge came while one was missing."""
        acks = tshark(capture, "tcp.ack", only="ip.dst == 10.0.0.1 and tcp.flags.syn == 0")
        found = tshark(capture, "frame.number", only="tcp.analysis.duplicate_ack")
        edges = len({ack for (ack,) in acks})
        assert len(found) == len(acks) - edges > 100

    def test_smoothing_its_rtts_gives_the_smoothed_rtt_of_the_run(
        self, capture: Path, swap: StoredRun
    ) -> None:
        """RFC 6298 section 2.3 over each RTT that tshark measures, in the kernel's eighths of a
        microsecond, until the first loss."""
        flow = flow_of(swap)
        lossless = int(np.flatnonzero(flow.ca_state)[0])
        rows = tshark(
            capture, "frame.time_epoch", "tcp.analysis.ack_rtt", only="ip.dst == 10.0.0.1"
        )
        smoothed, times = [], []
        eighths = 0
        for time, rtt in rows:
            if not rtt:
                break  # the first duplicate
            us = round(float(rtt) * 1e9) // 1000
            eighths = eighths + us - (eighths >> 3) if eighths else us << 3
            smoothed.append(eighths >> 3)
            times.append(round(float(time) * 1e9))
        at = np.searchsorted(times, flow.t_ns[20:lossless], side="right") - 1
        apart = np.array(smoothed)[at] - flow.srtt_us[20:lossless]
        assert lossless > 50
        assert np.abs(apart).max() <= 2

    def test_its_bytes_in_flight_are_those_of_the_run(self, capture: Path, swap: StoredRun) -> None:
        """tshark tells them at packets that leave: compared is each sample in the state Open before
        which a packet has left later than the last ACK came."""
        flow = flow_of(swap)
        rows = tshark(capture, "frame.time_epoch", "tcp.analysis.bytes_in_flight", "tcp.len")
        times = [round(float(row[0]) * 1e9) for row in rows]
        compared = 0
        for t, packets, state in zip(flow.t_ns, flow.in_flight, flow.ca_state, strict=True):
            _, flight, length = rows[int(np.searchsorted(times, t)) - 1]
            if state or t < 100_000_000 or length == "0":
                continue
            compared += 1
            assert int(flight) == packets * 1448, t
        assert compared > 200

    def test_the_swap_stands_at_the_first_packet_after_it(self, capture: Path) -> None:
        ((time, text),) = tshark(capture, "frame.time_epoch", "frame.comment", only="frame.comment")
        assert text == "swap 0: bulk: cubic → reno, setsockopt, at 4 s"
        assert 4.0 <= float(time) < 4.0012

    def test_each_packet_says_in_which_direction_it_went(self, capture: Path) -> None:
        rows = tshark(capture, "ip.src", "frame.packet_flags_direction", "frame.interface_name")
        assert set(map(tuple, rows)) == {
            ("10.0.0.1", "0x00000002", "sender of bulk"),
            ("10.128.0.1", "0x00000001", "sender of bulk"),
        }

    def test_the_handshake_agrees_on_what_the_run_assumes(self, capture: Path) -> None:
        fields = ("tcp.options.mss_val", "tcp.options.wscale.shift", "tcp.options.sack_perm")
        rows = tshark(capture, "tcp.flags.str", *fields, only="tcp.flags.syn == 1")
        assert [row[1:] for row in rows] == [["1460", "14", "0402"]] * 2

    def test_a_sack_block_is_beyond_the_gap(self, capture: Path) -> None:
        rows = tshark(
            capture,
            "tcp.ack",
            "tcp.options.sack_le",
            "tcp.options.sack_re",
            only="tcp.options.sack",
        )
        assert len(rows) > 100
        for ack, left, right in rows:
            starts, ends = (list(map(int, part.split(","))) for part in (left, right))
            assert all(int(ack) < a < b for a, b in zip(starts, ends, strict=True))
            assert all((b - a) % 1448 == 0 for a, b in zip(starts, ends, strict=True))

    def test_timestamps_echo_each_other(self, capture: Path) -> None:
        rows = tshark(
            capture, "ip.src", "tcp.options.timestamp.tsval", "tcp.options.timestamp.tsecr"
        )
        latest = {"10.0.0.1": {0}, "10.128.0.1": {0}}
        for source, value, echo in rows:
            (other,) = latest.keys() - {source}
            assert int(echo) in latest[other]
            latest[source].add(int(value))


@needs_tshark
def test_marks_echoes_and_answers_are_in_the_bits(marked: StoredRun, tmp_path: Path) -> None:
    """At the receiver a marked packet bears CE; the sender sees ECE, and answers with CWR."""
    target = tmp_path / "both.pcapng"
    write_capture(marked, target, wanted=Selection(side="receiver"))
    marks = {flow.name: flow.counters["packets_marked"] for flow in marked.result.flows}
    for port, name in ((32768, "old"), (32769, "new")):
        of_flow = f"tcp.port == {port}"
        seen = tshark(target, "frame.number", only=f"{of_flow} and ip.dsfield.ecn == 3")
        assert len(seen) == marks[name] > 10, name
        rows = tshark(target, "tcp.flags.ece", "tcp.flags.cwr", "tcp.flags.syn", only=of_flow)
        assert rows[0] == ["1", "1", "1"]
        assert rows[1] == ["1", "0", "1"]
        assert rows[2] == ["0", "0", "0"]
    cwr = tshark(target, "frame.number", only="tcp.port == 32768 and tcp.flags.cwr == 1")
    assert len(cwr) > 1


@needs_tshark
def test_a_finite_flow_ends_with_a_fin_that_is_acknowledged(
    marked: StoredRun, tmp_path: Path
) -> None:
    target = tmp_path / "old.pcapng"
    write_capture(marked, target, wanted=Selection(flows=("old",)), snaplen=96)
    rows = tshark(target, "tcp.seq", "tcp.len", "tcp.flags.fin", only="ip.src == 10.0.0.1")
    length = sum(int(row[1]) for row in rows)
    assert length == 800_100  # nothing was lost
    assert rows[-1] == ["799297", "804", "1"]  # 552 full segments before it, and the SYN
    acks = tshark(target, "tcp.ack", only="ip.dst == 10.0.0.1")
    assert acks[-1] == ["800102"]  # SYN, data and FIN


@needs_tshark
def test_both_sides_have_an_interface_each_and_the_same_packets(
    swap: StoredRun, tmp_path: Path
) -> None:
    target = tmp_path / "both.pcapng"
    wanted = Selection(side="both", from_ns=2_000_000_000, to_ns=2_500_000_000)
    write_capture(swap, target, wanted=wanted, snaplen=96)
    rows = tshark(target, "frame.interface_name", "ip.src", "ip.id", "frame.cap_len")
    assert {row[0] for row in rows} == {"sender of bulk", "receiver of bulk"}
    assert {row[3] for row in rows} <= {"52", "64", "72", "80", "96"}
    at_sender = {(row[1], row[2]) for row in rows if row[0] == "sender of bulk"}
    at_receiver = {(row[1], row[2]) for row in rows if row[0] == "receiver of bulk"}
    assert len(at_sender & at_receiver) > 700


def test_a_flow_that_there_is_not_is_named(swap: StoredRun, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="did you mean 'bulk'"):
        write_capture(swap, tmp_path / "x.pcapng", wanted=Selection(flows=("bluk",)))
    assert list(tmp_path.iterdir()) == []


def test_a_twin_that_was_not_run_is_refused(swap: StoredRun, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="twin a, got none"):
        write_capture(swap, tmp_path / "x.pcapng", twin="a")


def test_a_capture_is_the_same_bytes_again(swap: StoredRun, capture: Path, tmp_path: Path) -> None:
    write_capture(swap, tmp_path / "again.pcapng")
    assert (tmp_path / "again.pcapng").read_bytes() == capture.read_bytes()


@needs_tshark
@pytest.mark.parametrize(
    ("off", "options"), [("timestamps", ["1460", "0402", ""]), ("sack", ["1460", "", "0"])]
)
def test_hosts_without_an_option_do_not_offer_it(
    off: str, options: list[str], tmp_path: Path
) -> None:
    text = f"""name: x
duration: 1 s
path: {{rate: 10 Mbit/s, rtt: 20 ms, buffer: 0.5 BDP}}
tcp: {{{off}: 0}}
flows: [{{name: bulk, congestion: reno}}]
twins: false
"""
    write_capture(stored(text, tmp_path), tmp_path / "x.pcapng")
    fields = ("tcp.options.mss_val", "tcp.options.sack_perm", "tcp.options.timestamp.tsecr")
    rows = tshark(tmp_path / "x.pcapng", *fields, only="tcp.flags.syn == 1 && tcp.flags.ack == 0")
    assert rows == [options]
    checked = tshark(tmp_path / "x.pcapng", "tcp.checksum.status", "ip.len")
    assert {status for status, _ in checked} == {"1"}
    assert max(int(length) for _, length in checked) == 1500


@pytest.mark.parametrize(
    ("options", "got"),
    [
        (["--from", "2 s", "--to", "2 s"], "from 2 s to 2 s"),
        (["--from", "6 s"], "from 6 s to 6 s"),
        (["--from", "9 s", "--to", "12 s"], "from 9 s to 12 s"),
        (["--to", "0 s"], "from 0 s to 0 s"),
    ],
)
def test_a_time_of_which_nothing_is_there_is_refused(
    swap: StoredRun, options: list[str], got: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(swap.path), "--format", "qlog", *options]) == 2
    told = f"export: expected a span of time within the run's 6 s, got {got}\n"
    assert capsys.readouterr().err.endswith(told)
