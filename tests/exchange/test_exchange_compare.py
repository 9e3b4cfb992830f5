"""A run beside its own capture, and beside other runs' captures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsim.cli import main
from ccsim.exchange.capture import write_capture
from ccsim.exchange.comparison import distances, pairs
from ccsim.exchange.errors import ImportedFileError
from ccsim.exchange.measured import Imported, Measured
from ccsim.exchange.reading import imported
from ccsim.exchange.ss_out import write_ss
from ccsim.experiment.stored import StoredRun
from ccsim.sim.traces import Flows


@pytest.fixture(scope="module")
def capture(swap: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("capture") / "swap.pcapng"
    write_capture(swap, target, snaplen=96)
    return target


def apart(run: StoredRun, path: Path) -> dict[str, float]:
    """Return the shares by which one flow and its connection differ."""
    (pair,) = pairs(run, imported(path))
    return {one.measure: one.share for one in distances(pair)}


def test_a_run_is_close_to_its_own_capture(swap: StoredRun, capture: Path) -> None:
    found = apart(swap, capture)
    assert abs(found.pop("in flight mean (packets)")) < 0.03
    assert max(map(abs, found.values())) < 0.01
    assert len(found) == 6


def test_a_run_is_close_to_its_own_log_of_ss(swap: StoredRun, tmp_path: Path) -> None:
    write_ss(swap, tmp_path / "x.ss")
    found = apart(swap, tmp_path / "x.ss")
    assert "cwnd mean (packets)" in found
    assert max(map(abs, found.values())) < 0.05  # ss counts what came in order


def measured(*rates: float) -> Imported:
    """A connection with a rate in each tenth of a second, that was resent 10 packets."""
    t = 0.05 + 0.1 * np.arange(len(rates))
    columns = {"throughput_bps": np.array(rates), "retransmissions": np.full(len(rates), 10.0)}
    bits = sum(rates) * 0.1
    one = Measured("x", "", 0.0, 0.1 * len(rates), 1448, int(bits / 8), t, columns)
    return Imported("x", "capture", (one,))


def test_distances_are_shares_of_what_was_measured(swap: StoredRun) -> None:
    """The flow is made to deliver 6, 6, 3 Mbit/s; measured are 4, 4, 4: 2, 2, 1 apart."""
    t = np.arange(1, 31) * 10_000_000 - 5_000_000
    rates = np.repeat([6_000_000, 6_000_000, 3_000_000], 10)
    columns: dict[str, Any] = {
        name: values[:30] for name, values in swap.flows["bulk"].columns().items()
    }
    columns |= {"t_ns": t, "throughput_bps": rates, "retransmissions": np.full(30, 15)}
    flow = replace(swap.flows["bulk"], **columns)
    (pair,) = pairs(swap, measured(4e6, 4e6, 4e6))
    found = {one.measure: one for one in distances(replace(pair, flow=flow))}
    assert found["resent (packets)"].share == pytest.approx(0.5)
    assert found["throughput, curve over 0.1 s"].share == pytest.approx((2 + 2 + 1) / 3 / 4)


def test_without_samples_there_is_nothing_to_compare(swap: StoredRun) -> None:
    flow = replace(swap.flows["bulk"], recorded=False)
    run = replace(swap, result=replace(swap.result, flows=Flows((flow,))))
    with pytest.raises(ImportedFileError, match="a run with samples, got swap"):
        pairs(run, measured(4e6))


def test_the_command_prints_distances_and_draws(
    swap: StoredRun, capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path), "--format", "png"]
    assert main(["compare", str(swap.path), str(capture), *out]) == 0
    text = capsys.readouterr().out
    assert "flow  measure                       simulated  measured  apart" in text
    assert (tmp_path / "measured.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("runs", [0, 2])
def test_files_are_compared_with_one_run(
    runs: int, swap: StoredRun, capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["compare", *[str(swap.path)] * runs, str(capture)])
    assert f"expected one run beside files, got {runs}" in capsys.readouterr().err
