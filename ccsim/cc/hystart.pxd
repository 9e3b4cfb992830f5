"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc.fixed_point cimport s32
from ccsim.kernel.kfuncs cimport after
from ccsim.kernel.sock cimport Sock

cdef long long ACK_TRAIN, DELAY, DELAY_MAX_US, DELAY_MIN_US, MIN_SAMPLES, PACING_NONE, U32_MAX
cdef long long USEC_PER_MSEC, USEC_PER_SEC


cdef class HyStart:
    cdef public bint found
    cdef public long long curr_rtt, delay_min, end_seq, last_ack, round_start, sample_cnt


cpdef start_round(Sock sk, HyStart ca)
cpdef bint ends_slow_start(Sock sk, HyStart ca, object params, long long delay)
@cython.locals(now=cython.longlong, limit=cython.longlong, delta=cython.longlong, burst_us=cython.ulonglong)
cdef bint _train_is_long(Sock sk, HyStart ca, object params)
@cython.locals(margin=cython.longlong)
cdef bint _delay_has_grown(HyStart ca, long long delay)
@cython.locals(
    row=cython.Py_ssize_t, end=cython.Py_ssize_t, found=cython.Py_ssize_t, sure=cython.bint,
    last=cython.Py_ssize_t,
)
cpdef tuple ends_slow_start_train(
    Sock sk, HyStart ca, object params, object acks, long long cwnd, Py_ssize_t count
)
cdef Py_ssize_t _round_end(
    Sock sk, HyStart ca, object acks, Py_ssize_t row, Py_ssize_t first, Py_ssize_t count
)
cdef _start_round_at(Sock sk, HyStart ca, object acks, Py_ssize_t row)
