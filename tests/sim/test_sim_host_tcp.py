"""One end of flows, or one flow, has another TCP than all hosts."""

from __future__ import annotations

import pytest

from ccsim.errors import ScenarioError
from ccsim.linux.sysctls import wrong_sysctls
from ccsim.scenario import parse_scenario
from ccsim.sim.world import World
from ccsim.spec import Scenario
from tests.digests.digests import digest

TEN = "rate: 10 Mbit/s, rtt: 40 ms, buffer: 200 packets"
SHORT = "rate: 10 Mbit/s, rtt: 40 ms, buffer: 5 packets"
WRITES = "congestion: reno, source: {write: 60 kB, every: 1 s}"


def parsed(more: str, flow: str = "congestion: reno", path: str = TEN) -> Scenario:
    return parse_scenario(
        f"duration: 6 s\npath: {{{path}}}\n{more}flows: [{{name: a, {flow}}}]\n", "x.yaml"
    )


def world(
    more: str = "", flow: str = "congestion: reno", path: str = TEN, *, vector: bool = True
) -> World:
    made = World(parsed(more, flow, path), vector=vector)
    made.run()
    return made


def test_the_window_of_one_flow_is_kept_over_silence_and_that_of_others_is_not() -> None:
    """As under ``tcp``: 42 packets a second, 52 after slow start from 10; kept, it grows by the 32
    that found it full."""
    most = []
    for own in ("", ", tcp: {slow_start_after_idle: 0}"):
        made = world(flow=WRITES + own)
        most.append((made.result().flows[0].snd_cwnd.max(), made.flows[0].sk.snd_cwnd))
    assert most[0][0] == 52
    assert most[1] == (84, 84)


@pytest.mark.parametrize(("end", "probed"), [("sender", (0, 1)), ("receiver", (1, 0))])
def test_only_the_sending_end_probes_for_a_lost_tail(end: str, probed: tuple[int, int]) -> None:
    """Eight packets at once into a queue of five: three are lost, and no duplicate tells."""
    more = f"hosts: {{{end}: {{tcp: {{early_retrans: 0}}}}}}\n"
    flow = "congestion: reno, source: {write: 12 kB, every: 1 s}"
    counters = world(more, flow, SHORT).flows[0].sk.counters
    assert (counters["tlps"], counters["rtos"]) == probed


@pytest.mark.parametrize("option", ["sack", "timestamps"])
@pytest.mark.parametrize(
    "more", ["hosts: {{sender: {{tcp: {{{0}: 0}}}}}}", "hosts: {{receiver: {{tcp: {{{0}: 0}}}}}}"]
)
def test_an_option_that_one_end_does_not_offer_is_not_used(option: str, more: str) -> None:
    lossy = f"{TEN}, loss: 0.5 %"
    alone = digest(world(more.format(option) + "\n", path=lossy).result())
    both = digest(world(f"tcp: {{{option}: 0}}\n", path=lossy).result())
    assert alone == both
    assert alone != digest(world(path=lossy).result())


def test_a_receiver_delays_acks_as_its_own_tcp_says() -> None:
    more = "hosts: {receiver: {tcp: {delayed_ack: false, quickacks: 7}}}\n"
    flow = world(more, "congestion: reno, size: 20 kB").flows[0]
    assert not flow.receiving.receiver.delayed
    assert world("", "congestion: reno, size: 20 kB").flows[0].receiving.receiver.delayed


def test_a_flow_says_more_than_an_end_and_that_more_than_all() -> None:
    more = "tcp: {initial_window: 4, min_rto: 1 s}\nhosts: {sender: {tcp: {initial_window: 6}}}\n"
    hosts = [
        world(more, f"congestion: reno{own}").flows[0].sk.host
        for own in ("", ", tcp: {initial_window: 8}")
    ]
    assert [host.initial_window for host in hosts] == [6, 8]
    assert [host.rto_min_us for host in hosts] == [1_000_000, 1_000_000]


def test_fq_of_one_flow_paces_that_one() -> None:
    text = "duration: 1 s\npath: {" + TEN + "}\nflows:\n  - {name: a, congestion: reno}\n"
    text += "  - {name: b, congestion: reno, tcp: {pacing: fq}}\n"
    made = World(parse_scenario(text, "x.yaml"))
    assert [flow.sk.pacing_status > 0 for flow in made.flows] == [False, True]


def test_connections_of_a_workload_have_a_tcp_of_their_own() -> None:
    text = "duration: 1 s\npath: {" + TEN + "}\nworkloads:\n  - {name: w, arrivals: {at_once: 2}, "
    text += "sizes: 20 kB, congestion: reno, tcp: {initial_window: 3}}\n"
    made = World(parse_scenario(text, "x.yaml"))
    assert [flow.sk.host.initial_window for flow in made.flows] == [3, 3]


def test_late_hosts_stay_late_where_only_their_tcp_is_their_own() -> None:
    late = parsed("hosts: {lateness: quiet, sender: {tcp: {frto: 0}}}\n").hosts
    assert late is not None
    assert late.sender == late.receiver is not None


def test_what_is_as_with_all_is_not_stored_and_what_is_not_is_read_back() -> None:
    same = parsed("hosts: {sender: {tcp: {frto: 2}}}\n", "congestion: reno, tcp: {sack: 1}")
    assert "sender_tcp" not in same.resolved()["flows"][0]
    other = parsed("", "congestion: reno, tcp: {sack: 0}")
    assert Scenario.from_resolved(other.resolved()) == other
    assert other.flows[0].sender_tcp == other.flows[0].receiver_tcp != other.tcp


def test_neither_cuts_nor_trains_change_a_byte() -> None:
    more = "hosts: {receiver: {tcp: {delayed_ack: false}}, sender: {tcp: {recovery: 7}}}\n"
    path = "rate: 20 Mbit/s, rtt: 40 ms, buffer: 1 BDP, loss: 0.2 %"
    flow = "congestion: cubic, tcp: {pacing: fq}"
    made = {digest(world(more, flow, path, vector=on).result()) for on in (True, False)}
    assert len(made) == 1


@pytest.mark.parametrize(
    ("more", "flow", "message"),
    [
        ("", "tcp: {sack: 2}", "x.yaml:3:31: flows.0.tcp.sack: expected true, false, 0 or 1"),
        ("", "tcp: {mss: 500 B}", "flows.0.tcp.mss: unknown key 'mss'"),
        ("hosts: {sender: {tcp: {frto: 3}}}\n", "rtt: 1 ms", "x.yaml:3:30: hosts.sender.tcp.frto"),
        ("hosts: {tcp: {frto: 1}}\n", "rtt: 1 ms", "hosts.tcp: unknown key 'tcp'"),
        ("tcp: {max_reordering: 5}\n", "tcp: {reordering: 9}", "flows.0.tcp: expected a reord"),
    ],
)
def test_what_no_kernel_takes_is_refused_where_it_stands(
    more: str, flow: str, message: str
) -> None:
    with pytest.raises(ScenarioError) as error:
        parsed(more, flow)
    assert message in str(error.value)


def test_a_kernel_is_not_asked_for_hosts_that_differ() -> None:
    assert not list(wrong_sysctls(parsed("tcp: {sack: 0}\n")))
    wrong = list(wrong_sysctls(parsed("", "congestion: reno, tcp: {sack: 0}")))
    assert wrong == ["flows.0.tcp: hosts on a kernel have the TCP of all; simulate what differs"]
