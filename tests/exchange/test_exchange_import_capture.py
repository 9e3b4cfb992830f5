"""Captures read as their sending hosts saw them; what is wrong in one is told with its place."""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.cli import main
from ccsim.exchange.blocks import frames
from ccsim.exchange.capture import Selection, write_capture
from ccsim.exchange.connections import captured, imported_capture
from ccsim.exchange.dissect import dissected
from ccsim.exchange.errors import ImportedFileError
from ccsim.exchange.reading import imported
from ccsim.exchange.sending import Sending
from ccsim.experiment.stored import StoredRun
from tests.exchange.tshark import needs_tshark, tshark

MS = 1_000_000


@pytest.fixture(scope="module")
def capture(swap: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("capture") / "swap.pcapng"
    write_capture(swap, target, snaplen=96)
    return target


# --- what a sender's packets say: drawn by hand ---


def test_a_round_trip_is_that_of_what_was_sent_once() -> None:
    """
    sent   0 ms: A B C D     lost: B
    ACKs  40 ms: A           RTT 40
          41 ms: SACK C, 42 ms: SACK C D
    again 43 ms: B
          83 ms: ACK of all  no RTT: B was sent twice, C and D were measured by SACK
    """
    way = Sending(1000, 0)
    for k in range(4):
        way.sent(k * MS, 1000 + 100 * k, 100)
    assert way.in_flight_bytes == 400
    way.acked(40 * MS, 1100)
    way.acked(41 * MS, 1100, [(1200, 1300)])
    way.acked(42 * MS, 1100, [(1200, 1400)])
    assert way.in_flight_bytes == 100
    assert way.duplicate_acks == 2
    assert (way.least_rtt_ns, way.most_rtt_ns) == (39 * MS, 40 * MS)
    way.sent(43 * MS, 1100, 100)
    assert way.retransmissions == 1
    assert way.losses == [(43 * MS, 39 * MS)]
    way.acked(83 * MS, 1400)
    assert (way.least_rtt_ns, way.most_rtt_ns) == (39 * MS, 40 * MS)
    assert (way.in_flight_bytes, way.delivered_bytes) == (0, 400)


def test_the_smoothed_rtt_takes_the_first_of_what_an_ack_tells_of() -> None:
    """RFC 6298 section 2: the first sample itself, then an eighth of each. ACKs for two packets
    that left 4 ms apart: the older one counts for the smoothed RTT, the newer for the least."""
    way = Sending(0, 0)
    for at, seq in ((0, 0), (4, 100)):
        way.sent(at * MS, seq, 100)
    way.acked(44 * MS, 200)
    for at, seq in ((45, 200), (49, 300)):
        way.sent(at * MS, seq, 100)
    way.acked(100 * MS, 400)
    way.flush()
    assert list(way.columns["srtt_us"]) == [0, 44_000, 45_375]  # and (55 - 44) / 8 ms
    assert list(way.columns["rtt_us"]) == [0, 40_000, 51_000]
    assert list(way.columns["t_ns"]) == [10 * MS, 50 * MS, 110 * MS]


def test_sequence_numbers_wrap() -> None:
    way = Sending(0xFFFF_FF00, 0)
    way.sent(0, 0xFFFF_FF00, 256)
    way.sent(1, 0, 256)
    way.acked(40 * MS, 100, [(200, 256)])
    assert (way.una, way.in_flight_bytes, way.delivered_bytes) == (356, 100, 412)
    assert way.retransmissions == 0


@given(st.data())
@settings(max_examples=60)
def test_what_is_sacked_is_counted_once(data: st.DataObject) -> None:
    """Beside a plain set of bytes, whatever order blocks come in."""
    way = Sending(0, 0)
    for k in range(20):
        way.sent(k, 10 * k, 10)
    una, held = 0, set[int]()
    for t in range(100, 112):
        una = max(una, 10 * data.draw(st.integers(0, 20)))
        a = 10 * data.draw(st.integers(0, 19))
        b = a + 10 * data.draw(st.integers(1, 20 - a // 10))
        way.acked(t, una, [(a, b)])
        if a >= una:
            held |= set(range(a, b))
        held = {byte for byte in held if byte >= una}
        assert way.delivered_bytes == una + len(held)
        assert way.in_flight_bytes == 200 - una - len(held)


# --- real ones ---


def test_a_run_is_read_back_as_it_was(capture: Path, swap: StoredRun) -> None:
    flow = swap.flows["bulk"]
    (one,) = imported(capture).connections
    assert one.name == "10.0.0.1:32768 → 10.128.0.1:5201"
    assert one.mss_bytes == 1448
    again = one.column("retransmissions")
    assert again is not None
    assert again[-1] == flow.counters["retransmissions"]
    assert one.bytes_delivered == pytest.approx(flow.delivered_bytes[-1], abs=40 * 1448)
    at = np.searchsorted(one.t_s, flow.t_ns / 1e9, side="right") - 1
    steady = (flow.t_ns > 1_000_000_000) & (flow.ca_state == 0)
    rtt, flight = one.column("rtt_ms"), one.column("in_flight_packets")
    assert rtt is not None
    assert flight is not None
    assert np.allclose(rtt[at][steady] * 1000, flow.srtt_us[steady], rtol=0.01)
    assert np.abs(flight[at][steady] - flow.in_flight[steady]).max() <= 1


@needs_tshark
def test_round_trips_are_those_of_tshark(capture: Path) -> None:
    rtts = tshark(capture, "tcp.analysis.ack_rtt", only="tcp.analysis.ack_rtt && tcp.ack > 1")
    (one,) = captured(capture)[0]
    values = [round(float(rtt) * 1e9) for (rtt,) in rtts]
    assert one.sending.least_rtt_ns == min(values)


def test_of_both_sides_that_of_the_sender_counts(swap: StoredRun, tmp_path: Path) -> None:
    write_capture(swap, tmp_path / "both.pcapng", wanted=Selection(side="both"), snaplen=96)
    (one,) = imported_capture(tmp_path / "both.pcapng").connections
    assert one.facts["least RTT (ms)"] == pytest.approx(41.2)  # 40 ms, and 1500 B at 10 Mbit/s


def test_a_capture_from_the_receiver_is_told(
    swap: StoredRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "there.pcapng"
    write_capture(swap, target, wanted=Selection(side="receiver"), snaplen=96)
    assert main(["import", str(target)]) == 0
    assert "captured at the receiver" in capsys.readouterr().err
    assert main(["new", "scenario", "--from", str(target), "--dir", str(tmp_path)]) == 2
    assert "from the sender's side" in capsys.readouterr().err


# --- other forms of captures ---


def packet_of(data: bytes) -> bytes:
    """Return an IPv4 packet with a TCP header and so much payload, without checksums."""
    tcp = struct.pack(">HHIIBBHHH", 1, 2, 7, 9, 0x50, 16, 100, 0, 0) + data
    return (
        struct.pack(">BBHHHBBH4s4s", 69, 2, 20 + len(tcp), 1, 0, 64, 6, 0, b"abcd", b"efgh") + tcp
    )


def pcap(*packets: bytes, link: int = 101, magic: int = 0xA1B2C3D4, order: str = "<") -> bytes:
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    parts = [struct.pack(order + "IIII", 3, 4, len(data), len(data)) + data for data in packets]
    return head + b"".join(parts)


@pytest.mark.parametrize(
    ("link", "before"),
    [
        (101, b""),
        (228, b""),
        (1, bytes(12) + b"\x08\x00"),
        (1, bytes(12) + b"\x81\x00\x00\x05\x08\x00"),
        (113, bytes(14) + b"\x08\x00"),
        (276, b"\x08\x00" + bytes(18)),
        (0, bytes(4)),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_usual_link_types_are_known(
    link: int, before: bytes, order: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(before + packet_of(b"abc"), link=link, order=order))
    (frame,) = frames(path)
    packet = dissected(frame)
    assert packet is not None
    assert (packet.t_ns, packet.seq, packet.ack, packet.length) == (3_000_004_000, 7, 9, 3)
    assert (packet.source, packet.target, packet.ecn) == ((b"abcd", 1), (b"efgh", 2), 2)


def test_nanoseconds_of_pcap_are_read_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(packet_of(b""), magic=0xA1B23C4D))
    assert [frame.t_ns for frame in frames(path)] == [3_000_000_004]


def test_version_6_of_ip_is_read(tmp_path: Path) -> None:
    tcp = struct.pack(">HHIIBBHHH", 1, 2, 7, 9, 0x50, 16, 100, 0, 0) + b"abc"
    data = struct.pack(">IHBB", 0x6010_0000, len(tcp), 6, 64) + bytes(16) + bytes(15) + b"a" + tcp
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(data))
    (frame,) = frames(path)
    packet = dissected(frame)
    assert packet is not None
    assert (packet.seq, packet.length, packet.ecn) == (7, 3, 1)


@pytest.mark.parametrize("data", [b"", b"\x45", packet_of(b"")[:39], bytes(100)])
def test_what_is_no_tcp_is_passed_over(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(data))
    (frame,) = frames(path)
    assert dissected(frame) is None
    with pytest.raises(ImportedFileError, match="TCP connections that carry data, got none"):
        imported_capture(path)


# --- hostile ones ---

SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
INTERFACE = struct.pack("<IIHHII", 1, 20, 101, 0, 0, 20)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "an empty file"),
        (b"MZ\x90\x00", "expected a capture"),
        (SECTION[:20], "byte 12: expected 12 bytes of a block, the file ends after 8"),
        (SECTION[:8] + b"abcd" + SECTION[12:], "byte 8: expected a byte-order magic"),
        (SECTION[:-4] + b"\x1c\x00\x00\x01", "expected the block's length 28"),
        (SECTION + struct.pack("<II", 1, 0xFFFF_FFFC), "expected a length up to 16777216"),
        (SECTION + struct.pack("<II", 1, 8), "expected a block of 12, 16, … bytes, got 8"),
        (SECTION + struct.pack("<II", 6, 19), "expected a block of 12, 16, … bytes, got 19"),
        (SECTION + struct.pack("<IIIIIIII", 6, 32, 0, 0, 0, 0, 0, 32), "got number 0"),
        (
            SECTION + INTERFACE + struct.pack("<IIIIIIII", 6, 32, 0, 0, 0, 99, 99, 32),
            "expected 99 bytes kept within their block",
        ),
        (
            SECTION + INTERFACE + struct.pack("<IIIIIIII", 6, 32, 0, 1 << 31, 0, 0, 0, 32),
            "expected a time within 292 years",
        ),
        (SECTION + struct.pack("<IIII", 3, 16, 0, 16), "got one that has no times"),
        (pcap(packet_of(b""))[:-1], "the file ends after 39: it is cut off"),
        (pcap()[:10], "expected 24 bytes of the file's header"),
        (pcap() + struct.pack("<IIII", 0, 0, 1 << 30, 1), "expected a length up to 16777216"),
        (pcap() + struct.pack("<IIII", 0, 1_000_000, 0, 0), "expected less than a second"),
        (pcap()[:4] + b"\x09\x00" + pcap()[6:], "expected version 2 of pcap, got 9.4"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    data: bytes, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pcapng"
    path.write_bytes(data)
    assert main(["import", str(path)]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.startswith(str(path))


@pytest.fixture(scope="module")
def short(swap: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    target = tmp_path_factory.mktemp("short") / "x.pcapng"
    write_capture(swap, target, wanted=Selection(to_ns=60_000_000), snaplen=96)
    return target.read_bytes()


def read(path: Path) -> int:
    """Return how many connections a file has; -1 if it is refused with its name."""
    try:
        return len(imported(path).connections)
    except ImportedFileError as error:
        return -1 if str(path) in str(error) else -2


def test_a_file_that_is_cut_anywhere_is_refused_or_shorter(short: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    found = []
    for cut in range(0, len(short), 2):
        path.write_bytes(short[:cut])
        found.append(read(path))
    assert set(found) == {-1, 1}
    assert found.count(1) == 9  # between packets, from the first with data on


@settings(max_examples=150)
@given(data=st.data())
def test_changed_bytes_never_break_the_reader(short: bytes, data: st.DataObject) -> None:
    changed = bytearray(short)
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pcapng"
        path.write_bytes(changed)
        assert read(path) >= -1


def test_a_file_that_is_not_there_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "nowhere.pcapng"]) == 2
    assert capsys.readouterr().err == "nowhere.pcapng: cannot read: No such file or directory\n"


@pytest.mark.parametrize(("kind", "told"), [("folder", "a folder"), ("pipe", "what is none")])
def test_what_is_no_file_is_not_waited_for(
    kind: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert main(["import", str(path)]) == 2
    assert capsys.readouterr().err == f"{path}: expected a file, got {told}\n"
