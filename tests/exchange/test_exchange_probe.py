"""Samples of probes and iperf3's JSON, as the kernel, scripts and iperf3 write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.cli import main
from ccsim.exchange.measured import Imported
from ccsim.exchange.probe import KNOWN
from ccsim.exchange.reading import imported

TRACE = """\
# tracer: nop
          <idle>-0       [001] ..s2.  100.000000: tcp_probe: family=AF_INET src=10.0.0.1:5000 \
dest=10.0.0.2:80 mark=0x0 data_len=0 snd_nxt=0xfffffff0 snd_una=0xffffff00 snd_cwnd=10 \
ssthresh=2147483647 snd_wnd=65536 srtt=40648 rcv_wnd=64256 sock_cookie=1
          <idle>-0       [001] ..s2.  100.500000: tcp_probe: family=AF_INET src=10.0.0.1:5000 \
dest=10.0.0.2:80 mark=0x0 data_len=0 snd_nxt=0x10000 snd_una=0x1000 snd_cwnd=20 \
ssthresh=15 snd_wnd=65536 srtt=41000 rcv_wnd=64256 sock_cookie=1
"""
MODULE = """\
2.221032535 10.1.1.1:5001 10.1.1.2:48934 32 0x2a100 0x2a000 10 2147483647 54400 40000 64256
2.721032535 10.1.1.1:5001 10.1.1.2:48934 32 0x2b100 0x2b000 11 8 54400 42000 64256
"""


def read(text: str, folder: Path, name: str = "x.log") -> Imported:
    path = folder / name
    path.write_text(text)
    return imported(path)


def test_the_tracepoint_is_read_and_its_sequence_numbers_wrap(tmp_path: Path) -> None:
    """From 0xffffff00 to 0x1000 are 4352 bytes, acknowledged within half a second."""
    (one,) = read(TRACE, tmp_path).connections
    assert one.name == "10.0.0.1:5000 → 10.0.0.2:80"
    assert one.columns["cwnd_packets"].tolist() == [10, 20]
    assert one.columns["rtt_ms"].tolist() == [40.648, 41.0]
    assert np.isnan(one.columns["ssthresh_packets"][0])
    assert one.columns["ssthresh_packets"][1] == 15
    assert one.columns["throughput_bps"][1] == 8 * 4352 / 0.5
    assert one.columns["in_flight_packets"].tolist() == [240 / 1448, 61440 / 1448]


def test_the_module_of_former_days_is_read(tmp_path: Path) -> None:
    (one,) = read(MODULE, tmp_path).connections
    assert one.name == "10.1.1.1:5001 → 10.1.1.2:48934"
    assert one.columns["cwnd_packets"].tolist() == [10, 11]
    assert one.columns["rtt_ms"].tolist() == [40.0, 42.0]
    assert one.columns["throughput_bps"][1] == 8 * 0x1000 / 0.5


@pytest.mark.parametrize(
    ("header", "times"),
    [("t_ns", ("0", "500000000")), ("time_us", ("0", "500000")), ("elapsed", ("7", "7.5"))],
)
def test_a_csv_is_read_by_its_header(header: str, times: tuple[str, str], tmp_path: Path) -> None:
    text = f"""{header},sock,snd_cwnd,srtt_us,bytes_acked,total_retrans,packets_in_flight
{times[0]},0xab,10,40000,0,0,10
{times[1]},0xab,12,,625000,3,12
"""
    (one,) = read(text, tmp_path).connections
    assert one.name == "0xab"
    assert one.t_s.tolist() == [0.0, 0.5]
    assert one.columns["cwnd_packets"].tolist() == [10, 12]
    assert one.columns["rtt_ms"][0] == 40
    assert np.isnan(one.columns["rtt_ms"][1])
    assert one.columns["throughput_bps"][1] == 10e6
    assert one.columns["retransmissions"].tolist() == [0, 3]
    assert one.columns["in_flight_packets"].tolist() == [10, 12]


def test_connections_are_told_apart_by_their_ends(tmp_path: Path) -> None:
    text = """time_s,saddr,sport,daddr,dport,cwnd
1,10.0.0.1,5,10.0.0.2,80,10
1,10.0.0.1,6,10.0.0.2,80,20
2,10.0.0.1,5,10.0.0.2,80,11
"""
    found = read(text, tmp_path).connections
    assert [one.name for one in found] == ["10.0.0.1:5 → 10.0.0.2:80", "10.0.0.1:6 → 10.0.0.2:80"]
    assert found[0].columns["cwnd_packets"].tolist() == [10, 11]


def test_no_name_of_a_column_means_two_things() -> None:
    names = [name for known in KNOWN.values() for name in known]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("t_s,cwnd\n1,2\n1,2,3\n", "line 3: expected 2 values, got 3"),
        ("t_s,cwnd\n1,ten\n", "line 2: could not convert string to float: 'ten'"),
        ("t_s,cwnd\n1,nan\n", "line 2: expected a number from 0"),
        ("t_s,cwnd\n5,2\n4,2\n", "line 3: expected a time from 5.000000 s on"),
        ("t_s,cwnd\n", "expected samples of a probe, got none"),
        (TRACE.replace("snd_cwnd=20", ""), "line 3: no 'snd_cwnd'"),
        (TRACE.replace("srtt=41000", "srtt=abc"), "line 3: invalid literal"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text(text)
    assert main(["import", str(tmp_path / "x.csv")]) == 2
    assert told in capsys.readouterr().err


# --- iperf3 ---


def iperf3() -> dict[str, Any]:
    """Two seconds of one stream, in the form of iperf3 3.16 at the client."""
    connected = {
        "socket": 5,
        "local_host": "192.168.1.10",
        "local_port": 43210,
        "remote_host": "203.0.113.5",
        "remote_port": 5201,
    }
    streams = [
        {
            "socket": 5,
            "start": start,
            "end": start + 1.000123,
            "seconds": 1.000123,
            "bytes": 1_250_000,
            "bits_per_second": 9_998_770.0,
            "retransmits": again,
            "snd_cwnd": 144_800,
            "snd_wnd": 3_145_728,
            "rtt": 41_250,
            "rttvar": 500,
            "pmtu": 1500,
            "omitted": False,
            "sender": True,
        }
        for start, again in ((0, 3), (1.000123, 4))
    ]
    return {
        "start": {"connected": [connected], "tcp_mss_default": 1448},
        "intervals": [{"streams": [stream]} for stream in streams],
        "end": {"sender_tcp_congestion": "bbr"},
    }


def test_iperf3_is_read(tmp_path: Path) -> None:
    (one,) = read(json.dumps(iperf3()), tmp_path, "x.json").connections
    assert one.name == "192.168.1.10:43210 → 203.0.113.5:5201"
    assert one.congestion == "bbr"
    assert one.t_s.tolist() == [1.000123, 2.000246]
    assert one.columns["throughput_bps"].tolist() == [9_998_770.0] * 2
    assert one.columns["retransmissions"].tolist() == [3, 7]
    assert one.columns["cwnd_packets"].tolist() == [100, 100]
    assert one.columns["rtt_ms"].tolist() == [41.25, 41.25]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "line 1, column 2: expected JSON"),
        ('{"error": "unable to connect"}', "iperf3 failed: unable to connect"),
        ("{}", "intervals: expected a list, got nothing"),
        ('{"intervals": [{"streams": 5}]}', "intervals.0.streams: expected a list, got int"),
        ('{"intervals": [{"streams": [{"socket": 1}]}]}', "intervals.0.end: expected a number"),
        (
            '{"intervals": [{"streams": [{"end": 1, "bits_per_second": -1}]}]}',
            "intervals.0.bits_per_second: expected a number from 0",
        ),
        ('{"intervals": [{"streams": [{"end": [], "bits_per_second": 1}]}]}', "intervals.0.end"),
        ('{"intervals": []}', "expected intervals with streams, got none"),
        ('{"a": ' + "[" * 100_000, "expected JSON: it is nested too deeply"),
    ],
)
def test_json_that_is_wrong_is_told_with_its_place(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text(text)
    assert main(["import", str(tmp_path / "x.json")]) == 2
    assert told in capsys.readouterr().err


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    import tempfile

    from ccsim.exchange.errors import ImportedFileError

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(data)
        with pytest.raises(ImportedFileError):
            imported(path)


def test_the_samples_are_written_as_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(iperf3()))
    assert main(["import", str(path), "--out", str(tmp_path)]) == 0
    rows = (tmp_path / "x.imported.csv").read_text().splitlines()
    assert rows[0].startswith("connection,t_s,throughput_bps,rtt_ms,in_flight_packets")
    assert rows[2] == "192.168.1.10:43210 → 203.0.113.5:5201,2.000246,9998770,41.25,,7,100,,"
    assert "9.999" in capsys.readouterr().out
