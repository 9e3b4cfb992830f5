"""Scripts of our own against the emulated stack: what must agree, what must differ, and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.verify.packetdrill.fastopen import cookie_for, key_of
from ccsim.verify.packetdrill.play import AGREES, CANNOT, DIFFERS, WRONG, play_file, play_text

HERE = Path(__file__).parent
SCRIPTS = {path.stem: path for path in sorted(HERE.glob("*.pkt"))}
OTHERS = {
    "differs_window": (DIFFERS, 14, 7, "expected tcpi_snd_cwnd == 11, got tcpi_snd_cwnd = 12"),
    "differs_segment": (DIFFERS, 11, 7, "P. 1:11001(11000) ack 1"),
    "differs_time": (DIFFERS, 12, 7, "at 0.100140 s, got it at 0.153500 s"),
    "differs_errno": (DIFFERS, 3, 7, "expected write to return -1 ENOTCONN, got -1 EPIPE"),
    "cannot_bsd": (CANNOT, 5, 7, "a SYN as FreeBSD sends it"),
    "cannot_command": (CANNOT, 2, 1, "'reconfigure_the_moon.sh' is not understood"),
    "cannot_window": (CANNOT, 11, 7, "the window that the receiver advertises"),
    "wrong_syntax": (WRONG, 3, 11, "expected 0:0(0), got 0:10(0)"),
    "wrong_unclosed": (WRONG, 2, 7, "expected '}%', got the end of the script"),
}
SOCKET = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"


def test_some_twenty_scripts_are_there() -> None:
    assert len(SCRIPTS.keys() - OTHERS.keys()) >= 19
    assert SCRIPTS.keys() >= OTHERS.keys()


@pytest.mark.parametrize("name", sorted(SCRIPTS.keys() - OTHERS.keys()))
def test_a_script_agrees(name: str) -> None:
    verdict = play_file(SCRIPTS[name])
    assert verdict.outcome == AGREES, f"{verdict.place}: {verdict.message}"
    assert verdict.events >= 4


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_a_script_that_does_not_agree_is_told_with_its_first_line(name: str) -> None:
    outcome, line, column, message = OTHERS[name]
    verdict = play_file(SCRIPTS[name])
    assert verdict.outcome == outcome
    assert verdict.place is not None
    assert (verdict.place.line, verdict.place.column) == (line, column)
    assert message in verdict.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: expected an event, got the end of the script"),
        ("+1 close(3) = 0", "1:4: expected the first event at time 0"),
        ("0 > Q. 0:0(0)", "1:5: expected TCP flags such as 'P.', got 'Q'"),
        ("0 < S 0:0(0) win x", "1:18: expected a window, got 'x'"),
        ("0 < S 0:0(0) <mss>", "1:18: expected the value of mss, got '>'"),
        ("0 close(3", "1:10: expected ',', got the end of the script"),
        ("0 close(3) 0", "1:12: expected '=', got '0'"),
        ("0 < S 0:0(0) <FO 123>", "1:18: expected the bytes of a cookie in hex, got '123'"),
        ("later close(3) = 0", "1:1: expected a time [s], got 'later'"),
        ("0 `ls", "1:3: expected a closing '`', got the end of the script"),
        ("/* 0 close(3) = 0", "1:1: expected '*/', got the end of the script"),
        ("0 %{ assert 1 + }%", "1:3: expected Python in %{ }%, got invalid syntax"),
        ("--tolerance_usecs=soon\n0 close(3) = 0", "1:1: expected a number, got 'soon'"),
        ("\n\n0 !", "3:3: expected a packet, a system call, a command or code, got '!'"),
    ],
)
def test_what_is_no_script_is_refused_with_its_place(text: str, said: str) -> None:
    verdict = play_text(text, "x.pkt")
    assert verdict.outcome == WRONG
    assert f"{verdict.place}: {verdict.message}".startswith(f"x.pkt:{said}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("+0 %{ __import__('os').system('true') }%", "the call of"),
        ("+0 %{ import os }%", "Import is not understood"),
        ("+0 %{ open('/etc/passwd') }%", "the call of open is not understood"),
        ("+0 %{ x = ().__class__ }%", "Attribute is not understood"),
        ("+0 %{ x = [i for i in (1, 2)] }%", "ListComp is not understood"),
        ("+0 %{ x = 9 ** 9 ** 9 }%", "Pow is not understood"),
        ("+0 %{ x = 1 << 1000000000 }%", "a shift of that width"),
        ("+0 %{ x = 'a' * 1000000000 }%", "text of that length"),
        ("+0 %{ x = '%1000000000d' % 1 }%", "text of that length"),
        ("+0 %{ x = '%*d' % (1000000000, 1) }%", "text of that length"),
        ("+0 %{ assert tcpi_wonders == 1 }%", "tcpi_wonders is not modelled"),
        ("+0 bind(3, NULL, 99999999999) = 0\n+0 mmap(3) = 0", "the system call mmap"),
        ("+0 setsockopt(3, SOL_TCP, TCP_ULP, [1], 4) = 0", "TCP_ULP is not modelled"),
        ("+0 < icmp unreachable frag_needed mtu 1200", "ICMP unreachable frag_needed is not"),
        ("+0 < icmp echo_request", "ICMP echo_request is not modelled"),
        ("+0 sendmsg(3, {msg_iov(1)=[{a=1}]}, 0) = 1", "expected a vector of {..., size}"),
        ("+0 sendmsg(3, {msg_iov(1)=...}, MSG_ZEROCOPY) = 1", "expected a vector of"),
        ("+0 writev(3, [{..., 99999999999999}], 1) = 1", "expected a vector of"),
        ("+0 < udp (10)", "UDP is not modelled"),
        ("+0 < sctp: INIT[]", "SCTP is not modelled"),
        ("+0 < S 0:0(0) win 1000 <mss MSS>", "MSS is not defined: expected the value of mss"),
        ("+0 < SW.5 0:0(0)", "AccECN is not modelled"),
        ("+0 < S 0:0(0) <md5 0011,nop,nop>", "the option TCP-MD5 is not modelled"),
        ("+0 < U. 1:2(1) urg 1", "urgent data are not modelled"),
        ("+0 `sysctl -q net.ipv4.tcp_recovery=0`", "tcp_recovery=0 is not modelled"),
        ("+0 `tc qdisc replace dev tun0 root netem loss 1%`", "the qdisc netem loss 1%"),
        ("+0 `nstat | grep TcpExtTCPTimeouts`", "what nstat counts"),
        ("+0 `ip route change default rto_min 5`", "rto_min of a route is not modelled"),
    ],
)
def test_what_is_not_modelled_is_refused_and_named(line: str, said: str) -> None:
    verdict = play_text(SOCKET + line, "x.pkt")
    assert verdict.outcome == CANNOT, verdict
    assert said in verdict.message
    assert verdict.place is not None
    assert verdict.place.line >= 2


@pytest.mark.parametrize(
    "line", ["+0 %{ print 'cwnd', 10 }%", "+0 %{\n  print 3\n  assert 1 }%", "+0 `nstat -n`"]
)
def test_what_older_scripts_print_and_counters_set_back_change_nothing(line: str) -> None:
    assert play_text(SOCKET + line, "x.pkt").outcome == AGREES


def test_names_that_code_sets_last_until_the_end_of_the_script() -> None:
    text = SOCKET + (
        "+0 %{ n = 3; n += 4 }%\n+0 %{ assert n == 7, n }%\n"
        "+0 %{\nif n > 6:\n    m = max(n, 10) % 4\nelse:\n    m = 0\nassert m == 2\n}%\n"
        "+0 %{ assert n == 8, n }%"
    )
    verdict = play_text(text, "x.pkt")
    assert (verdict.outcome, verdict.message) == (DIFFERS, "expected n == 8, got n = 7")


def test_time_is_relative_to_the_event_before_or_absolute() -> None:
    text = SOCKET + (
        "0.5 %{ x = 1 }%\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
        "1.0 < S 0:0(0) win 1000\n1.0 > S. 0:0(0) ack 1 <...>\n* > S. 0:0(0) ack 1 <...>\n"
    )
    assert play_text(text, "x.pkt").outcome == AGREES
    late = play_text(text.replace("* > S.", "1.5 > S."), "x.pkt")
    assert late.outcome == DIFFERS
    assert "at 1.500000 s, got it at 2.000500 s" in late.message


def test_the_tolerance_is_the_scripts_own() -> None:
    text = SOCKET + (
        "+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
        "+0 < S 0:0(0) win 1000\n+0 > S. 0:0(0) ack 1 <...>\n+.99 > S. 0:0(0) ack 1 <...>\n"
    )
    assert play_text(text, "x.pkt").outcome == DIFFERS
    assert play_text("--tolerance_usecs=15000\n" + text, "x.pkt").outcome == AGREES


@pytest.mark.parametrize(
    ("setup", "scale", "outcome"),
    [
        ("", 6, AGREES),  # a machine with less memory
        ("", 10, AGREES),
        ('`sysctl -q net.ipv4.tcp_rmem="4096 131072 4194304"`\n', 7, AGREES),  # 2**22: 22 - 15
        ('`sysctl -q net.ipv4.tcp_rmem="4096 131072 4194304"`\n', 6, DIFFERS),
    ],
)
def test_the_window_scale_is_the_machines_where_a_script_sets_no_memory(
    setup: str, scale: int, outcome: str
) -> None:
    text = (
        setup
        + SOCKET
        + (
            "+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
            "+0 < S 0:0(0) win 1000 <mss 1000,wscale 7>\n"
            f"+0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale {scale}>\n"
        )
    )
    assert play_text(text, "x.pkt").outcome == outcome


def test_a_script_may_be_of_a_host_that_repeats_syns_as_before_linux_6_5() -> None:
    text = (
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n"
        "+0 setsockopt(3, SOL_TCP, TCP_SYNCNT, [2], 4) = 0\n"
        "+0 connect(3, ..., ...) = -1 EINPROGRESS\n+0 > S 0:0(0) <...>\n"
        "+1 > S 0:0(0) <...>\n+2 > S 0:0(0) <...>\n+5 write(3, ..., 1) = -1 ETIMEDOUT\n"
    )
    verdict = play_text(text, "x.pkt")
    assert (verdict.outcome, verdict.older) == (AGREES, True)
    linear = "`sysctl -q net.ipv4.tcp_syn_linear_timeouts=1`\n" + text
    assert play_text(linear, "x.pkt").outcome == DIFFERS


def test_what_a_new_socket_tells_of_its_segments_depends_on_the_kernel() -> None:
    text = SOCKET + "+0 setsockopt(3, SOL_TCP, TCP_MAXSEG, [1100], 4) = 0\n"
    for told, older in ((1100, False), (536, True)):
        got = f"+0 getsockopt(3, SOL_TCP, TCP_MAXSEG, [{told}], [4]) = 0\n"
        verdict = play_text(text + got, "x.pkt")
        assert (verdict.outcome, verdict.older) == (AGREES, older)


def test_segments_of_a_connection_that_the_script_has_done_with_are_not_looked_at() -> None:
    text = SOCKET + (
        "+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n+0 connect(3, ..., ...) = -1 EINPROGRESS\n"
        "+0 > S 0:0(0) <...>\n+0 < S. 0:0(0) ack 1 win 1000 <mss 1000>\n+0 > . 1:1(0) ack 1\n"
        "+0 close(3) = 0\n+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4\n"
        "+0 fcntl(4, F_SETFL, O_NONBLOCK) = 0\n+.5 connect(4, ..., ...) = -1 EINPROGRESS\n"
        "+0 > S 0:0(0) <...>\n"
    )
    assert play_text(text, "x.pkt").outcome == AGREES  # the FIN of the first is not asked for


@pytest.mark.parametrize(
    ("key", "addresses", "cookie"),
    [
        # The vector of the authors of SipHash for the bytes 0 to 7 under the key 0 to 15.
        ("03020100-07060504-0b0a0908-0f0e0d0c", ("0.1.2.3", "4.5.6.7"), "6224939a79f5f593"),
        # What Linux answers, as recorded in a public script.
        ("0-0-0-0", ("10.248.0.2", "192.168.0.2"), "93b7aa4f550f8a1a"),
    ],
)
def test_a_cookie_is_the_siphash_of_both_addresses(
    key: str, addresses: tuple[str, str], cookie: str
) -> None:
    secret = key_of(key)
    assert secret is not None
    assert cookie_for(secret, *addresses).hex() == cookie
    assert key_of("1-2-3") is None


@pytest.mark.parametrize(
    ("old", "new", "outcome", "said"),
    [
        ("ee_data=1}", "ee_data=2}", DIFFERS, "'ee_data': 2"),
        ("scm_nsec=50000000", "scm_nsec=60000000", DIFFERS, "'scm_nsec': 60000000"),
        ("ee_info=SCM_TSTAMP_SND", "ee_info=SCM_TSTAMP_MOON", CANNOT, "'SCM_TSTAMP_MOON' in"),
        ("ee_errno=0", "ee_number=0", CANNOT, "the control message"),
        ("msg_control=[]", "msg_control=7", AGREES, ""),  # nothing has come: nothing is compared
        ("(1)=[{..., 0}], msg_flags=0", "(1)=[{..., 0}], msg_flags=1", AGREES, ""),
    ],
)
def test_control_messages_are_compared_field_by_field(
    old: str, new: str, outcome: str, said: str
) -> None:
    text = SCRIPTS["error_queue"].read_text(encoding="utf-8")
    assert old in text
    verdict = play_text(text.replace(old, new, 1), "x.pkt")
    assert (verdict.outcome, said in verdict.message) == (outcome, True), verdict


def test_no_repetition_waits_longer_than_the_longest_timeout() -> None:
    text = "`sysctl -q net.ipv4.tcp_rto_max_ms=1000`\n" + SOCKET + (
        "+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n+0 < S 0:0(0) win 9000 <mss 1000>\n"
        + "+0 > S. 0:0(0) ack 1 <...>\n" + "+1 > S. 0:0(0) ack 1 <...>\n" * 3
        + "+.1 < . 1:1(0) ack 1 win 9000\n+0 accept(3, ..., ...) = 4\n"
        "+0 write(4, ..., 900) = 900\n+0 > P. 1:901(900) ack 1\n"
        + "+1~+1.01 > P. 1:901(900) ack 1\n" * 4
    )  # fmt: skip
    assert play_text(text, "x.pkt").outcome == AGREES


def test_a_definition_stands_for_its_value() -> None:
    text = (
        "--define=MSS=1000\n--define=CLOSE=close\n" + SOCKET + "+0 CLOSE(3) = 0\n"
        "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4\n"
        "+0 setsockopt(4, SOL_TCP, TCP_MAXSEG, [MSS], 4) = 0\n"
        "+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [1000], [4]) = 0\n"
    )
    assert play_text(text, "x.pkt").outcome == AGREES


def test_a_script_comes_out_the_same_each_time() -> None:
    first, second = (play_file(SCRIPTS["differs_time"]) for _ in range(2))
    assert first == second


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_script_is_told_of_and_never_fails(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SCRIPTS)))
    lines = SCRIPTS[name].read_text(encoding="utf-8").splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = data.draw(
            st.sampled_from(
                [
                    "",
                    lines[at][: len(lines[at]) // 2],
                    lines[data.draw(st.integers(0, len(lines) - 1))],
                    lines[at].replace("1001", "5001").replace("ack 1 ", "ack 9001 "),
                    lines[at].replace("+0", "+.3").replace("write", "read"),
                    lines[at].replace(". 1:", "F. 1:").replace("win 500", "win 0"),
                ]
            )
        )
    verdict = play_text("\n".join(lines), "x.pkt")
    assert verdict.outcome in (AGREES, DIFFERS, CANNOT, WRONG)
    assert (verdict.place is None) == (verdict.outcome == AGREES)


def test_the_example_of_the_documentation_agrees() -> None:
    page = (HERE.parent.parent / "docs" / "packetdrill.md").read_text(encoding="utf-8")
    example = page.split("## An example")[1].split("```")[1]
    verdict = play_text(example, "docs/packetdrill.md")
    assert verdict.outcome == AGREES, verdict
