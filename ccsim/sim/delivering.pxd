"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.ints cimport Ints, as_ints, in_us, later, least
from ccsim.net.link cimport Batch, as_column
from ccsim.tcp.ack_rows cimport AckRows

@cython.locals(kept=Ints, cells=cython.p_longlong, k=cython.Py_ssize_t)
cdef tuple _kept(Ints departures, Ints seqs, Ints arrivals)
@cython.locals(
    picked=Ints, cells=cython.p_longlong, row_cells=cython.p_longlong, k=cython.Py_ssize_t
)
cdef Ints _picked(Ints values, Ints rows)
