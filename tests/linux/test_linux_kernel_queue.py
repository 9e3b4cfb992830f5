"""A path whose queue is the kernel's own: what it is asked for, byte by byte, and what is seen."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import pytest

from ccsim.linux import netns
from ccsim.linux.host import missing_for
from ccsim.linux.kernel_queue import KernelQueue, qdisc_of
from ccsim.linux.packets import TO_QUEUE, TO_RECEIVER, FlowDelays
from ccsim.linux.plan import make_plan, why_not_on_linux
from ccsim.linux.run import LinuxError, run_on_linux
from ccsim.linux.traffic_control import Traffic, bucket_options, options_of
from ccsim.scenario import parse_scenario
from ccsim.spec import Scenario

MS = 1_000_000
MISSING = missing_for(["reno"])
needs_kernel = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))
FLOWS = "flows: [{name: a, congestion: reno}]"
PATH: dict[str, Any] = {
    "rate_bps": 12_000_000,  # 1500 bytes take 1 ms
    "buffer_packets": 20,
    "qdisc": "fifo",
    "loss_probability": 0.0,
    "loss_seed": 1,
    "ecn_mark_packets": None,
    "ecn_mark_ns": None,
}


def resolved(path: str, more: str = "") -> Scenario:
    text = f"name: t\nduration: 1500 ms\nkernel: {{default: reno}}\npath: {path}\n{FLOWS}\n{more}"
    return parse_scenario(text, "t.yaml")


def packet(number: int, ecn: int = 0) -> bytes:
    """Return 1500 bytes that bear an identification and a sequence number."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, ecn, 1500, number, 0, 64, 6, 0, bytes(4), bytes(4))
    return head + struct.pack("!HHI", 40_001, 5, number * 1448) + bytes(1472)


class Counted(Traffic):
    """A queue of the kernel's that says what it is told to."""

    def __init__(self) -> None:
        self.state = (0, 0)

    def read(self) -> tuple[int, int]:
        return self.state


def queue(**path: Any) -> tuple[KernelQueue, Counted]:
    traffic = Counted()
    ways = [FlowDelays((0, 10 * MS, 20 * MS), None, 0)]
    return KernelQueue({**PATH, **path}, ways, 10 * MS, traffic, (3, 4)), traffic


# --- what is seen ---


def test_a_packet_goes_into_the_kernels_queue_and_from_it_over_our_line() -> None:
    path, _ = queue()
    path.forward(5 * MS, 0, packet(1))
    ((t, to, flow, data),) = path.due(5 * MS)
    assert (t, to, flow) == (5 * MS, TO_QUEUE, 0)
    path.passed(9 * MS, 0, data)
    assert path.next_ns() == 10 * MS  # the kernel is asked for its queue
    ((t, to, *_),) = path.due(20 * MS)
    assert (t, to) == (20 * MS, TO_RECEIVER)  # 9 + 1 of the line + 10 behind it


def test_what_a_bucket_lets_go_together_leaves_one_after_the_other() -> None:
    path, _ = queue()
    for k in range(3):
        path.passed(0, 0, packet(k))
    assert [t for t, *_ in path.due(30 * MS)] == [11 * MS, 12 * MS, 13 * MS]


@pytest.mark.parametrize(("qdisc", "at_ms"), [("fifo", 2), ({"kind": "codel", "values": {}}, 7)])
def test_a_packet_that_never_comes_out_was_dropped(qdisc: Any, at_ms: int) -> None:
    """A FIFO drops at the arrival; CoDel before it serves the packet behind."""
    path, _ = queue(qdisc=qdisc)
    for k in range(3):
        path.forward((k + 1) * MS, 0, packet(k))
    path.due(3 * MS)
    path.passed(4 * MS, 0, packet(0))
    path.passed(7 * MS, 0, packet(2))
    assert path.report()["drops"] == [(at_ms * MS, 0, 0)]


def test_a_mark_that_the_kernel_has_set_is_noted() -> None:
    path, _ = queue()
    for k, ecn in enumerate([2, 2, 3]):
        path.forward(0, 0, packet(k, ecn))
    path.due(0)
    for k, ecn in enumerate([2, 3, 3]):  # the last bore CE before
        path.passed((k + 1) * MS, 0, packet(k, ecn))
    assert path.report()["marks"] == [(2 * MS, 0)]


def test_samples_are_what_the_kernel_counts_and_what_is_on_the_line() -> None:
    path, traffic = queue()
    traffic.state = (7, 2)
    path.passed(9 * MS + 500_000, 0, packet(0))
    path.finish(10 * MS)
    assert path.report()["samples"][-1] == (10 * MS, 8, 2, 0, 0)


def test_losses_at_random_come_before_the_queue_and_have_the_scenarios_seed() -> None:
    from ccsim.net.loss import BernoulliLoss

    lost = BernoulliLoss(0.3, 1).draws(50)
    path, _ = queue(loss_probability=0.3)
    for k in range(50):
        path.forward(k * MS, 0, packet(k))
    arrived = {t for t, *_ in path.due(50 * MS)}
    assert arrived == {k * MS for k in range(50) if not lost[k]}
    assert [t for t, *_ in path.report()["drops"]] == [k * MS for k in range(50) if lost[k]]


# --- what it is asked for ---


def test_a_buckets_options_are_those_of_the_kernels_header() -> None:
    """tc_tbf_qopt has 36 bytes: two tc_ratespec of 12, then limit, buffer and mtu. 20 Mbit/s are
    2.5 MB/s; two packets of 1500 and 1250 bytes of half a millisecond are the burst."""
    found = dict(netns.attributes(bucket_options(20_000_000, 1500)))
    assert len(found[1]) == 36
    assert found[1][1] == 1  # linklayer: Ethernet
    assert struct.unpack_from("=I", found[1], 8) == (2_500_000,)
    assert struct.unpack_from("=I", found[1], 24) == (1 << 20,)
    assert found[6] == struct.pack("=I", 4250)
    assert found[4] == struct.pack("=Q", 2_500_000)


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("pfifo", {"limit": 20}, [20]),
        # nla_len 8, nla_type, value; TCA_CODEL_TARGET is 1, TCA_CODEL_ECN 4
        ("codel", {"target_us": 5000, "ecn": 1}, [8 | 1 << 16, 5000, 8 | 4 << 16, 1]),
        ("fq_codel", {"quantum": 1514}, [8 | 6 << 16, 1514]),  # TCA_FQ_CODEL_QUANTUM
        ("pie", {"tupdate_us": 16000}, [8 | 3 << 16, 16000]),  # TCA_PIE_TUPDATE
        ("fq", {"flow_limit": 50}, [8 | 2 << 16, 50]),  # TCA_FQ_FLOW_PLIMIT
    ],
)
def test_options_are_those_of_the_kernels_header(kind: str, values: Any, words: list[int]) -> None:
    assert options_of(kind, values) == struct.pack(f"={len(words)}I", *words)


def test_an_attribute_that_ends_beyond_its_message_is_an_error() -> None:
    with pytest.raises(OSError, match="ends beyond it"):
        list(netns.attributes(struct.pack("=HHI", 12, 1, 0)))


def test_a_fifo_is_the_kernels_pfifo() -> None:
    assert qdisc_of(PATH) == ("pfifo", {"limit": 20})


@pytest.mark.parametrize(
    ("path", "more", "words"),
    [
        ("{qdisc: cake}", "", "a kernel's cake is not asked for"),
        ("{qdisc: {kind: fq, maxrate: 1 Mbit/s}}", "", "is not told of maxrate"),
        ("{netem: {loss: 1 %}}", "", "without netem"),
        ("{buffer: 9 packets}", "changes: [{at: 1 s, rate: 1 Mbit/s}]", "without changes"),
        ("{ecn: {mark_above: 3 packets}}", "", "does not mark"),
    ],
)
def test_what_a_kernels_queue_cannot_be_is_said(path: str, more: str, words: str) -> None:
    path = path.replace("{", "{rate: 10 Mbit/s, rtt: 20 ms, qdisc_of: kernel, ", 1)
    assert any(words in one for one in why_not_on_linux(resolved(path, more)))


def test_whose_queue_it_is_does_not_matter_to_a_simulation() -> None:
    path = "{rate: 10 Mbit/s, rtt: 20 ms, qdisc_of: kernel}"
    assert make_plan(resolved(path))["kernel_queue"]
    assert not make_plan(resolved("{rate: 10 Mbit/s, rtt: 20 ms, qdisc_of: ccsim}"))["kernel_queue"]
    assert "qdisc_of" not in resolved("{rate: 10 Mbit/s, rtt: 20 ms}").resolved()["path"]


# --- on a kernel ---


@needs_kernel
def test_the_kernels_fifo_fills_and_drops_as_ours_does() -> None:
    path = "{rate: 10 Mbit/s, rtt: 20 ms, buffer: 20 packets, qdisc_of: kernel}"
    measured = run_on_linux(resolved(path))
    (flow,), (link,) = measured.result.flows, measured.result.links
    assert 1_000_000 < flow.delivered_bytes[-1] < 1_875_000 * 1448 / 1500
    assert 20 <= link.queue_packets.max() <= 24  # and what the bucket lets go together
    assert link.drops[-1] > 0
    assert abs(int(link.drops[-1]) - len(link.drop_t_ns)) <= 2  # the last may not have shown yet
    assert measured.reports["path"]["refused"] == 0


def has_no_codel() -> bool:
    """Return whether the kernel says that it was built without CoDel."""
    try:
        text = gzip.decompress(Path("/proc/config.gz").read_bytes())
    except OSError:
        return False
    return b"# CONFIG_NET_SCH_CODEL is not set" in text


@needs_kernel
@pytest.mark.skipif(not has_no_codel(), reason="the kernel has CoDel, or does not say")
def test_a_queue_that_the_kernel_has_not_is_refused_with_the_remedy() -> None:
    scenario = resolved("{rate: 10 Mbit/s, rtt: 20 ms, qdisc: codel, qdisc_of: kernel}")
    words = "qdisc codel: this kernel has none; modprobe sch_codel"
    with pytest.raises(LinuxError, match=words):
        run_on_linux(scenario)
