"""Scenarios written for what random ones rarely meet, by what happens in them."""

from __future__ import annotations

DIRECTED = {
    "two flows of one RTT tie at every step": """
duration: 1 s
path: {rate: 12 Mbit/s, rtt: 20 ms, buffer: 10 packets}
flows:
  - {name: a, congestion: reno}
  - {name: b, congestion: cubic}
tcp: {quickacks: 0}
""",
    "nothing lies behind the queue": """
duration: 300 ms
path: {rate: 12 Mbit/s, rtt: 10 ms, buffer: 10 packets}
flows:
  - {name: a, congestion: cubic, access_delay: 10 ms}
  - {name: b, congestion: reno, access_delay: 5 ms}
""",
    "a buffer of one packet, so that timeouts are the rule": """
duration: 5 s
path: {rate: 2 Mbit/s, rtt: 30 ms, buffer: 1 packet}
flows:
  - {name: a, congestion: reno}
  - {name: b, congestion: bbr, start: 30 ms}
""",
    "every data packet is lost": """
duration: 8 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP, loss: 100 %}
flows:
  - {name: a, congestion: cubic}
""",
    "the handshake takes longer than the first SYN's timer": """
duration: 4 s
path: {rate: 2 Mbit/s, rtt: 1200 ms, buffer: 100 packets}
flows:
  - {name: a, congestion: cubic}
  - {name: b, congestion: bbr, rtt: 3100 ms}
""",
    "swaps at the instant at which flows stop and others start": """
duration: 2 s
path: {rate: 24 Mbit/s, rtt: 20 ms, buffer: 40 packets}
links: {fleet: cubic}
flows:
  - {name: a, congestion: fleet}
  - {name: b, congestion: fleet, start: 1 s}
  - {name: c, congestion: bbr, start: 500 ms, stop: 1001 ms}
swaps:
  - {at: 1 s, via: link_update, link: fleet, to: bbr}
  - {at: 1 s, via: setsockopt, flows: [a, c], to: reno}
  - {at: 1 s, via: sweep, flows: [a, c], to: fleet, over: 900 ms}
""",
    "a swap in the middle of a recovery": """
duration: 2 s
path: {rate: 20 Mbit/s, rtt: 50 ms, buffer: 20 packets}
flows:
  - {name: a, congestion: reno}
swaps:
  - {at: 330 ms, via: setsockopt, flows: [a], to: bbr}
  - {at: 400 ms, via: setsockopt, flows: [a], to: cubic}
  - {at: 430 ms, via: setsockopt, flows: [a], to: vegas}
""",
    "finite flows end while others go on": """
duration: 3 s
path: {rate: 24 Mbit/s, rtt: 30 ms, buffer: 30 packets}
flows:
  - {name: a, congestion: cubic}
  - {name: b, congestion: cubic, size: 1000001 B, start: 200 ms}
  - {name: c, congestion: reno, size: 1 B, start: 1 s}
  - {name: d, congestion: bbr, size: 144800 B, start: 1 s}
""",
    "the least RTT falls when another flow leaves the queue": """
duration: 4 s
path: {rate: 24 Mbit/s, rtt: 60 ms, buffer: 2 BDP}
flows:
  - {name: a, congestion: reno, start: 1200 ms}
  - {name: b, congestion: cubic, stop: 1500 ms}
tcp: {quickacks: 0}
""",
    "the least RTT of a paced flow falls": """
duration: 8 s
path: {rate: 24 Mbit/s, rtt: 60 ms, buffer: 2 BDP}
flows:
  - {name: a, congestion: bbr, start: 2 s}
  - {name: b, congestion: cubic, stop: 4 s}
""",
    "an application is silent, then fills the pipe again": """
duration: 6 s
path: {rate: 24 Mbit/s, rtt: 120 ms, buffer: 2 BDP}
flows:
  - {name: a, congestion: bbr, source: {write: 2 MB, every: 1200 ms}}
""",
    "a paced flow writes its last packet": """
duration: 5 s
path: {rate: 24 Mbit/s, rtt: 80 ms, buffer: 2 BDP}
flows:
  - {name: a, congestion: bbr, size: 12 MB}
""",
    "several ACKs fall into a tick of CUBIC's clock": """
duration: 5 s
path: {rate: 24 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: a, congestion: cubic}
kernel: {hz: 1000}
""",
    "needless retransmissions count as delivered before the next response is written": """
duration: 7 s
seed: 2
path: {rate: 2 Mbit/s, rtt: 400 ms, buffer: 50 packets, ack_loss: 0.3}
flows:
  - {name: a, congestion: cubic, size: 10 kB}
workloads:
  - {name: w, congestion: cubic, arrivals: {at_once: 2}, requests: {response: 200 B, think: 600 ms}}
tcp: {min_rto: 40 ms}
""",
    "the filter of the bandwidth ages": """
duration: 20 s
path: {rate: 12 Mbit/s, rtt: 250 ms, buffer: 3 BDP}
flows:
  - {name: a, congestion: bbr}
""",
    "samples fall on departures of paced packets": """
duration: 1500 ms
path: {rate: 120 Mbit/s, rtt: 50 ms, buffer: 2 BDP}
flows:
  - {name: a, congestion: bbr}
  - {name: b, congestion: bbr, rtt: 100 ms}
record: {interval: 100 us}
""",
    "the SACKs of a CUBIC flow's recoveries": """
duration: 6 s
path: {rate: 100 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: a, congestion: cubic}
record: {interval: 1 ms}
""",
    "the SACKs of a Reno flow's recovery": """
duration: 3 s
path: {rate: 100 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: a, congestion: reno}
record: {interval: 1 ms}
tcp: {quickacks: 9000}
""",
    "the SACKs of two flows' recoveries": """
duration: 4 s
path: {rate: 60 Mbit/s, rtt: 80 ms, buffer: 1 BDP}
flows:
  - {name: a, congestion: cubic}
  - {name: b, congestion: reno, rtt: 100 ms, start: 1 s}
record: {interval: 3 ms}
""",
    "swaps amid a train of SACKs": """
duration: 2500 ms
path: {rate: 100 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: a, congestion: reno}
swaps:
  - {at: 750 ms, via: setsockopt, flows: [a], to: cubic}
  - {at: 780 ms, via: setsockopt, flows: [a], to: reno}
  - {at: 820 ms, via: setsockopt, flows: [a], to: bbr}
""",
    "random losses while packets are SACKed": """
duration: 4 s
path: {rate: 60 Mbit/s, rtt: 80 ms, buffer: 1 BDP, loss: 0.05 %}
flows:
  - {name: a, congestion: cubic}
  - {name: b, congestion: reno}
tcp: {quickacks: 16}
""",
    "a source ends in a train of SACKs": """
duration: 3 s
path: {rate: 100 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: a, congestion: reno, size: 7450 kB}
""",
    "SACKs are lost on their way": """
duration: 2 s
path: {rate: 100 Mbit/s, rtt: 40 ms, buffer: 1 BDP, ack_loss: 0.05}
flows:
  - {name: a, congestion: reno}
""",
    "ACKs of several windows arrive at one instant while a policy holds the window": """
duration: 820 ms
path: {rate: 60 Mbit/s, rtt: 20400 us, buffer: 202 packets, ack_aggregation: 16600 us}
flows:
  - {name: a, congestion: reno, source: {rate: 2800903 bit/s, write: 868 B}}
swaps:
  - {at: 721800 us, via: setsockopt, flows: [a], to: scalable, state: safe_retreat}
tcp: {quickacks: 0}
""",
}
