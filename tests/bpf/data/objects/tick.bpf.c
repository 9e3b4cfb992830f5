/* SPDX-License-Identifier: MIT
 *
 * Reno with a clock of its own: a timer counts, every `period_ns`, how many packets were acknowledged
 * since, in a map that the hooks share with it.
 */
#include "cc.h"

LICENSE;

struct bpf_timer {
	u64 opaque[2];
} __attribute__((aligned(8)));


struct meter {
	u64 ticks, packets, last_packets, last_ns;
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct meter);
} meters SEC(".maps");

u64 period_ns = 100000000;
u64 most_ticks = 1000;
long began, set, started, again, cancelled, too_late;

static int tick(void *map, u32 *key, struct meter *meter)
{
	meter->ticks++;
	meter->last_packets = meter->packets;
	meter->last_ns = bpf_ktime_get_ns();
	meter->packets = 0;
	if (meter->ticks < most_ticks)
		bpf_timer_start(&meter->timer, period_ns, 0);
	return 0;
}

HOOK(tick_init)
{
	u32 key = 0;
	struct meter *meter = bpf_map_lookup_elem(&meters, &key);

	if (!meter)
		return;
	too_late = bpf_timer_start(&meter->timer, 1, 0);
	began = bpf_timer_init(&meter->timer, &meters, 1);
	again = bpf_timer_init(&meter->timer, &meters, 1);
	set = bpf_timer_set_callback(&meter->timer, tick);
	started = bpf_timer_start(&meter->timer, period_ns, 0);
}

HOOK(tick_release)
{
	u32 key = 0;
	struct meter *meter = bpf_map_lookup_elem(&meters, &key);

	if (meter)
		cancelled = bpf_timer_cancel(&meter->timer);
}

HOOK(tick_cong_avoid)
{
	u32 key = 0;
	struct meter *meter = bpf_map_lookup_elem(&meters, &key);

	if (meter)
		meter->packets += (u32)ctx[2];
	tcp_reno_cong_avoid(SOCK(ctx), ctx[1], ctx[2]);
}

HOOK_U32(tick_ssthresh) { return tcp_reno_ssthresh(SOCK(ctx)); }
HOOK_U32(tick_undo) { return tcp_reno_undo_cwnd(SOCK(ctx)); }

OPS tick_ops = {
	.init = (void *)tick_init,
	.release = (void *)tick_release,
	.cong_avoid = (void *)tick_cong_avoid,
	.ssthresh = (void *)tick_ssthresh,
	.undo_cwnd = (void *)tick_undo,
	.name = "tick",
};
