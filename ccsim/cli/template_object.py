"""What ``ccsim new object`` writes: a commented congestion control in C, a header, a Makefile."""

from __future__ import annotations

import re
from pathlib import Path

from ccsim.bpf.header import header_text
from ccsim.cli.template import NameRefused, write_files
from ccsim.kernel.errors import KernelError
from ccsim.kernel.verifier import check_obj_name

__all__ = ["write_object"]

SOURCE = """\
/* SPDX-License-Identifier: MIT
 *
 * NAME: add a packet each round trip, keep seven tenths of the window at a loss.
 *
 *     cwnd <- cwnd + increase            for each window acknowledged      (1)
 *     ssthresh = cwnd * kept / 1024      at a loss                         (2)
 *
 * What stands here is a start: replace (1) and (2) by your own law. `make` compiles it and
 * `make check` verifies it as Linux does; a scenario runs it with `objects: [NAME.bpf.o]` and
 * `congestion: NAME`.
 */
#include "bpf_cc.h"

LICENSE("Dual MIT/GPL"); /* Linux takes no other than those compatible with the GPL */

/* To be set before loading: `objects: [{file: NAME.bpf.o, set: {increase: 2}}]`. */
const volatile u32 increase = 1; /* packets a round trip */
const volatile u32 kept = 717;	 /* 1/1024 of the window, at a loss */

/* Shared by all connections; after a run they are in the report. */
u64 losses;

/* What one connection remembers, at most 104 bytes. Linux zeroes it when a connection changes its
 * congestion control, and calls pkts_acked once before init.
 */
struct private {
	u32 credit; /* packets acknowledged that did not grow the window yet */
	u32 before; /* window before the last loss */
	u32 least_rtt_us;
};

/* The connection is established, or was swapped to this one, in whatever state it is. */
HOOK(NAME_init)
{
	struct private *p = private_area(TP(ctx));

	p->credit = 0;
}

/* Something was lost: the window to fall to, by (2). Required. */
HOOK_U32(NAME_ssthresh)
{
	struct tcp_sock *tp = TP(ctx);
	struct private *p = private_area(tp);
	u32 window = tp->snd_cwnd * kept / 1024;

	losses++;
	p->before = tp->snd_cwnd;
	return window > 2 ? window : 2;
}

/* Nothing was lost after all: the window to go back to. Required. */
HOOK_U32(NAME_undo_cwnd)
{
	struct tcp_sock *tp = TP(ctx);
	struct private *p = private_area(tp);

	return tp->snd_cwnd > p->before ? tp->snd_cwnd : p->before;
}

/* An ACK with an RTT sample, -1 for none. Optional. */
HOOK(NAME_pkts_acked)
{
	const struct ack_sample *sample = (const struct ack_sample *)ctx[1];
	struct private *p = private_area(TP(ctx));

	if (sample->rtt_us <= 0)
		return;
	if (!p->least_rtt_us || (u32)sample->rtt_us < p->least_rtt_us)
		p->least_rtt_us = sample->rtt_us;
}

/* ctx[2] packets were acknowledged, maybe 0: grow by (1). Required, or cong_control. */
HOOK(NAME_cong_avoid)
{
	struct tcp_sock *tp = TP(ctx);
	struct private *p = private_area(tp);
	u32 acked = ctx[2], cwnd = tp->snd_cwnd;

	if (!window_is_the_limit(tp))
		return;
	if (cwnd < tp->snd_ssthresh) {
		acked = tcp_slow_start(tp, acked); /* what slow start did not use */
		if (!acked)
			return;
		cwnd = tp->snd_cwnd;
	}
	p->credit += acked * increase;
	if (!cwnd || p->credit < cwnd)
		return;
	tp->snd_cwnd = cwnd + p->credit / cwnd;
	p->credit %= cwnd;
}

/* Other members: set_state, cwnd_event, in_ack_event, cong_control, min_tso_segs, sndbuf_expand,
 * release. A file may have several tables; a link update puts one in the place of another of the
 * same name.
 */
OPS NAME = {
	.init = (void *)NAME_init,
	.ssthresh = (void *)NAME_ssthresh,
	.undo_cwnd = (void *)NAME_undo_cwnd,
	.pkts_acked = (void *)NAME_pkts_acked,
	.cong_avoid = (void *)NAME_cong_avoid,
	.name = "NAME",
};
"""

MAKEFILE = """\
# make: NAME.bpf.o; make check: verify it as Linux does. Needs clang 14 or newer.
CLANG ?= clang

NAME.bpf.o: NAME.bpf.c bpf_cc.h
	$(CLANG) -O2 -g -Wall -Wno-unused -target bpf -mcpu=v3 -c $< -o $@

.PHONY: check clean
check: NAME.bpf.o
	ccsim check $<

clean:
	rm -f NAME.bpf.o
"""


def write_object(name: str, folder: Path) -> tuple[Path, Path, Path]:
    """Write ``name.bpf.c``, ``bpf_cc.h`` and ``Makefile`` into a folder; return their paths.

    Raises NameRefused for a name that is no C identifier or that the kernel does not take, if one
    of the files exists, or if they cannot be written; then none is.
    """
    _check_name(name)
    paths = folder / f"{name}.bpf.c", folder / "bpf_cc.h", folder / "Makefile"
    texts = SOURCE.replace("NAME", name), header_text(), MAKEFILE.replace("NAME", name)
    write_files(dict(zip(paths, texts, strict=True)))
    return paths


def _check_name(name: str) -> None:
    try:
        check_obj_name(name, "new object")
    except KernelError as error:
        raise NameRefused(str(error)) from error
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise NameRefused(f"new object: name {name!r}: expected a C identifier")
    if re.search(rf"\b{name}\b", SOURCE + header_text()):
        raise NameRefused(
            f"new object: name {name!r}: the file itself uses it for something else; choose another"
        )
