"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

cdef long long NEAR, WHEEL_TOP_SHIFT, NS_PER_MS

@cython.locals(limit=cython.longlong, shift=cython.longlong)
cdef long long _wheel_tick(long long tick, long long delta)

cdef class Host:
    cdef public long long hz, initial_window, jiffies0_ns, jiffy_ns, jiffy_us, max_reordering
    cdef public long long min_rtt_wlen_s, min_tso_segs, mss_bytes, notsent_lowat_bytes, pacing_ca_ratio
    cdef public long long pacing_ss_ratio, recovery, reordering
    cdef public long long rto_initial_ns, rto_max_ns, rto_min_us, sndbuf_packets, tso_rtt_log
    cdef public bint dsack, early_retrans, ecn, frto, sack, slow_start_after_idle, timestamps, tso
    cdef public object awake_ns

    cpdef long long jiffies(self, long long t_ns)
    cpdef long long us_to_jiffies(self, long long us)
    @cython.locals(now=cython.longlong, ahead=cython.longlong, due_ns=cython.longlong)
    cpdef long long expiry_ns(
        self, long long now_ns, long long delay_jiffies, long long ran_tick=*
    ) except? -1
    cpdef long long timestamp_ms(self, long long t_us)
