"""CAKE, where no recording goes; worked by hand."""

from __future__ import annotations

import pytest

from ccsim.net.qdisc import QdiscError
from tests.qdisc.qdisc_rig import MS, dropped, make, send, take

DIFFSERV8, BESTEFFORT = 2, 3
NETWORK_CONTROL = 56  # a DSCP of the last of eight tins


def test_a_mode_with_fewer_tins_drops_what_is_in_the_others_queue_by_queue() -> None:
    cake = make("cake", *[0] * 8, diffserv=DIFFSERV8)
    for number, flow in enumerate((900, 5, 900, 5)):
        send(cake, MS, [number], hash=flow, dscp=NETWORK_CONTROL)
    send(cake, MS, [4], hash=7, dscp=1)  # in the first tin, which stays
    cake.change({"diffserv": BESTEFFORT}, 2 * MS)
    assert dropped(cake) == [1, 3, 0, 2]
    assert cake.observe()["cur_tin"] == 7
    assert (cake.qlen, take(cake, 3 * MS)) == (1, 4)


def test_a_mode_that_tc_does_not_have_is_refused() -> None:
    with pytest.raises(QdiscError, match="diffserv: expected 0 to 4"):
        make("cake", diffserv=5)
