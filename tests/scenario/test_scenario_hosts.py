"""How late hosts are, as people write it, and what is refused."""

from __future__ import annotations

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import LATENESS_PRESETS, parse_scenario
from ccsim.scenario.hosts_spec import PRESETS
from ccsim.sim.distributions import mean
from ccsim.spec import Distribution, Hosts, Lateness, Scenario, Stalls

US, MS = 1_000, 1_000_000


def parsed(hosts: str) -> Scenario:
    return parse_scenario(
        "name: x\nduration: 1 s\npath: {rate: 10 Mbit/s, rtt: 10 ms}\nflows: [{name: a}]\n"
        f"hosts: {hosts}\n",
        "x.yaml",
    )


def test_a_rate_a_length_and_a_delay_are_read_with_their_units() -> None:
    hosts = parsed(
        "{lateness: {delay: {exponential: 20 us}, stalls: {rate: 5 /s, length: 2 ms}}}"
    ).hosts
    late = Lateness(
        delay_ns=Distribution(kind="exponential", value=20 * US),
        stalls=Stalls(gap_ns=200 * MS, length_ns=Distribution(kind="fixed", value=2 * MS)),
    )
    assert hosts == Hosts(sender=late, receiver=late)


def test_quantiles_and_points_are_read_with_their_units() -> None:
    hosts = parsed(
        "{receiver: {lateness: {delay: [{time: 0 us, cdf: 0.5}, {time: 1 ms, cdf: 1}],"
        " stalls: {p99: 30 us, p999: 1 ms, max: 5 ms}}}}"
    ).hosts
    delay = Distribution(kind="table", points=((0, 0.5), (MS, 1.0)))
    stalls = Stalls(p99_ns=30 * US, p999_ns=MS, max_ns=5 * MS)
    assert hosts == Hosts(receiver=Lateness(delay_ns=delay, stalls=stalls))


def test_one_end_may_differ_from_the_other() -> None:
    hosts = parsed("{lateness: quiet, sender: {lateness: exact}}").hosts
    assert hosts is not None
    assert hosts.sender is None
    assert hosts.receiver is not None


@pytest.mark.parametrize("written", ["{}", "{lateness: exact}", "{sender: {}}"])
def test_hosts_that_are_never_late_are_not_stored(written: str) -> None:
    assert parsed(written).hosts is None
    assert "hosts" not in parsed(written).resolved()


def test_a_resolved_scenario_with_late_hosts_reads_back() -> None:
    scenario = parsed("{lateness: busy}")
    assert Scenario.from_resolved(scenario.resolved()).hosts == scenario.hosts


def test_every_preset_is_told_of_and_a_quiet_host_takes_15_us() -> None:
    assert set(PRESETS) == set(LATENESS_PRESETS)
    hosts = parsed("{lateness: quiet}").hosts
    assert hosts is not None
    assert hosts.sender is not None
    assert hosts.sender.delay_ns is not None
    assert mean(hosts.sender.delay_ns) == pytest.approx(15 * US, rel=0.02)


@pytest.mark.parametrize(
    ("hosts", "where", "message"),
    [
        ("{lateness: quite}", "5:19: hosts.lateness", "did you mean 'quiet'?"),
        ("{lateness: 5 ms}", "5:19: hosts.lateness", 'no preset of lateness "5 ms"'),
        ("{late: quiet}", "5:9: hosts.late", "unknown key 'late'; did you mean 'lateness'"),
        (
            "{lateness: {delays: 1 ms}}",
            "5:20: hosts.lateness.delays",
            "unknown key 'delays'; did you mean 'delay'",
        ),
        (
            "{sender: {lateness: {stalls: {rate: 5 /s}}}}",
            "5:37: hosts.sender.lateness.stalls",
            "expected 'rate' and 'length', or 'p99', 'p999' and 'max', got 'rate'",
        ),
        (
            "{lateness: {stalls: {p99: 2 ms, p999: 1 ms, max: 5 ms}}}",
            "hosts.lateness.stalls",
            "expected p99 below p999",
        ),
        (
            "{lateness: {stalls: {p99: 2 ms, p999: 5 ms, max: 2 s}}}",
            "hosts.lateness.stalls",
            "expected stalls of at most 1 s, got a max of 2 s",
        ),
        (
            "{lateness: {delay: [{time: 5 us, cdf: 0.5}, {time: 1 us, cdf: 1}]}}",
            "hosts.lateness.delay",
            "expected times and shares that do not fall",
        ),
        (
            "{lateness: {delay: [{bytes: 5, cdf: 0.5}]}}",
            "hosts.lateness.delay",
            "expected points such as {time: 15 us, cdf: 0.5}",
        ),
        ("{lateness: {delay: 20}}", "hosts.lateness.delay", "20"),
    ],
)
def test_what_is_wrong_about_hosts_is_told_with_its_place(
    hosts: str, where: str, message: str
) -> None:
    with pytest.raises(ScenarioError) as error:
        parsed(hosts)
    assert where in str(error.value)
    assert message in str(error.value)
