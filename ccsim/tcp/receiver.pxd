"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.ints cimport Ints, as_ints, place
from ccsim.tcp.ack_rows cimport AckRows
from ccsim.tcp.delack cimport DelayedAck, Exchange
from ccsim.tcp.sack_blocks cimport (
    Blocks, above, as_blocks, leading, reported, with_duplicate
)

cdef int MAX_QUICKACKS

cdef class Receiver(DelayedAck):
    cdef dict __dict__
    cdef public object ecn, writer
    cdef public set pushed
    cdef public Ints ends, starts
    cdef public Blocks sacks
    cdef public Exchange exchange
    cdef public bint delayed, now
    cdef public long long blocks_max, echo_us, fin, rcv_nxt, unacked

    @cython.locals(
        t=cython.longlong, seq=cython.longlong, tx=cython.longlong, k=cython.Py_ssize_t,
        before=cython.longlong, at=Ints, numbers=Ints, sent=Ints, t_cells=cython.p_longlong,
        seq_cells=cython.p_longlong, tx_cells=cython.p_longlong,
        waits_ns=cython.longlong, least_ns=cython.longlong, near_ns=cython.longlong,
        ato_min=cython.longlong, lrcv_ns=cython.longlong, pushed=cython.bint,
    )
    cpdef receive(self, object times, object seqs, object tx_us, AckRows acks)
    cdef bint _is_prompt(self, bint pushed)
    cdef _fire(self, AckRows acks)
    @cython.locals(exchange=Exchange)
    cdef _read(self, long long t)
    cdef _ack(self, long long t, AckRows acks, long long duplicate=*, bint scheduled=*)
    cdef bint _holds(self, long long seq, long long k)
    cdef _fill_gap(self, long long t, long long seq, long long tx_us, AckRows acks)
    @cython.locals(
        starts=Ints, ends=Ints, first=cython.p_longlong, past=cython.p_longlong,
        joins_left=cython.bint, joins_right=cython.bint,
    )
    cdef _out_of_order(self, long long t, long long seq, long long k, AckRows acks)
    cdef _duplicate(self, long long t, long long seq, long long tx_us, AckRows acks)
