"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.ints cimport Ints
from ccsim.kernel.ops cimport AckSample, RateSample
from ccsim.tcp.linux_sock cimport LinuxSock
from ccsim.tcp.packets cimport PacketColumns
from ccsim.tcp.sack_blocks cimport Blocks


cdef class TcpSock(LinuxSock):
    cdef public AckSample ack_sample
    cdef public RateSample rate_sample
    cdef public PacketColumns packets
    cdef public dict counters, runts
    cdef public list ce_changes, cwr_seqs
    cdef public Ints out_seq, out_t, rack_resent, rack_resent_us, rtx_queue
    cdef public Blocks last_blocks
    cdef public object on_event
    cdef object hooks  # `ccsim.tcp.hooks.Hooks` of the algorithm at the latest ACK
    cdef public bint nospace, timer_resend, timer_settled
    cdef public long long cwr_seq, delivered_ceb, min_rtt_2_tick, min_rtt_2_us, min_rtt_3_tick, min_rtt_3_us
    cdef public long long min_rtt_due_ns, min_rtt_tick, pacing_ns, rack_cursor, sack_high
    cdef public long long sample_end
    cdef public long long timer_delay_jiffies, timer_delay_us, timer_ns, timer_ran_tick
    cdef public long long timer_set_ns, timer_wstamp_ns, ts_recent_ms
