/* SPDX-License-Identifier: MIT
 *
 * CUBIC as RFC 9438 writes it, in integers: windows in packets, times in milliseconds. It is what
 * tests/bench/object_cost.py measures.
 */
#include "cc.h"
#include <bpf/bpf_core_read.h>

LICENSE;

#define NS_PER_MS 1000000ULL
#define LONGEST_MS (1U << 17)

struct cubic {
	u64 epoch_ns;      /* when this stretch of congestion avoidance began */
	u32 w_max;         /* the window before the last loss */
	u32 k_ms;          /* how long it takes to be back there */
	u32 origin;        /* the window at K */
	u32 reno_milli;    /* the window Reno would have [1/1000 packets] */
	u32 min_rtt_us;
};

static struct cubic *ca(struct tcp_sock *tp)
{
	return (struct cubic *)((struct inet_connection_sock *)tp)->icsk_ca_priv;
}

/* The integer cube root, by Newton's method from above. */
static u32 root3(u64 value)
{
	u64 x = 1ULL << 21;

	for (int i = 0; i < 40; i++) {
		u64 next = (2 * x + value / (x * x)) / 3;

		if (next >= x)
			break;
		x = next;
	}
	return x;
}

static void begin_epoch(struct cubic *c, u32 cwnd, u64 now)
{
	c->epoch_ns = now;
	c->reno_milli = cwnd * 1000;
	if (cwnd < c->w_max) {
		/* K = cbrt((W_max - cwnd) / 0.4) */
		c->k_ms = root3((u64)(c->w_max - cwnd) * 2500000000ULL);
		c->origin = c->w_max;
	} else {
		c->k_ms = 0;
		c->origin = cwnd;
	}
}

/* How many packets must be acknowledged for one packet more. */
static u32 packets_per_increase(struct cubic *c, u32 cwnd, u32 acked, u64 now)
{
	u32 t_ms, away, delta, target, count, reno;

	t_ms = (now - c->epoch_ns) / NS_PER_MS + c->min_rtt_us / 1000;
	away = t_ms < c->k_ms ? c->k_ms - t_ms : t_ms - c->k_ms;
	if (away > LONGEST_MS)
		away = LONGEST_MS;
	/* 0.4 * (t - K)^3 */
	delta = (u64)away * away * away * 4 / 10000000000ULL;
	target = t_ms < c->k_ms ? c->origin - delta : c->origin + delta;
	count = target > cwnd ? cwnd / (target - cwnd) : 100 * cwnd;
	/* Reno's window grows by 3 (1 - 0.7) / (1 + 0.7) = 0.529 packets a round trip. */
	c->reno_milli += acked * 529 / cwnd;
	reno = c->reno_milli / 1000;
	if (reno > cwnd && count > cwnd / (reno - cwnd))
		count = cwnd / (reno - cwnd);
	return count < 2 ? 2 : count;
}

HOOK(rfc_init)
{
	struct cubic *c = ca(TP(ctx));

	c->min_rtt_us = ~0U;
}

HOOK(rfc_pkts_acked)
{
	struct tcp_sock *tp = TP(ctx);
	struct cubic *c = ca(tp);
	const struct ack_sample *sample = (const struct ack_sample *)ctx[1];
	s32 rtt_us = sample->rtt_us;
	u32 eta_us;

	if (rtt_us <= 0)
		return;
	if (!c->min_rtt_us || (u32)rtt_us < c->min_rtt_us)
		c->min_rtt_us = rtt_us;
	/* HyStart's delay increase ends slow start. */
	if (tp->snd_cwnd >= tp->snd_ssthresh || tp->snd_cwnd < 16)
		return;
	eta_us = c->min_rtt_us / 8;
	eta_us = eta_us < 4000 ? 4000 : eta_us > 16000 ? 16000 : eta_us;
	if ((u32)rtt_us > c->min_rtt_us + eta_us)
		tp->snd_ssthresh = tp->snd_cwnd;
}

HOOK(rfc_cong_avoid)
{
	struct tcp_sock *tp = TP(ctx);
	struct cubic *c = ca(tp);
	u32 acked = ctx[2], cwnd;
	u64 now;

	if (!BPF_CORE_READ_BITFIELD(tp, is_cwnd_limited))
		return;
	if (tp->snd_cwnd < tp->snd_ssthresh) {
		acked = tcp_slow_start(tp, acked);
		if (!acked)
			return;
	}
	now = bpf_ktime_get_ns();
	cwnd = tp->snd_cwnd;
	if (!cwnd)
		return;
	if (!c->epoch_ns)
		begin_epoch(c, cwnd, now);
	tcp_cong_avoid_ai(tp, packets_per_increase(c, cwnd, acked, now), acked);
}

HOOK_U32(rfc_ssthresh)
{
	struct tcp_sock *tp = TP(ctx);
	struct cubic *c = ca(tp);
	u32 cwnd = tp->snd_cwnd;

	c->epoch_ns = 0;
	/* Fast convergence: who loses below the last maximum makes room. */
	c->w_max = cwnd < c->w_max ? cwnd * 17 / 20 : cwnd;
	return cwnd * 7 / 10 < 2 ? 2 : cwnd * 7 / 10;
}

HOOK_U32(rfc_undo) { return tcp_reno_undo_cwnd(SOCK(ctx)); }

OPS rfc_cubic = {
	.init = (void *)rfc_init,
	.pkts_acked = (void *)rfc_pkts_acked,
	.cong_avoid = (void *)rfc_cong_avoid,
	.ssthresh = (void *)rfc_ssthresh,
	.undo_cwnd = (void *)rfc_undo,
	.name = "rfc_cubic",
};
