"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.ints cimport Ints, as_ints, in_us, kept, later, least, picked
from ccsim.net.batch cimport as_column, as_list
from ccsim.net.batch cimport Batch
from ccsim.sim.writing cimport Writing
from ccsim.tcp.ack_rows cimport AckRows


cdef class FlowPath:
    cdef public long long access_ns, out_ns, back_ns, hops_ns


cdef class Delivering(Writing):
    cdef public long long index, run_end_ns, sent, delivered, arriving, dropped
    cdef public FlowPath path
    cdef public bint vector
    cdef public object ack_path, acks, hears, receives, reception, returns, returns_train
    cdef public list chunks

    cpdef _flush(self)
    cpdef Batch collect(self, long long until_ns)
    cpdef deliver(self, Batch batch)
    @cython.locals(n=cython.Py_ssize_t, late=cython.Py_ssize_t, times=Ints, acks=AckRows, rows=Ints)
    cpdef _deliver_rows(self, Ints departures, Ints seqs, Ints arrivals, bint handshake)
    cpdef flush_receiver(self, long long horizon_ns)
    cpdef flush_before(self, long long t_ns)
    cpdef send_acks(self, AckRows acks)
    cpdef hear(self, AckRows acks)
