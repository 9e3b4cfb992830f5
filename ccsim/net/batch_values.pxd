"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.ints cimport Ints, count_until, kept, picked

cpdef as_column(object values)
cpdef list as_list(object values)
cpdef countable(object values)
cpdef Py_ssize_t count_up_to(object times, long long t, Py_ssize_t start) except -1
cpdef tuple accepted_rows(object arrivals, object departures)
