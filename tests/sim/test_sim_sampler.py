"""Samples of a sender as the scalar path writes them down, and trains that are left to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ccsim.sim.acks import AcksInColumns, PlainAcks, Sacks
from ccsim.sim.flow import sending
from ccsim.sim.recorder import COLUMNS, FlowRecorder
from ccsim.sim.sampler import Sampler
from ccsim.sim.world import World
from ccsim.tcp.host import Host
from ccsim.tcp.paced_train import PACED, PacedRegime
from ccsim.tcp.refusal import Refusal
from ccsim.tcp.sender import Sender
from ccsim.tcp.thresholds import PYTHON
from ccsim.tcp.window_train import WINDOW
from tests.sim.sim_rig import MS, scenario_of


def recorder_of(sk: Sender) -> FlowRecorder:
    recorder = FlowRecorder(10 * MS, lambda: "reno")
    recorder.start(0)
    recorder.implementation_changed()
    return recorder


def samples(recorder: FlowRecorder) -> list[tuple[int, ...]]:
    tables = [*recorder.packed.blocks(), recorder._latest()]
    return [tuple(row) for table in tables for row in table.tolist()]


def test_a_sample_holds_what_the_sender_is_at_its_instant() -> None:
    sk = Sender(Host())
    recorder = recorder_of(sk)
    sk.una, sk.nxt, sk.delivered, sk.total_retrans, sk.ca_state = 100, 140, 104, 3, 1
    sk.snd_cwnd, sk.snd_ssthresh, sk.srtt_us, sk.pacing_rate = 50, 30, 8 * 41_000 + 7, 1_000_000
    sk.sacked_out, sk.lost_out, sk.retrans_out = 4, 2, 1
    recorder.catch_up(sk, 1)
    # in flight: 140 - 100 - 4 - 2 + 1; 10^6 bytes/s are 8 Mbit/s
    row = (0, 50, 30, 41_000, 35, 8_000_000, 100, 104, 3, 1, 0)
    assert samples(recorder) == [row]
    assert len(row) == len(COLUMNS)


def test_an_idle_sender_has_a_sample_at_every_instant_before_the_time() -> None:
    sk = Sender(Host())
    recorder = recorder_of(sk)
    recorder.catch_up(sk, 30 * MS)
    assert [row[0] for row in samples(recorder)] == [0, 10 * MS, 20 * MS]
    assert len({row[1:] for row in samples(recorder)}) == 1
    assert recorder.next_ns == 30 * MS
    recorder.catch_up(sk, 30 * MS)
    assert len(samples(recorder)) == 3


def test_no_sample_is_lost_or_moved_where_they_are_packed() -> None:
    sk = Sender(Host())
    recorder = recorder_of(sk)
    for k in range(600):
        sk.snd_cwnd = k
        recorder.catch_up(sk, k * 10 * MS + 1)
    assert len(recorder.packed) == 512  # two tables of 256
    assert [row[:2] for row in samples(recorder)] == [(k * 10 * MS, k) for k in range(600)]


@pytest.mark.pure
def test_unlimited_pacing_is_minus_one_and_a_fraction_its_whole_part() -> None:
    sk = Sender(Host())
    recorder = recorder_of(sk)
    sk.snd_cwnd, sk.snd_ssthresh = 10.75, 7.5  # type: ignore[assignment]  # an algorithm's mistake
    recorder.catch_up(sk, 1)
    sk.pacing_rate = 1000.25  # type: ignore[assignment]
    recorder.catch_up(sk, 10 * MS + 1)
    first, second = samples(recorder)
    assert (first[1], first[2], first[5]) == (10, 7, -1)
    assert second[5] == 8002


def test_what_metrics_need_is_sampled_every_ten_milliseconds_beside_the_record() -> None:
    sk = Sender(Host())
    recorder = FlowRecorder(15 * MS, lambda: "reno")
    recorder.start(2 * MS)
    recorder.implementation_changed()
    assert recorder.next_ns == 10 * MS
    assert recorder.instants(10 * MS, 46 * MS) == [t * MS for t in (10, 15, 20, 30, 40, 45)]
    assert recorder.instants(16 * MS, 30 * MS) == [20 * MS]
    assert recorder.instants(30 * MS, 30 * MS) == []
    sk.una = 7
    recorder.catch_up(sk, 46 * MS)
    assert [row[0] // MS for row in samples(recorder)] == [10, 15, 20, 30, 40, 45]
    recorder.pack(sk)
    assert [row[0] // MS for row in samples(recorder)] == [15, 30, 45]
    # time, acknowledged, delivered (1 for the SYN), resent, srtt
    assert recorder.between(20 * MS, 40 * MS) == [(t * MS, 7, 1, 0, 0) for t in (20, 30)]


def test_a_border_holds_the_counts_before_it_and_at_the_end_those_after() -> None:
    sk = Sender(Host())
    recorder = recorder_of(sk)
    sk.una, sk.total_retrans = 10, 2
    recorder.border(sk, 5 * MS)
    sk.una = 12
    recorder.border(sk, 5 * MS)
    recorder.border(sk, 6 * MS)
    assert recorder.borders == [(5 * MS, 12, 2), (6 * MS, 12, 2)]


def test_a_flow_that_is_over_holds_no_samples_outside_tables() -> None:
    sk = Sender(Host())
    recorder = recorder_of(sk)
    recorder.catch_up(sk, 1)
    recorder.finish(sk)
    assert len(recorder.table) == 0
    assert len(samples(recorder)) == 1


def test_a_sampler_that_cannot_pack_says_so_when_it_is_full() -> None:
    sampler = Sampler(1)
    sampler.next_ns = 0
    sampler.catch_up(Sender(Host()), 256)
    with pytest.raises(NotImplementedError):
        sampler.catch_up(Sender(Host()), 257)


# --- trains that are left to the scalar path ---


def train_of(times: list[int]) -> PlainAcks:
    t = np.array(times)
    return PlainAcks(t, np.arange(2, 2 + len(t)), t // 1000)


def test_what_arrives_at_the_horizon_does_not_arrive_before_it() -> None:
    rows = train_of([5, 7, 7, 9])
    assert [rows.before(t) for t in (5, 6, 7, 8, 9, 10)] == [0, 1, 1, 3, 3, 4]


def test_acks_as_rows_are_those_of_the_columns() -> None:
    t, ends = np.array([5000, 7000]), np.array([40, 41])
    assert train_of([5000, 7000]).part(0, 2) == [(5000, 2, 5, None), (7000, 3, 7, None)]
    sacks = Sacks(t, ends, (20, 30), ((22, 24),), 9)
    assert sacks.part(1, 2) == [(7000, 20, 9, ((30, 41), (22, 24)))]
    assert sacks.row(0) == (5000, 20, 9, ((30, 40), (22, 24)))


def test_columns_of_no_known_kind_have_no_rows() -> None:
    with pytest.raises(NotImplementedError):
        AcksInColumns(np.array([1]), np.array([1])).row(0)


TEXT = """
duration: 1 s
path: {rate: 12 Mbit/s, rtt: 20 ms, buffer: 10 packets}
flows: [{name: f, congestion: bbr}]
"""


@pytest.mark.pure
def test_an_algorithm_that_sets_the_rate_takes_trains_of_the_pacer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow = World(scenario_of(TEXT)).flows[0]
    flow.socket.open()
    assert flow.sending._regime(train_of([1, 2])) == (PACED, 24)
    monkeypatch.setattr(flow.sk, "ca_ops", replace(flow.sk.ca_ops, cong_control=None))
    assert flow.sending._regime(train_of([1, 2])) == (WINDOW, 12)


@pytest.mark.pure
def test_a_train_too_short_to_be_taken_at_once_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow = World(scenario_of(TEXT)).flows[0]
    tried: list[int] = []

    def refuse(*_: object) -> Refusal:
        tried.append(1)
        return Refusal.TIMER

    monkeypatch.setattr(PacedRegime, "eligible", lambda regime, sk: None)
    monkeypatch.setattr(sending, "ROWS", replace(PYTHON, paced=12))
    monkeypatch.setattr(sending, "take_train", refuse)
    flow.socket.open()
    rows = train_of(list(range(1000, 1040)))
    assert (
        flow.sending._take_train(rows, 1011) is Refusal.TOO_FEW
    )  # 11 of them are before the horizon
    assert rows.retry == 11
    assert not tried
    rows.at = 11
    assert flow.sending._take_train(rows, 2000) is Refusal.TIMER
    assert tried
    assert rows.retry == 11 + sending.RETRY_ROWS  # 29 were enough, but it was refused
