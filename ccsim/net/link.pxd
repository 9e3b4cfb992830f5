"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.ints cimport (
    Ints, as_ints, count_until, filled, joined_ints, kept, part, picked, scattered
)
from ccsim.net.batch cimport (
    Batch, accepted_rows, as_column, as_list, columns_of, count_up_to, countable, give_parts, hand_out,
    refuse
)
from ccsim.net.fifo cimport Fifo

cdef long long PACK_ROWS, VECTOR_ROWS
cdef bint COMPILED

cdef class Link:
    cdef public Fifo fifo
    cdef public object dropped, marker, sampled
    cdef public list samples
    cdef Ints _drop_flow, _drop_random, _drop_t
    cdef public bint vector
    cdef public long long full_bytes, interval_ns, meter_ns, vector_rows
    cdef long long _next_sample_ns, _accepted, _left, _departed, _odd_bytes, _logged, _drops, _losses
    cdef object _inside, _odd

    @cython.locals(batch=Batch, n=cython.longlong, refused=cython.longlong)
    cpdef transmit(self, list batches, long long until_ns)
    @cython.locals(batch=Batch, arrivals=list, sizes=list, order=list, departures=list, k=cython.Py_ssize_t)
    cdef tuple _serve(self, list batches)
    cdef list _sizes(self, Batch batch)
    @cython.locals(batch=Batch, size=cython.longlong, departure=cython.longlong)
    cdef _note_odd(self, list batches, list sizes, list departures)
    @cython.locals(batch=Batch)
    cdef tuple _serve_train(self, list batches, Py_ssize_t n)
    @cython.locals(batch=Batch, sizes=Ints, arrivals=Ints, departures=Ints, order=Ints)
    cdef tuple _serve_cells(self, list batches)
    @cython.locals(sizes=Ints, cells=cython.p_longlong, k=cython.Py_ssize_t)
    cdef Ints _size_cells(self, Batch batch)
    @cython.locals(
        full=cython.longlong, size_cells=cython.p_longlong, left=cython.p_longlong,
        k=cython.Py_ssize_t,
    )
    cdef _note_odd_cells(self, Ints sizes, Ints departures)
    @cython.locals(batch=Batch)
    cdef _size_column(self, list batches, Py_ssize_t n)
    @cython.locals(batch=Batch, times=Ints, flows=Ints, random=Ints, order=Ints)
    cdef tuple _log_drops(self, list batches, object arrivals, object departures)
    cdef _record(self, object arrivals, object departures, long long until_ns)
    @cython.locals(
        t=cython.longlong, full=cython.longlong, arrived=cython.longlong,
        departed=cython.longlong, sent_bytes=cython.longlong, inside=cython.longlong,
    )
    cdef _sample(self, object arrivals, long long until_ns)
    @cython.locals(recorded=cython.longlong)
    cdef long long _after(self, long long t) except? -1
    cdef long long _departed_until(self, long long t) except? -1
    cpdef pack(self, Py_ssize_t drops)
    cdef long long _odd_until(self, long long t) except? -1
    @cython.locals(times=cython.p_longlong, random=cython.p_longlong, k=cython.Py_ssize_t)
    cdef _count_drops(self, long long t)

cdef _taken(Ints column, Py_ssize_t n)
@cython.locals(value=cython.longlong, at=cython.Py_ssize_t, k=cython.Py_ssize_t)
cdef _flatten(long long[::1] flat, list rows, Py_ssize_t n)
