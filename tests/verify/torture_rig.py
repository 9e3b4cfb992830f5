"""A good algorithm file to plant faults in, and what a check says of it."""

from __future__ import annotations

from ccsim.verify.torture import AlgorithmReport, Finding

GOOD = """\
from dataclasses import dataclass, field

from ccsim.kernel import TcpCongestionOps
from ccsim.cc.window_laws import reno_train

SEEN = {}


@dataclass
class Private:
    losses: int = 0
    rtts: list = field(default_factory=list)


def init(sk):
    sk.ca.losses = 0


def ssthresh(sk):
    return max(sk.snd_cwnd // 2, 2)


def undo_cwnd(sk):
    return max(sk.snd_cwnd, sk.prior_cwnd)


def pkts_acked(sk, sample):
    sk.ca.rtts[:] = [sample.rtt_us]


def cong_avoid(sk, ack, acked):
    sk.snd_cwnd_cnt += acked
    if sk.snd_cwnd_cnt >= sk.snd_cwnd:
        sk.snd_cwnd_cnt = 0
        sk.snd_cwnd += 1


def set_state(sk, new_state):
    pass


def release(sk):
    sk.ca.rtts.clear()


good = TcpCongestionOps(
    name="good",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=undo_cwnd,
    pkts_acked=pkts_acked,
    cong_avoid=cong_avoid,
    set_state=set_state,
    release=release,
    private=Private,
)
"""
LINES = {text: number for number, text in enumerate(GOOD.splitlines(), start=1)}


def line(text: str) -> int:
    return LINES[text]


def only(report: AlgorithmReport) -> Finding:
    """Return the one rule that is broken; it may show at several hooks."""
    assert report.findings, "nothing was found"
    assert len({finding.rule for finding in report.findings}) == 1, report.text()
    return report.findings[0]
