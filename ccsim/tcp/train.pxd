"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.tcp.packets cimport PacketColumns
from ccsim.tcp.pacing cimport pacing_rate
from ccsim.tcp.rtt cimport set_rto
from ccsim.tcp.sock cimport TcpSock
from ccsim.tcp.train_loops cimport fold_each, rates, read, stamp
from ccsim.tcp.xmit_timer cimport schedule_loss_probe

cdef int MARKED, PACING_NONE, TCP_ECN_QUEUE_CWR, TIMEOUT_MIN_US
cdef bint COMPILED

cdef class TrainOutcome:
    cdef public long long taken
    cdef public object sent_ns, samples

cdef class AckColumns:
    cdef public object _columns, _rtt, acked, ca_rtt, last_rows, last_tx, t, t_us, una
    cdef public bint by_rows
    cdef public long long least_acked, least_rtt, most_acked, most_rtt

    cpdef _read(self, PacketColumns packets, long long before)
    cpdef _gather(self, PacketColumns packets, long long before)
    cpdef list fold(self, TcpSock sk, long long k, nxt, list stops)
    cpdef fold_min(self, TcpSock sk, long long k)
    cpdef make_room(self, TcpSock sk, long long count)
    cpdef send(self, TcpSock sk, nxt)
    cpdef stamp_paced(self, TcpSock sk, nxt, sent_ns)
    cpdef tuple rates(self, TcpSock sk)

cpdef bint may_take_train(TcpSock sk)
cpdef bint in_plain_order(TcpSock sk)
@cython.locals(columns=AckColumns, k=cython.longlong)
cpdef ack_train(TcpSock sk, t, una, list sample_times)
@cython.locals(last=cython.longlong, n=cython.longlong, nxt=cython.longlong, una0=cython.longlong)
cdef bint _has_room(TcpSock sk, una)
cdef _ack_train(TcpSock sk, AckColumns columns)
cpdef bint unmarked(PacketColumns packets, long long start, long long end, int marks)
@cython.locals(
    end=cython.longlong, gap_us=cython.longlong, left=cython.longlong, low=cython.longlong,
    start=cython.longlong,
)
cpdef bint timers_keep_still(TcpSock sk, AckColumns columns)
cpdef next_numbers(TcpSock sk, una, cwnd)
cpdef list rtt_and_samples(
    TcpSock sk, AckColumns columns, long long k, cwnd, nxt, long long ssthresh, list sample_times
)
cpdef note_delivery(TcpSock sk, AckColumns columns, long long k)
cpdef leave_as_last_ack(TcpSock sk, AckColumns columns, long long k, nxt)
