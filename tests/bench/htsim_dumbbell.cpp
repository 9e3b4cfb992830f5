// The bench cases of ccsim in htsim: bulk flows of its TCP (NewReno without SACK, whatever the case
// asks for) over one drop-tail queue, cwnd of every flow and the queue sampled on a grid. Each flow
// leaves slow start at its share of the BDP: without SACK, an overshoot would take minutes to mend.
// Prints one JSON line: seconds of the event loop and data packets sent. Arguments as for
// ns3_dumbbell.cc; it has no random loss.

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "config.h"
#include "eventlist.h"
#include "network.h"
#include "pipe.h"
#include "queue.h"
#include "route.h"
#include "tcp.h"

namespace {

const int kPacketBytes = 1500;

class Sampler : public EventSource {
 public:
  Sampler(EventList& events, simtime_picosec interval, Queue& queue, std::vector<TcpSrc*>& flows)
      : EventSource(events, "sampler"), _interval(interval), _queue(queue), _flows(flows) {
    events.sourceIsPendingRel(*this, _interval);
  }
  void doNextEvent() override {
    for (const TcpSrc* flow : _flows) cwnd.push_back(flow->_cwnd);
    queued.push_back(_queue.queuesize());
    eventlist().sourceIsPendingRel(*this, _interval);
  }
  std::vector<uint32_t> cwnd;
  std::vector<uint64_t> queued;

 private:
  simtime_picosec _interval;
  Queue& _queue;
  std::vector<TcpSrc*>& _flows;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9 || std::stod(argv[4]) > 0) {
    std::cerr << "expected RATE_BPS RTT_NS BUFFER_PACKETS 0 DURATION_S SAMPLE_NS FLOWS APART_NS\n";
    return 2;
  }
  const uint64_t rate_bps = std::stoull(argv[1]), rtt_ns = std::stoull(argv[2]);
  Packet::set_packet_size(kPacketBytes);
  EventList& events = EventList::getTheEventList();
  events.setEndtime(timeFromSec(std::stod(argv[5])));
  Queue queue(rate_bps, std::stoull(argv[3]) * kPacketBytes, events, nullptr);
  Pipe forth(rtt_ns * 500, events), back(rtt_ns * 500, events);
  TcpRtxTimerScanner timers(timeFromMs(10), events);

  size_t count = 1;
  for (const char* at = argv[7]; *at; ++at) count += *at == ',';
  std::vector<TcpSrc*> flows;
  for (size_t k = 0; k < count; ++k) {
    TcpSrc* source = new TcpSrc(nullptr, nullptr, events);
    TcpSink* sink = new TcpSink();
    Route* out = new Route();
    out->push_back(&queue);
    out->push_back(&forth);
    out->push_back(sink);
    Route* home = new Route();
    home->push_back(&back);
    home->push_back(source);
    source->set_ssthresh(rate_bps / 8 * rtt_ns / 1000000000 / count);
    source->connect(*out, *home, *sink, std::stoull(argv[8]) * 1000 * k);
    timers.registerTcp(*source);
    flows.push_back(source);
  }
  Sampler sampler(events, std::stoull(argv[6]) * 1000, queue, flows);

  const auto begin = std::chrono::steady_clock::now();
  while (events.doNextEvent()) {
  }
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  uint64_t packets = 0;
  for (const TcpSrc* flow : flows) packets += flow->_packets_sent / kPacketBytes;
  std::cout << "{\"wall_s\": " << wall.count() << ", \"packets\": " << packets
            << ", \"samples\": " << sampler.queued.size() << "}" << std::endl;
  return 0;
}
