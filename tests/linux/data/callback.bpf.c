/* Reno that counts in socket storage, and adds in a callback of bpf_loop. */
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;
#define SEC(n) __attribute__((section(n), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
struct sock {} __attribute__((preserve_access_index));
struct tcp_sock { __u32 snd_cwnd; __u32 snd_ssthresh; } __attribute__((preserve_access_index));
struct ack_sample; struct rate_sample;
enum tcp_ca_event { CA_EVENT_TX_START };
struct tcp_congestion_ops {
  __u32 (*ssthresh)(struct sock *sk);
  void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
  __u32 (*undo_cwnd)(struct sock *sk);
  void (*init)(struct sock *sk);
  char name[16];
  void *owner;
};
static void *(*const bpf_sk_storage_get)(void *map, void *sk, void *value, __u64 flags) = (void *)107;
static long (*const bpf_loop)(__u32 nr, void *fn, void *ctx, __u64 flags) = (void *)181;
extern __u32 tcp_reno_ssthresh(struct sock *sk) __attribute__((section(".ksyms")));
extern void tcp_reno_cong_avoid(struct sock *sk, __u32 ack, __u32 acked) __attribute__((section(".ksyms")));
extern __u32 tcp_reno_undo_cwnd(struct sock *sk) __attribute__((section(".ksyms")));
struct memory { __u64 acks; };
struct { __uint(type, 24); __uint(map_flags, 1); __type(key, int); __type(value, struct memory); } memories SEC(".maps");
__u64 looped, stored;
static long add(__u32 index, void *ctx) { *(__u64 *)ctx += index; return 0; }
SEC("struct_ops/init") void loop_init(__u64 *ctx) { }
SEC("struct_ops/ssthresh") __u32 loop_ssthresh(__u64 *ctx) { return tcp_reno_ssthresh((struct sock *)ctx[0]); }
SEC("struct_ops/undo") __u32 loop_undo(__u64 *ctx) { return tcp_reno_undo_cwnd((struct sock *)ctx[0]); }
SEC("struct_ops/cong_avoid") void loop_cong_avoid(__u64 *ctx) {
  struct sock *sk = (struct sock *)ctx[0];
  __u64 sum = 0;
  bpf_loop(5, add, &sum, 0);
  looped = sum;
  struct memory *m = bpf_sk_storage_get(&memories, sk, 0, 1);
  if (m) { m->acks++; stored = m->acks; }
  tcp_reno_cong_avoid(sk, ctx[1], ctx[2]);
}
SEC(".struct_ops.link") struct tcp_congestion_ops callback = {
  .init = (void *)loop_init, .ssthresh = (void *)loop_ssthresh, .cong_avoid = (void *)loop_cong_avoid, .undo_cwnd = (void *)loop_undo, .name = "callback" };
char _license[] SEC("license") = "GPL";
