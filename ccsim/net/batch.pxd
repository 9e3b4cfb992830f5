"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.ints cimport Ints, as_ints, count_until, kept, part, picked

cdef bint COMPILED

cdef class Batch:
    cdef public long long flow
    cdef public object arrivals, departures, marks, seqs
    cdef public dict odd

cpdef as_column(object values)
cpdef list as_list(object values)
cpdef countable(object values)
cpdef Py_ssize_t count_up_to(object times, long long t, Py_ssize_t start) except -1
cpdef tuple accepted_rows(object arrivals, object departures)
@cython.locals(batch=Batch)
cpdef columns_of(list batches, Py_ssize_t n)
@cython.locals(cells=cython.p_longlong, k=cython.Py_ssize_t)
cdef _fill(long long[::1] column, Py_ssize_t start, Ints values)
@cython.locals(batch=Batch)
cpdef give_parts(list batches, object departures)
@cython.locals(batch=Batch, k=cython.Py_ssize_t, mixed=list)
cpdef hand_out(list batches, list order, list departures)
cpdef refuse(Batch batch, Ints times, Ints flows, Ints random)
@cython.locals(at=cython.p_longlong, left=cython.p_longlong, k=cython.Py_ssize_t)
cdef _refuse_cells(
    long long flow, Ints arrivals, Ints departures, Ints times, Ints flows, Ints random
)
