"""The pictures of recordings and their simulation: what is drawn, and that it can be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ccsim.plot.overlay import OverlayPanel, draw_overlay
from ccsim.verify.episode import load_episode
from ccsim.verify.episode_comparison import replay_episode
from ccsim.verify.overlay_curves import episode_marks, episode_panels, trace_marks, trace_panels
from ccsim.verify.trace import load_trace
from ccsim.verify.trace_comparison import compare_trace

DATA = Path(__file__).parent / "data"
PNG = b"\x89PNG"
LINE = np.array([0.0, 1.0]), np.array([1.0, 2.0])


def test_an_episode_shows_window_threshold_state_and_packets_to_its_end() -> None:
    outcome = replay_episode(load_episode(DATA / "episodes" / "fct2_l1_reno_A.json"))
    panels = episode_panels(outcome)
    assert [panel.label.split()[0] for panel in panels] == [
        "snd_cwnd",
        "ssthresh",
        "ca_state",
        "packet",
    ]
    assert panels[2].names == ("Open", "Disorder", "CWR", "Recovery", "Loss")
    assert [panel.points for panel in panels] == [False, False, False, True]
    cwnd = panels[0]
    assert cwnd.simulated[0][-1] == cwnd.recorded[0][-1] == outcome.episode.end_ns / 1e9
    assert cwnd.simulated[1][[0, -1]].tolist() == [10, 5]  # one of two packets lost
    assert np.isnan(panels[1].simulated[1][0])  # an infinite threshold is not drawn
    assert panels[3].simulated[1].tolist() == [1, 2, 1]


def test_a_swap_in_an_episode_is_marked() -> None:
    outcome = replay_episode(load_episode(DATA / "episodes" / "swaprec_to_cubic_bbr_A.json"))
    ((at, what),) = episode_marks(outcome)
    assert (round(at, 3), what) == (0.496, "to cubic")


def test_a_transfer_shows_drops_beside_each_flow(tmp_path: Path) -> None:
    name = "swaprec_cubic_to_reno_A_10M_40ms_1bdp"
    outcome = compare_trace(load_trace(DATA / "traces" / f"{name}.json"))
    cwnd, srtt, drops = trace_panels(outcome)
    assert cwnd.label == "flow0 (cubic)\ncwnd (packets)"
    assert np.isnan(srtt.recorded[1][0])  # no RTT is known before the handshake
    assert drops.recorded[1].max() == drops.simulated[1].max() == 10
    assert drops.recorded[0][-1] == drops.simulated[0][-1]
    ((at, what),) = trace_marks(outcome)
    assert (round(at, 2), what) == (0.97, "to reno")
    out = draw_overlay(name, [cwnd, srtt, drops], tmp_path / "a" / "b.png", [(at, what)])
    assert out.read_bytes().startswith(PNG)


def test_a_title_of_any_length_and_script_is_drawn(tmp_path: Path) -> None:
    panel = OverlayPanel("two\nlines (packets)", LINE, LINE)
    out = draw_overlay("数 $x$ " + "word " * 200, [panel], tmp_path / "long.png")
    assert out.read_bytes().startswith(PNG)


def test_a_picture_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected at least one panel, got none"):
        draw_overlay("empty", [], tmp_path / "no.png")
    assert not (tmp_path / "no.png").exists()
