"""The types of Linux that ccsim has: what CO-RE relocations are resolved against, as text.

Layout, names and types are those of Linux 6.18 on x86-64, so that offsets in messages are the
kernel's own; but only members are listed that the simulator keeps, so that an object which asks for
another learns at load that there is none. `ccsim.bpf.kernel_btf` reads this.

A line in a struct is ``offset[.bit] type name[: width]``; behind a struct's name stands its size in
bytes. Members of unnamed unions and structs stand where they lie.
"""

__all__ = ["FUNCTIONS", "OLD_CONG_CONTROL", "TYPES"]

TYPES = """
struct sock_common 136
  0 __be32 skc_daddr
  12 __be16 skc_dport
  14 u16 skc_num
  18 unsigned char skc_state
struct sock 784
  0 struct sock_common __sk_common
  428 u32 sk_pacing_status
  488 unsigned long sk_pacing_rate
  504 unsigned long sk_max_pacing_rate
  556 unsigned int sk_gso_max_size
  572 u8 sk_pacing_shift
struct inet_sock 1016
  0 struct sock sk
struct .icsk_ack 16
  0 u8 pending
struct inet_connection_sock 1400
  0 struct inet_sock icsk_inet
  1184 u32 icsk_rto
  1248.0 u8 icsk_ca_state : 5
  1248.5 u8 icsk_ca_initialized : 1
  1248.6 u8 icsk_ca_setsockopt : 1
  1249 u8 icsk_retransmits
  1250 u8 icsk_pending
  1251 u8 icsk_backoff
  1256 struct .icsk_ack icsk_ack
  1296 u64 icsk_ca_priv[13]
struct minmax_sample 8
  0 u32 t
  4 u32 v
struct minmax 24
  0 struct minmax_sample s[3]
struct tcp_options_received 24
  8 u32 rcv_tsval
  12 u32 rcv_tsecr
struct .rack 24
  0 u64 mstamp
  8 u32 rtt_us
  12 u32 end_seq
  16 u32 last_delivered
  20 u8 reo_wnd_steps
  21.0 u8 reo_wnd_persist : 5
  21.5 u8 dsack_seen : 1
  21.6 u8 advanced : 1
struct tcp_sock 2304
  0 struct inet_connection_sock inet_conn
  1408 u32 reordering
  1436 u32 snd_wnd
  1440 u32 mss_cache
  1444 u32 snd_cwnd
  1448 u32 prr_out
  1452 u32 lost_out
  1456 u32 sacked_out
  1463.3 u8 is_cwnd_limited : 1
  1472 u32 tlp_high_seq
  1476 u32 rttvar_us
  1480 u32 retrans_out
  1484 u16 advmss
  1488 u32 lost
  1492 u32 snd_ssthresh
  1496 struct minmax rtt_min
  1536 u32 segs_out
  1540 u32 data_segs_out
  1544 u64 bytes_sent
  1576 u32 write_seq
  1584 u32 lsndtime
  1588 u32 mdev_us
  1592 u32 rtt_seq
  1600 u64 tcp_wstamp_ns
  1640 u8 ecn_flags
  1648 u64 tcp_clock_cache
  1656 u64 tcp_mstamp
  1664 u32 rcv_nxt
  1668 u32 snd_nxt
  1672 u32 snd_una
  1680 u32 srtt_us
  1684 u32 packets_out
  1692 u32 delivered
  1696 u32 delivered_ce
  1716 u32 app_limited
  1724 u32 rcv_tstamp
  1728 struct tcp_options_received rx_opt
  1772 u32 max_packets_out
  1776 u32 cwnd_usage_seq
  1808 u64 first_tx_mstamp
  1816 u64 delivered_mstamp
  1824 u64 bytes_acked
  1864 u32 dsack_dups
  1888 struct .rack rack
  1913.2 u8 tlp_retrans : 1
  1914.4 u8 frto : 1
  1924 u32 mdev_max_us
  1928 u32 reord_seen
  1932 u32 snd_cwnd_cnt
  1936 u32 snd_cwnd_clamp
  1940 u32 snd_cwnd_used
  1944 u32 snd_cwnd_stamp
  1948 u32 prior_cwnd
  1952 u32 prr_delivered
  2168 u32 prior_ssthresh
  2172 u32 high_seq
  2176 u32 retrans_stamp
  2180 u32 undo_marker
  2184 int undo_retrans
  2192 u64 bytes_retrans
  2200 u32 total_retrans
struct ack_sample 12
  0 u32 pkts_acked
  4 s32 rtt_us
  8 u32 in_flight
struct rate_sample 72
  0 u64 prior_mstamp
  8 u32 prior_delivered
  12 u32 prior_delivered_ce
  16 s32 delivered
  20 s32 delivered_ce
  24 long interval_us
  32 u32 snd_interval_us
  36 u32 rcv_interval_us
  40 long rtt_us
  48 int losses
  52 u32 acked_sacked
  56 u32 prior_in_flight
  60 u32 last_end_seq
  64 bool is_app_limited
  65 bool is_retrans
  66 bool is_ack_delayed
struct bictcp 60
  0 u32 cnt
  4 u32 last_max_cwnd
  8 u32 last_cwnd
  12 u32 last_time
  16 u32 bic_origin_point
  20 u32 bic_K
  24 u32 delay_min
  28 u32 epoch_start
  32 u32 ack_cnt
  36 u32 tcp_cwnd
  40 u16 unused
  42 u8 sample_cnt
  43 u8 found
  44 u32 round_start
  48 u32 end_seq
  52 u32 last_ack
  56 u32 curr_rtt
struct bbr 104
  0 u32 min_rtt_us
  4 u32 min_rtt_stamp
  8 u32 probe_rtt_done_stamp
  12 struct minmax bw
  36 u32 rtt_cnt
  40 u32 next_rtt_delivered
  48 u64 cycle_mstamp
  56.0 u32 mode : 3
  56.3 u32 prev_ca_state : 3
  56.6 u32 packet_conservation : 1
  56.7 u32 round_start : 1
  57.0 u32 idle_restart : 1
  57.1 u32 probe_rtt_round_done : 1
  57.2 u32 unused : 13
  58.7 u32 lt_is_sampling : 1
  59.0 u32 lt_rtt_cnt : 7
  59.7 u32 lt_use_bw : 1
  60 u32 lt_bw
  64 u32 lt_last_delivered
  68 u32 lt_last_stamp
  72 u32 lt_last_lost
  76.0 u32 pacing_gain : 10
  77.2 u32 cwnd_gain : 10
  78.4 u32 full_bw_reached : 1
  78.5 u32 full_bw_cnt : 2
  78.7 u32 cycle_idx : 3
  79.2 u32 has_seen_rtt : 1
  79.3 u32 unused_b : 5
  80 u32 prior_cwnd
  84 u32 full_bw
  88 u64 ack_epoch_mstamp
  96 u16 extra_acked[2]
  100.0 u32 ack_epoch_acked : 20
  102.4 u32 extra_acked_win_rtts : 5
  103.1 u32 extra_acked_win_idx : 1
  103.2 u32 unused_c : 6
struct dctcp 28
  0 u32 old_delivered
  4 u32 old_delivered_ce
  8 u32 prior_rcv_nxt
  12 u32 dctcp_alpha
  16 u32 next_seq
  20 u32 ce_state
  24 u32 loss_cwnd
struct list_head 16
  0 struct list_head *next
  8 struct list_head *prev
struct module 1
struct tcp_congestion_ops 192
  0 u32 ssthresh(struct sock *sk)
  8 void cong_avoid(struct sock *sk, u32 ack, u32 acked)
  16 void set_state(struct sock *sk, u8 new_state)
  24 void cwnd_event(struct sock *sk, enum tcp_ca_event ev)
  32 void in_ack_event(struct sock *sk, u32 flags)
  40 void pkts_acked(struct sock *sk, const struct ack_sample *sample)
  48 u32 min_tso_segs(struct sock *sk)
  56 void cong_control(struct sock *sk, u32 ack, int flag, const struct rate_sample *rs)
  64 u32 undo_cwnd(struct sock *sk)
  72 u32 sndbuf_expand(struct sock *sk)
  80 size_t get_info(struct sock *sk, u32 ext, int *attr, void *info)
  88 char name[16]
  104 struct module *owner
  112 struct list_head list
  128 u32 key
  132 u32 flags
  136 void init(struct sock *sk)
  144 void release(struct sock *sk)
struct refcount_struct 4
struct bpf_struct_ops_common_value 8
  0 struct refcount_struct refcnt
  4 enum bpf_struct_ops_state state
struct bpf_struct_ops_tcp_congestion_ops 256
  0 struct bpf_struct_ops_common_value common
  64 struct tcp_congestion_ops data
struct bpf_iter_num 8
  0 u64 __opaque[1]
enum tcp_ca_state
  TCP_CA_Open TCP_CA_Disorder TCP_CA_CWR TCP_CA_Recovery TCP_CA_Loss
enum tcp_ca_event
  CA_EVENT_TX_START CA_EVENT_CWND_RESTART CA_EVENT_COMPLETE_CWR CA_EVENT_LOSS
  CA_EVENT_ECN_NO_CE CA_EVENT_ECN_IS_CE
enum tcp_ca_ack_event_flags
  CA_ACK_SLOWPATH=1 CA_ACK_WIN_UPDATE=2 CA_ACK_ECE=4
enum sk_pacing
  SK_PACING_NONE SK_PACING_NEEDED SK_PACING_FQ
enum bpf_struct_ops_state
  BPF_STRUCT_OPS_STATE_INIT BPF_STRUCT_OPS_STATE_INUSE
  BPF_STRUCT_OPS_STATE_TOBEFREE BPF_STRUCT_OPS_STATE_READY
enum inet_csk_ack_state_t
  ICSK_ACK_SCHED=1 ICSK_ACK_TIMER=2 ICSK_ACK_PUSHED=4 ICSK_ACK_PUSHED2=8
  ICSK_ACK_NOW=16 ICSK_ACK_NOMEM=32
"""

OLD_CONG_CONTROL = "void cong_control(struct sock *sk, const struct rate_sample *rs)"
"""The signature before Linux 6.10."""

FUNCTIONS = """
u32 tcp_reno_ssthresh(struct sock *sk)
void tcp_reno_cong_avoid(struct sock *sk, u32 ack, u32 acked)
u32 tcp_reno_undo_cwnd(struct sock *sk)
u32 tcp_slow_start(struct tcp_sock *tp, u32 acked)
void tcp_cong_avoid_ai(struct tcp_sock *tp, u32 w, u32 acked)
void cubictcp_init(struct sock *sk)
u32 cubictcp_recalc_ssthresh(struct sock *sk)
void cubictcp_cong_avoid(struct sock *sk, u32 ack, u32 acked)
void cubictcp_state(struct sock *sk, u8 new_state)
void cubictcp_cwnd_event(struct sock *sk, enum tcp_ca_event event)
void cubictcp_acked(struct sock *sk, const struct ack_sample *sample)
void bbr_init(struct sock *sk)
void bbr_main(struct sock *sk, u32 ack, int flag, const struct rate_sample *rs)
u32 bbr_sndbuf_expand(struct sock *sk)
u32 bbr_undo_cwnd(struct sock *sk)
void bbr_cwnd_event(struct sock *sk, enum tcp_ca_event event)
u32 bbr_ssthresh(struct sock *sk)
u32 bbr_min_tso_segs(struct sock *sk)
void bbr_set_state(struct sock *sk, u8 new_state)
void dctcp_init(struct sock *sk)
void dctcp_update_alpha(struct sock *sk, u32 flags)
void dctcp_cwnd_event(struct sock *sk, enum tcp_ca_event ev)
u32 dctcp_ssthresh(struct sock *sk)
u32 dctcp_cwnd_undo(struct sock *sk)
void dctcp_state(struct sock *sk, u8 new_state)
int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end)
int *bpf_iter_num_next(struct bpf_iter_num *it)
void bpf_iter_num_destroy(struct bpf_iter_num *it)
void bpf_rcu_read_lock(void)
void bpf_rcu_read_unlock(void)
"""
"""The kernel's functions that a congestion control may call (kfuncs)."""
