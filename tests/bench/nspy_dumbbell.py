# mypy: ignore-errors
"""The bench cases of ccsim in ns.py: bulk TCP flows over one drop-tail port, cwnd sampled.

Prints one JSON line: seconds inside ``env.run`` and data packets sent. Arguments as for
``ns3_dumbbell.cc``; ns.py has Reno and CUBIC.
"""

import json
import sys
import time

import simpy
from ns.flow.cc import TCPReno
from ns.flow.cubic import TCPCubic
from ns.flow.flow import Flow
from ns.packet.tcp_generator import TCPPacketGenerator
from ns.packet.tcp_sink import TCPSink
from ns.port.port import Port
from ns.port.wire import Wire

MSS = 1448
ALGORITHMS = {"reno": TCPReno, "cubic": TCPCubic}


class Branch:
    """Hand packets to the part that belongs to their flow; acknowledgements count from 10,000."""

    def __init__(self, parts, offset):
        self.parts, self.offset = parts, offset

    def put(self, packet):
        self.parts[packet.flow_id - self.offset].put(packet)


def sample(env, interval_s, generators, rows):
    while True:
        yield env.timeout(interval_s)
        rows.append([generator.congestion_control.cwnd for generator in generators])


def main(rate_bps, rtt_ns, buffer_packets, loss, duration_s, sample_ns, flows, apart_ns):
    env = simpy.Environment()
    port = Port(env, float(rate_bps), qlimit=int(buffer_packets))
    delay_s, duration = int(rtt_ns) / 2e9, float(duration_s)
    lossy = (lambda packet_id: float(loss)) if float(loss) else None
    out = Wire(env, lambda: delay_s, lossy)
    back = Wire(env, lambda: delay_s)
    generators, sinks, rows = [], [], []
    for k, name in enumerate(flows.split(",")):
        flow = Flow(
            fid=k, src="a", dst="b", start_time=int(apart_ns) / 1e9 * k, finish_time=duration
        )
        control = ALGORITHMS[name](mss=MSS, cwnd=10 * MSS, ssthresh=1 << 30)
        generator = TCPPacketGenerator(env, flow, control, element_id=str(k))
        generator.mss, generator.out = MSS, port
        sink = TCPSink(env, rec_arrivals=False, rec_waits=False)
        sink.out = back
        generators.append(generator)
        sinks.append(sink)
    port.out, out.out, back.out = out, Branch(sinks, 0), Branch(generators, 10_000)
    env.process(sample(env, int(sample_ns) / 1e9, generators, rows))
    begin = time.perf_counter()
    env.run(until=duration)
    wall_s = time.perf_counter() - begin
    print(json.dumps({"wall_s": wall_s, "packets": port.packets_received, "samples": len(rows)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
