"""What Linux would refuse at load, and what is handed over at a swap: told with errno and place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ccsim.verify.torture import AlgorithmReport, check_algorithm
from tests.verify.torture_rig import line, only

LOADING = {
    "no undo_cwnd": (
        ("    undo_cwnd=undo_cwnd,\n", ""),
        "good = TcpCongestionOps(",
        "EINVAL",
        "required operation missing: undo_cwnd is not implemented",
    ),
    "a name of 16": (
        ('name="good"', 'name="a234567890123456"'),
        "good = TcpCongestionOps(",
        "EINVAL",
        "expected at most 15 characters, got 16",
    ),
    "a name with a blank": (
        ('name="good"', 'name="a b"'),
        "good = TcpCongestionOps(",
        "EINVAL",
        "' '",
    ),
    "an unknown flag": (
        ('name="good",', 'name="good", flags=8,'),
        "good = TcpCongestionOps(",
        "EINVAL",
        "got 0x8",
    ),
    "an argument too few": (
        ("def cong_avoid(sk, ack, acked):", "def cong_avoid(sk, acked):"),
        "def cong_avoid(sk, ack, acked):",
        "EINVAL",
        "expected a function of (sk, ack, acked)",
    ),
    "no function": (
        ("ssthresh=ssthresh,", "ssthresh=2,"),
        "good = TcpCongestionOps(",
        "EINVAL",
        "2",
    ),
    "a private area with arguments": (
        ("private=Private,", "private=lambda sk: None,"),
        "    private=Private,",
        "EINVAL",
        "private: EINVAL: expected a function of ()",
    ),
}


@pytest.mark.parametrize("wrong", LOADING)
def test_what_linux_would_refuse_is_told_with_errno_and_place(
    wrong: str, check: Callable[..., AlgorithmReport]
) -> None:
    replacement, where, errno, text = LOADING[wrong]
    report = check(replacement)
    found = only(report)
    assert (found.rule, found.errno) == ("load", errno)
    assert text in str(found)
    assert found.place.endswith(f"good.py:{line(where)}")
    assert report.episodes == 0


def test_all_that_is_wrong_at_load_is_listed(check: Callable[..., AlgorithmReport]) -> None:
    report = check(
        ("    undo_cwnd=undo_cwnd,\n", ""),
        ("def ssthresh(sk):", "def ssthresh():"),
        ("def set_state(sk, new_state):", "def set_state(sk):"),
    )
    assert [finding.hook for finding in report.findings] == ["", "ssthresh", "set_state"]


def test_a_release_that_would_choose_an_algorithm_is_refused(
    check: Callable[..., AlgorithmReport],
) -> None:
    sets = "    from_kernel.bpf_setsockopt(sk, 13, 'reno')"
    report = check(
        ("    sk.ca.rtts.clear()", sets), ("SEEN = {}", "import ccsim.kernel.kfuncs as from_kernel")
    )
    assert only(report).message == "program of this type cannot use helper bpf_setsockopt"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("x = 1\ndef f(:\n", "bad.py:2", "syntax error"),
        ("x = 1\nraise ValueError('no')\n", "bad.py:2", "raised ValueError: no"),
        ("x = 1\n", "bad.py:1", "expected at least one module-level TcpCongestionOps"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_a_report_with_its_place(
    text: str, place: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.py").write_text(text)
    report = check_algorithm(tmp_path / "bad.py")
    assert report.readable
    assert only(report).place.endswith(place)
    assert said in report.findings[0].message


def test_a_missing_file_is_told_apart(tmp_path: Path) -> None:
    report = check_algorithm(tmp_path / "none.py")
    assert not report.readable
    assert not report.ok


# --- what is handed over at a swap ---

HANDS = (
    (
        "    release=release,",
        "    release=release,\n    export_model=told,\n    import_model=hears,",
    ),
    (
        "def release(sk):",
        "def told(sk):\n    TOLD\n\n\ndef hears(sk, model):\n    HEARS\n\n\ndef release(sk):",
    ),
)


@pytest.mark.parametrize(
    ("told", "hears", "rule", "hook"),
    [
        ("return {'cwnd_packets': sk.snd_cwnd}", "pass", "", ""),
        ("return {'bw_bps': 1.5}", "pass", "integer", "export_model"),
        ("sk.snd_cwnd = 7\n    return {}", "pass", "pure", "export_model"),
        ("return {}", "sk.snd_cwnd = 0", "cwnd", "import_model"),
        ("return {}", "sk.snd_cwnd = model['cwnd_packets']", "exception", "import_model"),
        ("return {}", "sk.pacing_rate = model.get('bw_bps', 1) / 8", "integer", "import_model"),
    ],
)
def test_models_are_asked_for_and_handed_over(
    told: str, hears: str, rule: str, hook: str, check: Callable[..., AlgorithmReport]
) -> None:
    (table, with_models), (release, hooks) = HANDS
    hooks = hooks.replace("TOLD", told).replace("HEARS", hears)
    report = check((table, with_models), (release, hooks))
    assert [(found.rule, found.hook) for found in report.findings] == (
        [(rule, hook)] if rule else []
    )


def test_a_phase_is_a_name(check: Callable[..., AlgorithmReport]) -> None:
    found = only(check(("    release=release,", "    release=release,\n    phase=lambda sk: 3,")))
    assert (found.rule, found.hook) == ("phase", "phase")
