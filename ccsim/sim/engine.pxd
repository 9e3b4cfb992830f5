"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.batch cimport Batch
from ccsim.sim.flow.flow cimport Flow


@cython.locals(flow=Flow)
cdef flush_all(list flows, long long horizon_ns)
@cython.locals(flow=Flow)
cdef advance_all(list flows, long long horizon_ns)
@cython.locals(flow=Flow, batch=Batch)
cdef list collect_all(list flows, long long until_ns)
@cython.locals(flow=Flow, batch=Batch)
cdef deliver_all(list flows, list batches)
