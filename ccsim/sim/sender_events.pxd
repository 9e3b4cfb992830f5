"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.sim.acks cimport PlainAcks, AcksInColumns
from ccsim.sim.sampler cimport Sampler
from ccsim.tcp.ack_rows cimport AckRows
from ccsim.tcp.input cimport on_ack
from ccsim.tcp.pacer cimport on_pacing_timer, send_paced
from ccsim.tcp.sock cimport TcpSock

cdef int OPEN

@cython.locals(timer=cython.longlong, pace=cython.longlong, t=cython.longlong)
cpdef fire_timers(TcpSock sk, Sampler sampler, long long t_ns, long long write_ns)
cdef _catch_up(TcpSock sk, Sampler sampler, long long t_ns, long long write_ns)
cpdef int take_rows(
    TcpSock sk, Sampler sampler, object rows, long long horizon_ns, long long watch,
    long long write_ns
) except -1
@cython.locals(k=cython.longlong, t=cython.longlong)
cdef int _take_columns(
    TcpSock sk, Sampler sampler, PlainAcks rows, const long long[::1] times,
    const long long[::1] numbers, const long long[::1] echoes, long long stop,
    long long horizon_ns, long long watch, long long write_ns
) except -1
@cython.locals(k=cython.longlong, t=cython.longlong, una=cython.longlong, back_ns=cython.longlong)
cdef int _take_cells(
    TcpSock sk, Sampler sampler, AckRows rows, long long stop, long long horizon_ns,
    long long watch, long long write_ns
) except -1
@cython.locals(
    k=cython.longlong, t=cython.longlong, una=cython.longlong, echo_us=cython.longlong
)
cdef int _take_tuples(
    TcpSock sk, Sampler sampler, object rows, list acks, long long first, long long back_ns,
    long long stop, long long horizon_ns, long long watch, long long write_ns
) except -1
