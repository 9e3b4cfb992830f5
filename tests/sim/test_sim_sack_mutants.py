"""Each bug planted in how a recovery takes its SACKs at once breaks equality in an example
written for it.

    packets:  x 1 2 3 4 x 6 7 8 9 ...   columns at the receiver (`ccsim.sim.flow.receiving`)
    SACKs:        1-2 1-3 1-4   6-7 ...   a train at the sender (`ccsim.tcp.sack_train`)
"""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.sim.flow import receiving
from ccsim.tcp import receiver, rtt_train, sack_train, train
from tests.planting import is_difference, plant
from tests.sim.directed import DIRECTED
from tests.sim.sim_rig import MS
from tests.sim.test_sim_equality import check_text

MUTANTS = (
    (
        "a train of SACKs forgets what it let out for the reduction",
        sack_train.SackRegime.settle,
        "sk.prr_out += sent",
        "pass",
        "the SACKs of a CUBIC flow's recoveries",
    ),
    (
        "a train of SACKs leaves RACK's place behind",
        sack_train.SackRegime.settle,
        "sk.rack_cursor = sk.rack_end = end",
        "sk.rack_end = end",
        "the SACKs of a Reno flow's recovery",
    ),
    (
        "a train of SACKs reckons the pacing rate with what its last ACK let out",
        train.use_window,
        "int(plan.nxt[-1])",
        "sk.nxt + len(plan.sent_ns)",
        "the SACKs of a Reno flow's recovery",
    ),
    (
        "a sample within a train of SACKs sees the window of the ACK before",
        sack_train.SackRegime.plan,
        "cwnd = sent + (in_flight(sk) - 1)",
        "cwnd = sent - sends + in_flight(sk)",
        "the SACKs of a CUBIC flow's recoveries",
    ),
    (
        "the proportional part of a reduction goes on for one SACK too long",
        sack_train._prr_sends,
        "left > 1",
        "left > 0",
        "the SACKs of two flows' recoveries",
    ),
    (
        "the last SACK of the proportional part lets a packet out",
        sack_train._prr_sends,
        "sends[reaches] = 0",
        "sends[reaches] = 1",
        "the SACKs of two flows' recoveries",
    ),
    (
        "a train of SACKs is tried before all that is lost is sent again",
        sack_train._reduces,
        "and sk.retrans_out >= sk.lost_out",
        "",
        "the SACKs of two flows' recoveries",
    ),
    (
        "packets that SACKs let out are stamped with one delivery too few",
        sack_train.SackedColumns.__init__,
        "sk.delivered + 1, sk.delivered + n + 1",
        "sk.delivered, sk.delivered + n",
        "swaps amid a train of SACKs",
    ),
    (
        "packets that SACKs let out forget when what was SACKed was sent",
        train._stamp,
        "acks.last_tx.take",
        "acks.t_us.take",
        "swaps amid a train of SACKs",
    ),
    (
        "trains of SACKs go on where the source ends",
        sack_train.SackRegime.plan,
        "sk.nxt + len(leaves) > min(sk.write_limit, sk.una + sk.rwnd)",
        "False",
        "a source ends in a train of SACKs",
    ),
    (
        "the RTT at a recording instant is folded twice amid SACKs",
        rtt_train.Samples.fold,
        "start = row + 1",
        "start = row",
        "the SACKs of a CUBIC flow's recoveries",
    ),
    (
        "the RTT at a recording instant is seen before it is folded",
        rtt_train.Samples.fold,
        "self.fold_part(sk, start, row + 1)",
        "self.fold_part(sk, start, row)",
        "the SACKs of two flows' recoveries",
    ),
    (
        "packets that ascend count as a run, whatever is missing between",
        receiving.Runs.__init__,
        "!= 1",
        "< 1",
        "swaps amid a train of SACKs",
    ),
    (
        "a run opens a gap and counts as what makes a block grow",
        receiving.ReceivingSide.receive,
        "receiver.extends_sack(int(seqs[done]))",
        "receiver.starts and receiver.sacks",
        "the SACKs of two flows' recoveries",
    ),
    (
        "SACKs in columns do not get lost on their way",
        receiving.ReceivingSide.receive,
        "self.ack_path is None and ",
        "",
        "SACKs are lost on their way",
    ),
    (
        "SACKs in columns take no time on their way",
        receiving.ReceivingSide._receive_sacked,
        "times + self.path.back_ns",
        "times",
        "the SACKs of a Reno flow's recovery",
    ),
    (
        "SACKs in columns report one packet too few",
        receiving.ReceivingSide._receive_sacked,
        "seqs + 1",
        "seqs",
        "the SACKs of a Reno flow's recovery",
    ),
    (
        "packets beyond a gap leave the quick phase as it is",
        receiver.Receiver.receive_sacked,
        "max(0, self.quick - count)",
        "self.quick",
        "the SACKs of a Reno flow's recovery",
    ),
    (
        "the out-of-order queue misses what was received at once",
        receiver.Receiver.receive_sacked,
        "self.ends.cells[len(self.ends) - 1] = end + count",
        "pass",
        "the SACKs of a Reno flow's recovery",
    ),
)
"""(what goes wrong, in which function, what stands there, what is put in its place, the example)"""


@pytest.mark.pure
@pytest.mark.parametrize(
    ("function", "old", "new", "example"),
    [mutant[1:] for mutant in MUTANTS],
    ids=[mutant[0].replace(" ", "-") for mutant in MUTANTS],
)
def test_the_examples_find(
    function: Any, old: str, new: str, example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, function, old, new)
    # cut so long that nothing is cut, but nothing is foreseen either
    assert is_difference(check_text(DIRECTED[example], 7 * MS, 10_000 * MS))
