"""What a kernel is told of a scenario's sysctls, by Linux's names and numbers."""

from __future__ import annotations

from dataclasses import replace

from ccsim.linux.plan import make_plan, why_not_on_linux
from ccsim.linux.sysctls import SYSCTLS, host_sysctls
from ccsim.scenario import parse_scenario
from ccsim.spec import Hosts, Lateness, Scenario


def scenario(tcp: str = "", flow: str = "") -> Scenario:
    return parse_scenario(
        "name: x\nduration: 1 s\npath: {rate: 10 Mbit/s, rtt: 10 ms}\n"
        f"tcp: {{{tcp}}}\nflows: [{{name: a{flow}}}]\n",
        "x.yaml",
    )


def test_sysctls_have_linuxs_names_and_numbers() -> None:
    told = host_sysctls(scenario("sack: 0, frto: 0, recovery: 3, notsent_lowat: 16 KiB").tcp)
    assert set(SYSCTLS) < set(told)
    named = {key.removeprefix("net.ipv4.tcp_"): value for key, value in told.items()}
    assert named["sack"] == named["frto"] == "0"
    assert (named["early_retrans"], named["recovery"], named["notsent_lowat"]) == (
        "3",
        "3",
        "16384",
    )


def test_both_ends_are_told() -> None:
    plan = make_plan(scenario("timestamps: 0"))
    assert plan["namespaces"][0]["sysctls"]["net.ipv4.tcp_timestamps"] == "0"
    assert plan["receiver_sysctls"]["net.ipv4.tcp_timestamps"] == "0"
    assert "net.ipv4.tcp_timestamps" not in make_plan(scenario())["receiver_sysctls"]


def test_what_is_no_sysctl_is_refused() -> None:
    problems = why_not_on_linux(scenario("pacing: fq", ", max_pacing_rate: 1 Mbit/s"))
    assert [text.split(":")[0] for text in problems] == ["tcp.pacing", "flows.0.max_pacing_rate"]


def test_late_hosts_are_not_in_the_way_of_a_kernel_that_has_its_own_lateness() -> None:
    late = replace(scenario(), hosts=Hosts(sender=Lateness(), receiver=Lateness()))
    assert why_not_on_linux(late) == []
