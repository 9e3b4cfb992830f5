"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cdef class PacketColumns:
    cdef public long long base, capacity
    cdef public long long[::1] tx_us, delivered, delivered_us, first_tx_us
    cdef public unsigned char[::1] flags
    cdef public object tx_us_np, delivered_np, delivered_us_np, first_tx_us_np, flags_np
    cdef public bytearray flags_bytes
