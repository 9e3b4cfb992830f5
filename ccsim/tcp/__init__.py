"""A packet-counting model of Linux's TCP sender and receiver; it knows neither SimPy nor the
network.

Followed, with the kernel's functions named where they are modelled: the congestion state machine
with PRR, RACK and TLP, RTO and F-RTO, undo by timestamps and DSACK, rate samples with the
application-limited bubble, window validation and the restart after idle, internal pacing, bursts of
segmentation offload (optional), the receiver's delayed, quick and riding ACKs, ECN after RFC 3168
and DCTCP's exact echo.

Left out, here and in the network around it:

- *Packets.* Sequence numbers count packets; only the last of a write may be short, and it is paced
  and counted in rates like a full one. One packet is one skb: nothing is merged or split.
- *Small writes.* Each write is pushed at once, as with TCP_NODELAY: no Nagle, no cork, no autocork.
- *Offload.* Bursts are never deferred for one more ACK (``tcp_tso_should_defer``), and
  retransmissions leave one by one. GRO merges packets in order only, whatever their timestamps.
- *Receiver.* Two short packets are acknowledged as two full ones are; its RTT is that of the path
  without queues; only the requests of a workload are data of its own.
- *Receive window.* Fixed, or never the limit: no autotuning, no shrinking, no probes of a closed
  window, no limit by the window of the SYN-ACK. The application reads at once and asks for nothing.
- *Send buffer.* Counted in packets, not in memory; it does not grow.
- *Handshake and close.* A SYN costs a round trip and may be lost, the ACK of the handshake and the
  answer to a SYN may not be; no Fast Open, no SYN cookies. The FIN is sent by one side; the other's
  and TIME-WAIT are not modelled, nor are resets, keepalives and user timeouts.
- *ECN.* RFC 3168, the DCTCP echo and Accurate ECN (`ccsim.tcp.accecn` says what that lacks), not
  ECN++: without Accurate ECN pure ACKs and, unless the algorithm needs ECN, retransmissions are not
  ECN-capable, and SYNs never are. A queue that marks does not drop what
  is not. The receiver runs what its sender began with, and keeps it when the sender is swapped.
- *Probes.* No MTU probing, no reneging, no thin-stream timeouts.
- *Hosts* take no time unless they are late: no CPU cost, no TCP small queues; what fq would hold
  waits in the socket. A host has its sysctls whatever the namespace of a socket.
- *Path.* What lies between is not known here: ``rcv_tsval`` is the time at which an ACK
  came less the way back without queues; PAWS is not applied to ACKs that overtake one another.
"""
