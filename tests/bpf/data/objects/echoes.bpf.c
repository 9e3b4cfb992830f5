/* SPDX-License-Identifier: MIT
 *
 * Runs the kernel's DCTCP and counts the echoes of marks that it is told of.
 */
#include "cc.h"

LICENSE;

extern void dctcp_init(struct sock *sk) __ksym;
extern void dctcp_update_alpha(struct sock *sk, u32 flags) __ksym;
extern void dctcp_cwnd_event(struct sock *sk, enum tcp_ca_event ev) __ksym;
extern u32 dctcp_ssthresh(struct sock *sk) __ksym;
extern u32 dctcp_cwnd_undo(struct sock *sk) __ksym;
extern void dctcp_state(struct sock *sk, u8 new_state) __ksym;

#define CA_ACK_ECE (1 << 2)

u64 acks, echoed, reductions;

HOOK(echoes_init) { dctcp_init(SOCK(ctx)); }

HOOK(echoes_in_ack_event)
{
	acks++;
	if (ctx[1] & CA_ACK_ECE)
		echoed++;
	dctcp_update_alpha(SOCK(ctx), ctx[1]);
}

HOOK_U32(echoes_ssthresh)
{
	reductions++;
	return dctcp_ssthresh(SOCK(ctx));
}

HOOK(echoes_cong_avoid) { tcp_reno_cong_avoid(SOCK(ctx), ctx[1], ctx[2]); }
HOOK(echoes_state) { dctcp_state(SOCK(ctx), ctx[1]); }
HOOK(echoes_event) { dctcp_cwnd_event(SOCK(ctx), ctx[1]); }
HOOK_U32(echoes_undo) { return dctcp_cwnd_undo(SOCK(ctx)); }

OPS echoes = {
	.init = (void *)echoes_init,
	.in_ack_event = (void *)echoes_in_ack_event,
	.ssthresh = (void *)echoes_ssthresh,
	.cong_avoid = (void *)echoes_cong_avoid,
	.set_state = (void *)echoes_state,
	.cwnd_event = (void *)echoes_event,
	.undo_cwnd = (void *)echoes_undo,
	.flags = TCP_CONG_NEEDS_ECN,
	.name = "echoes",
};
