"""A run as a data file of flent's: the real flent reads it and draws what it has plots for."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsim.errors import ResultsError
from ccsim.exchange.capture import Selection
from ccsim.exchange.flent import write_flent
from ccsim.experiment.stored import StoredRun

PLOTS = ["totals", "ping_cdf", "upload_with_ping_and_tcp_rtt", "tcp_cwnd"]


@pytest.fixture(scope="module")
def data(marked: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("flent") / "marked.flent.gz"
    write_flent(marked, target)
    return target


def document(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return read


def flent(*arguments: str, cwd: Path) -> str:
    """Run the real flent."""
    pytest.importorskip("flent")
    command = [sys.executable, "-m", "flent", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr.lower(), done.stderr
    return done.stdout


@pytest.mark.parametrize("plot", PLOTS)
def test_the_real_flent_draws_its_plots(plot: str, data: Path, tmp_path: Path) -> None:
    flent("-i", str(data), "-p", plot, "-o", "out.png", cwd=tmp_path)
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out.png").stat().st_size > 10_000


def test_the_real_flent_adds_up_what_was_transferred(data: Path, tmp_path: Path) -> None:
    """800100 and 600000 bytes are 11.2008 Mbit; flent takes the mean of its steps for their sum."""
    text = flent("-i", str(data), "-f", "stats", cwd=tmp_path)
    total = text.split("TCP upload sum:")[1].split("Total:")[1].split()[0]
    assert float(total) == pytest.approx(11.2008, rel=0.05)


def test_the_streams_carry_what_the_flows_did(data: Path) -> None:
    """To within the last sample, which is up to 10 ms before the flow's end."""
    read = document(data)
    for stream, size in (("TCP upload::1", 800_100), ("TCP upload::2", 600_000)):
        bits = sum(rate or 0.0 for rate in read["results"][stream]) * 0.2 * 1e6
        assert bits == pytest.approx(8 * size, abs=100_000)
    assert read["metadata"]["TEST_PARAMETERS"] == {"upload_streams": "2"}


def test_all_series_have_a_value_at_each_step(data: Path) -> None:
    read = document(data)
    steps = read["x_values"]
    assert np.allclose(steps, np.arange(1, 16) * 0.2)
    assert all(len(values) == len(steps) for values in read["results"].values())
    assert read["results"]["TCP upload::2"][-1] is None  # it has ended


def test_the_ping_is_the_base_and_what_waits(data: Path, marked: StoredRun) -> None:
    """At 10 Mbit/s a full packet takes 1.2 ms."""
    ping = document(data)["raw_values"]["Ping (ms) ICMP"]
    (link,) = marked.result.links
    assert [one["val"] for one in ping] == pytest.approx((40 + 1.2 * link.queue_packets).tolist())


def test_it_is_the_same_bytes_again(data: Path, marked: StoredRun, tmp_path: Path) -> None:
    write_flent(marked, tmp_path / "again.flent.gz")
    assert (tmp_path / "again.flent.gz").read_bytes() == data.read_bytes()


def test_without_a_flow_there_is_nothing_to_draw(marked: StoredRun, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="a flow with samples"):
        write_flent(marked, tmp_path / "x.flent.gz", wanted=Selection(flows=("nobody",)))
