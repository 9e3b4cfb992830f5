"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.link cimport Batch, as_column

@cython.locals(k=cython.Py_ssize_t, departure=cython.longlong)
cdef tuple _kept(list departures, list seqs, list arrivals)
@cython.locals(t=cython.longlong, later=list)
cdef list _later(list times, long long by_ns)
@cython.locals(t=cython.longlong, sent_us=list)
cdef list _in_us(list times, long long after_ns)
