"""Logs of ``ss -tin``: a run's is what scripts expect; logs are read however they are kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ccsim.cli import main
from ccsim.exchange.reading import imported
from ccsim.exchange.ss_out import write_ss
from ccsim.experiment.stored import StoredRun

REAL = """\
State Recv-Q Send-Q  Local Address:Port   Peer Address:Port Process
ESTAB 0      2137408 192.168.1.10:43210     203.0.113.5:5201
\t ts sack cubic wscale:7,7 rto:232 rtt:31.211/0.872 ato:40 mss:1448 pmtu:1500 rcvmss:536 \
advmss:1448 cwnd:182 ssthresh:157 bytes_sent:61213952 bytes_retrans:14480 bytes_acked:60952312 \
segs_out:42277 segs_in:18110 data_segs_out:42275 send 67.5Mbps lastrcv:5012 pacing_rate 81.0Mbps \
delivery_rate 49.9Mbps delivered:42097 busy:5000ms unacked:181 retrans:2/10 lost:3 sacked:40 \
rcv_space:14480 rcv_ssthresh:64088 notsent:1875160 minrtt:20.104
LISTEN 0     128          0.0.0.0:22           0.0.0.0:*
"""
NEXT = REAL.replace("bytes_acked:60952312", "bytes_acked:61577312").replace("cwnd:182", "cwnd:183")


@pytest.fixture(scope="module")
def log(swap: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("ss") / "swap.ss"
    write_ss(swap, target)
    return target


def fields(log: Path) -> list[dict[str, str]]:
    """Read a log as scripts do: a line a socket, ``name:value``, and the time after it."""
    found = []
    for output in log.read_text().split("---\n")[:-1]:
        (info,) = re.findall(r"^\t (.*)$", output, re.MULTILINE)
        time = re.findall(r"^Time: (\d+\.\d{9})$", output, re.MULTILINE)
        found.append({"time": time[0], **dict(re.findall(r"(\w+):(\S+)", info))})
    return found


def test_the_real_flent_finds_its_values_in_it(log: Path) -> None:
    runners = pytest.importorskip("flent.runners")
    part = log.read_text().split("---\n")[100]
    values = {
        name: value
        for pattern in runners.SsRunner.data_res
        if (match := pattern.search(part))
        for name, value in match.groupdict().items()
    }
    assert values.keys() == {"cwnd", "rtt", "rtt_var", "pacing_rate", "delivery_rate"}
    assert runners.SsRunner.time_re.search(part)
    assert runners.SsRunner.ports_ipv4_re.search(part)


def test_windows_and_data_in_flight_are_those_of_the_run(log: Path, swap: StoredRun) -> None:
    flow = swap.flows["bulk"]
    row_of = {int(t): row for row, t in enumerate(flow.t_ns)}
    rows = fields(log)
    assert len(rows) > 580
    for one in rows:
        row = row_of[round(float(one["time"]) * 1e9)]
        assert int(one["cwnd"]) == flow.snd_cwnd[row]
        unacked, sacked, lost = (int(one.get(name, 0)) for name in ("unacked", "sacked", "lost"))
        again, total = map(int, one.get("retrans", "0/0").split("/"))
        assert unacked - sacked - lost + again == flow.in_flight[row], one
        assert total == flow.retransmissions[row]


def test_round_trips_are_those_of_the_run(log: Path, swap: StoredRun) -> None:
    flow = swap.flows["bulk"]
    row_of = {int(t): row for row, t in enumerate(flow.t_ns)}
    apart = [
        abs(float(one["rtt"].split("/")[0]) * 1000 - flow.srtt_us[row])
        for one in fields(log)
        if "rtt" in one
        and flow.ca_state[row := row_of[round(float(one["time"]) * 1e9)]] == 0
        and row > 100
    ]
    assert len(apart) > 300
    assert np.mean(apart) < 100  # of some 60,000 us


def test_the_name_changes_with_the_swap(log: Path) -> None:
    names = re.findall(r"sack (\w+) wscale.*\n\nTime: (\d+)", log.read_text())
    assert {name for name, second in names if int(second) < 4} == {"cubic"}
    assert {name for name, second in names if int(second) >= 4} == {"reno"}


def test_a_run_is_read_back(log: Path, swap: StoredRun) -> None:
    (one,) = imported(log).connections
    flow = swap.flows["bulk"]
    cwnd, rtt = one.column("cwnd_packets"), one.column("rtt_ms")
    assert cwnd is not None
    assert rtt is not None
    assert cwnd.max() == flow.snd_cwnd.max()
    again = one.column("retransmissions")
    assert again is not None
    assert again[-1] == flow.counters["retransmissions"]
    assert one.goodput_bps == pytest.approx(9.5e6, rel=0.03)


@pytest.mark.parametrize(
    "text",
    [
        f"{REAL}\nTime: 100.5\n---\n{NEXT}\nTime: 101.0\n---\n",
        f"Time: 100.5\n{REAL}\nTime: 101\n{NEXT}\n",
        f"# time 100.5\n{REAL}# time 101.0\n{NEXT}",
        f"100.500000000\n{REAL}101.000000000\n{NEXT}",
    ],
)
def test_times_may_stand_before_or_after(text: str, tmp_path: Path) -> None:
    """625000 bytes in half a second are 10 Mbit/s; of 181 packets 40 are SACKed and 3 lost, 2 of
    which have been sent again."""
    path = tmp_path / "ss.log"
    path.write_text(text)
    (one,) = imported(path).connections
    assert one.name == "192.168.1.10:43210 → 203.0.113.5:5201"
    assert (one.congestion, one.mss_bytes) == ("cubic", 1448)
    assert one.t_s.tolist() == [0.0, 0.5]
    assert one.columns["cwnd_packets"].tolist() == [182, 183]
    assert one.columns["ssthresh_packets"].tolist() == [157, 157]
    assert one.columns["rtt_ms"].tolist() == [31.211, 31.211]
    assert one.columns["in_flight_packets"].tolist() == [140, 140]
    assert one.columns["retransmissions"].tolist() == [10, 10]
    assert one.columns["pacing_bps"].tolist() == [81e6, 81e6]
    assert one.columns["throughput_bps"][1] == 10e6
    assert one.bytes_delivered == 625_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (REAL, "line 2: expected the time of each output"),
        (f"{REAL}\nTime: 5.0\n{REAL}\nTime: 4.0\n", "expected a time from 5.000000 s on"),
        (
            f"{REAL.replace('cwnd:182', 'cwnd:1e99')}\nTime: 5.0\n",
            "line 2: expected a number from 0 to 1e+18, got '1e99'",
        ),
        (f"{REAL.replace('cwnd:182', 'cwnd:x')}\nTime: 5.0\n", "line 2: could not convert"),
        (f"Time: 1.0\nrtt:{'9' * 70_000}\n", "line 2: expected a line of up to 65536 bytes"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ss.log"
    path.write_text(text)
    assert main(["import", str(path)]) == 2
    assert told in capsys.readouterr().err
