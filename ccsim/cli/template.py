"""What ``ccsim new algorithm`` writes: a commented congestion control and a test of it."""

from __future__ import annotations

import ast
import builtins
import keyword
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ccsim.catalog import algorithm_files
from ccsim.errors import CcsimError
from ccsim.kernel.errors import KernelError
from ccsim.kernel.verifier import check_obj_name

__all__ = ["NameRefused", "check_name", "write_algorithm", "write_files"]

IMPORTED = ("ccsim", "numpy", "pytest", "hypothesis", "simpy")

ALGORITHM = '''\
"""NAME: add a packet each round trip, keep seven tenths of the window at a loss.

    cwnd <- cwnd + alpha     for each window acknowledged             (1)
    ssthresh = beta * cwnd   at a loss                                (2)

What stands here is a start: replace (1) and (2) by your own law, and this text by its idea, the
formulas and where they come from. A scenario beside this file runs it with
`objects: [FILE]` and `congestion: NAME`.

`ccsim check FILE` tortures it.
`pytest TEST` tests it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.kernel import Sock, TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_cong_avoid_ai, tcp_is_cwnd_limited, tcp_slow_start
from ccsim.kernel.ops import AckSample

MIN_CWND = 2  # packets; RFC 5681 allows no smaller ssthresh


@dataclass(frozen=True)
class Params:
    """Module parameters; a scenario sets them: `congestion: {name: NAME, beta: 800}`.

    alpha [packets per round trip]; beta: the window kept at a loss [1/1024].
    """

    alpha: int = 1
    beta: int = 717


@dataclass(slots=True)
class Private:
    """What one connection remembers, as sk.ca. It is made afresh at each swap to this algorithm.

    Keep state here and nowhere else: whatever stands at module level is shared by all connections.
    """

    losses: int = 0
    min_rtt_us: int = 0  # 0: none measured yet


# A hook gets the socket, with Linux's field names. It may write snd_cwnd, snd_cwnd_cnt,
# snd_ssthresh, snd_cwnd_clamp, pacing_rate [bytes/s], pacing_status and sk.ca, in whole numbers;
# all else is the host's. Windows are in packets, srtt_us is shifted left by 3, sk.tcp_mstamp is the
# clock in microseconds. No clock, no random numbers of your own (sk.random has some).


def init(sk: Sock) -> None:
    """The connection is established, or was swapped to this algorithm, in whatever state it is."""
    sk.ca.min_rtt_us = sk.srtt_us >> 3


def ssthresh(sk: Sock) -> int:
    """Return the window to fall to, by (2): something was lost. Required."""
    sk.ca.losses += 1
    return max(sk.snd_cwnd * sk.ca_ops.params.beta // 1024, MIN_CWND)


def undo_cwnd(sk: Sock) -> int:
    """Return the window to go back to: nothing was lost after all. Required."""
    return max(sk.snd_cwnd, sk.prior_cwnd)


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take sample.rtt_us, -1 for none, of sample.pkts_acked packets: before cong_avoid."""
    rtt_us = sample.rtt_us
    if rtt_us >= 0 and (not sk.ca.min_rtt_us or rtt_us < sk.ca.min_rtt_us):
        sk.ca.min_rtt_us = max(rtt_us, 1)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Grow by (1): ``acked`` packets were acknowledged, maybe 0. Required, or cong_control."""
    if not tcp_is_cwnd_limited(sk):
        return  # something else than the window limits the sender: it says nothing about the path
    if sk.snd_cwnd < sk.snd_ssthresh:
        acked = tcp_slow_start(sk, acked)  # what slow start did not use
        if not acked:
            return
    tcp_cong_avoid_ai(sk, max(sk.snd_cwnd // sk.ca_ops.params.alpha, 1), acked)


# Other hooks that the table may name (ccsim/kernel/ops.py describes what they receive):
#   set_state(sk, new_state)       before ca_state changes: Open, Disorder, CWR, Recovery, Loss
#   cwnd_event(sk, event)          an idle sender restarts, a reduction is complete, …
#   in_ack_event(sk, flags)        each ACK, before it is decided what it means
#   cong_control(sk, ack, flag, rs)  instead of cong_avoid and the host's window reductions
#   release(sk)                    the connection ends, or is swapped to another algorithm

NAME = TcpCongestionOps(
    name="NAME",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=undo_cwnd,
    pkts_acked=pkts_acked,
    cong_avoid=cong_avoid,
    private=Private,
    params=Params(),
)
'''

TEST = '''\
"""NAME keeps its laws, worked out by hand, and survives what `ccsim check` does."""

from __future__ import annotations

from pathlib import Path

import ccsim
from ccsim.kernel import Sock, load_tables
from ccsim.kernel.ops import AckSample

FILE = Path(__file__).with_name("FILE")
NAME = load_tables(FILE)["NAME"]


def connected(**fields: int) -> Sock:
    """Return a socket that the algorithm serves, limited by its window alone."""
    sk = Sock()
    sk.ca_ops, sk.ca = NAME, NAME.private()
    sk.is_cwnd_limited = True
    for field, value in fields.items():
        setattr(sk, field, value)
    NAME.init(sk)
    return sk


def test_a_loss_keeps_seven_tenths_of_the_window() -> None:
    sk = connected(snd_cwnd=100)
    assert NAME.ssthresh(sk) == 70  # 100 * 717 / 1024 = 70.02
    assert sk.ca.losses == 1


def test_a_small_window_falls_to_two_packets() -> None:
    assert NAME.ssthresh(connected(snd_cwnd=1)) == 2


def test_slow_start_grows_by_what_is_acknowledged() -> None:
    sk = connected(snd_cwnd=10, snd_ssthresh=100)
    NAME.cong_avoid(sk, 0, 2)
    assert sk.snd_cwnd == 12


def test_a_window_of_acks_adds_one_packet() -> None:
    sk = connected(snd_cwnd=10, snd_ssthresh=10)
    for _ in range(9):
        NAME.cong_avoid(sk, 0, 1)
    assert sk.snd_cwnd == 10
    NAME.cong_avoid(sk, 0, 1)
    assert sk.snd_cwnd == 11


def test_a_sender_that_its_window_does_not_limit_does_not_grow() -> None:
    sk = connected(snd_cwnd=10, snd_ssthresh=10, is_cwnd_limited=False)
    NAME.cong_avoid(sk, 0, 10)
    assert sk.snd_cwnd == 10


def test_the_least_rtt_is_kept_and_an_ack_without_sample_ignored() -> None:
    sk = connected(srtt_us=40_000 << 3)
    for rtt_us in (50_000, 30_000, -1, 60_000):
        NAME.pkts_acked(sk, AckSample(1, rtt_us))
    assert sk.ca.min_rtt_us == 30_000


def test_it_survives_what_ccsim_check_does_to_it() -> None:
    report = ccsim.check_algorithm(FILE)
    assert report.ok, report.text()
'''


class NameRefused(CcsimError, ValueError):
    """A name that an algorithm, its file or its table cannot bear, or files that exist."""


def check_name(name: str) -> None:
    """Check what shall be a congestion control, a Python file and a variable in it.

    Raises NameRefused: more than 15 characters or other ones than the kernel takes (EINVAL); no
    Python identifier; a keyword; a name with a leading underscore, which `load_tables` does not
    see; one that the file itself uses, that would hide a module, or that ccsim ships.
    """
    try:
        check_obj_name(name, "new algorithm")
    except KernelError as error:
        raise NameRefused(str(error)) from error
    if reason := _unfit(name):
        raise NameRefused(f"new algorithm: name {name!r}: {reason}")


def _unfit(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        return "expected a Python identifier, as the table is a variable of this name"
    if name.startswith("_"):
        return "expected no underscore at its beginning: such a table is the file's own affair"
    if name in sys.stdlib_module_names or name in IMPORTED:
        return "a file of this name would hide the Python module; choose another"
    if name in algorithm_files():
        return "ccsim ships an algorithm of this name; choose another"
    if name in _names_used() or hasattr(builtins, name):
        return "the file itself uses this name for something else; choose another"
    return ""


def _names_used() -> set[str]:
    """Return the variables, functions and classes of what is written."""
    nodes = [node for text in (ALGORITHM, TEST) for node in ast.walk(ast.parse(text))]
    found = {node.id for node in nodes if isinstance(node, ast.Name)}
    found |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return found | {node.arg for node in nodes if isinstance(node, ast.arg)}


def write_files(texts: Mapping[Path, str]) -> None:
    """Write files into folders, which are made.

    Raises NameRefused if one exists or they cannot be written; then none is.
    """
    for path in texts:
        if path.exists() or path.is_symlink():
            raise NameRefused(f"{path}: exists already, and is not overwritten")
    written: list[Path] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _create(path, text)
            written.append(path)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise NameRefused(f"{error.filename}: cannot be written: {error.strerror}") from error


def write_algorithm(name: str, folder: Path) -> tuple[Path, Path]:
    """Write ``name.py`` and ``test_name.py`` into a folder, which is made; return their paths.

    Raises NameRefused for the name, if one of the files exists, or if they cannot be written; then
    neither is.
    """
    check_name(name)
    paths = folder / f"{name}.py", folder / f"test_{name}.py"
    texts = (_filled(ALGORITHM, name), _filled(TEST, name))
    write_files(dict(zip(paths, texts, strict=True)))
    return paths


def _create(path: Path, text: str) -> None:
    """Write a file that appears whole, and never in the place of another."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_text(text, encoding="utf-8")
        os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _filled(text: str, name: str) -> str:
    """Put the name into a text, and the two files' names."""
    names = (
        ('with_name("FILE")', f'with_name("{name}.py")'),
        ("`pytest TEST`", f"`pytest test_{name}.py`"),
    )
    for old, new in (*names, ("[FILE]", f"[{name}.py]"), ("check FILE", f"check {name}.py")):
        text = text.replace(old, new)
    return text.replace("NAME", name)
