"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.tcp.sock cimport TcpSock

cpdef unsigned long long pacing_rate(
    TcpSock sk, long long cwnd, long long packets_out, long long srtt_us
)
cpdef update_pacing_rate(TcpSock sk)
cpdef long long pacing_due(TcpSock sk)
