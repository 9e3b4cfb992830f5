"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.kernel.sock cimport Sock

cdef long long MAX_TSO_BYTES, MAX_TSO_SEGS, MIN_TSO_RATE, NARROW_RATE, PACED_USEC_PER_SEC
cdef long long NS_PER_S, PACING_NEEDED, PACING_NONE, U32_MAX, USEC_PER_MSEC, USEC_PER_SEC

@cython.locals(rate=cython.longlong)
cpdef unsigned long long bytes_per_sec(Sock sk, long long bw, long long gain)
@cython.locals(rate=cython.ulonglong)
cpdef unsigned long long paced_rate(Sock sk, long long bw, long long gain)
cpdef long long gap_at(long long mss, unsigned long long rate)
@cython.locals(rtt_us=cython.longlong)
cpdef pace_from_rtt(Sock sk, long long gain)
cpdef start_pacing(Sock sk, long long gain)
cpdef long long min_tso_segs(Sock sk)
@cython.locals(burst=cython.ulonglong, segs=cython.longlong)
cpdef long long tso_segs_goal(Sock sk)
@cython.locals(wait_us=cython.longlong)
cpdef long long packets_at_departure(Sock sk, long long bw, long long in_flight, bint growing)
