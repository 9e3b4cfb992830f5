// The bench cases of ccsim in ns-3: bulk TCP flows over one drop-tail bottleneck, cwnd of every flow
// and the receiver's bytes sampled on a grid. Two nodes and one link, nothing that costs time beside
// what is compared. Prints one JSON line: seconds inside Simulator::Run and data packets sent.
//
//   ns3_dumbbell RATE_BPS RTT_NS BUFFER_PACKETS LOSS DURATION_S SAMPLE_NS FLOW[,FLOW...] APART_NS

#include <chrono>
#include <cstdint>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
#include "ns3/traffic-control-module.h"

using namespace ns3;

namespace {

const std::map<std::string, std::string> kTypes = {
    {"reno", "ns3::TcpLinuxReno"}, {"cubic", "ns3::TcpCubic"},       {"bbr", "ns3::TcpBbr"},
    {"vegas", "ns3::TcpVegas"},    {"westwood", "ns3::TcpWestwoodPlus"}};

const uint32_t kSegment = 1448;
const uint16_t kPort = 5000;

uint64_t g_packets = 0;
std::vector<uint32_t> g_cwnd;
std::vector<std::vector<uint32_t>> g_samples;
std::vector<uint64_t> g_received;

void CountPacket(Ptr<const Packet> packet) {
  if (packet->GetSize() > 200) ++g_packets;
}

void KeepCwnd(uint32_t flow, uint32_t, uint32_t now) { g_cwnd[flow] = now; }

void Sample(Time interval, Ptr<PacketSink> sink) {
  g_samples.push_back(g_cwnd);
  g_received.push_back(sink->GetTotalRx());
  Simulator::Schedule(interval, &Sample, interval, sink);
}

void Start(Ptr<Node> node, Ptr<BulkSendApplication> app, std::string type, uint32_t flow) {
  // The node's socket type is read when the application makes its socket.
  node->GetObject<TcpL4Protocol>()->SetAttribute("SocketType",
                                                 TypeIdValue(TypeId::LookupByName(type)));
  app->SetStartTime(Seconds(0));
  node->AddApplication(app);
  Simulator::Schedule(NanoSeconds(1), [app, flow]() {
    app->GetSocket()->TraceConnectWithoutContext("CongestionWindow",
                                                 MakeBoundCallback(&KeepCwnd, flow));
  });
}

void SetDefaults(uint64_t buffer_bytes) {
  Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(kSegment));
  Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
  Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(buffer_bytes));
  Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(buffer_bytes));
  Config::SetDefault("ns3::TcpSocketBase::Sack", BooleanValue(true));
  Config::SetDefault("ns3::TcpSocketBase::MinRto", TimeValue(MilliSeconds(200)));
}

NetDeviceContainer Connect(NodeContainer nodes, char** argv) {
  PointToPointHelper link;
  link.SetDeviceAttribute("DataRate", DataRateValue(DataRate(std::stoull(argv[1]))));
  link.SetChannelAttribute("Delay", TimeValue(NanoSeconds(std::stoull(argv[2]) / 2)));
  link.SetQueue("ns3::DropTailQueue<Packet>", "MaxSize",
                QueueSizeValue(QueueSize(QueueSizeUnit::PACKETS, std::stoul(argv[3]))));
  NetDeviceContainer devices = link.Install(nodes);
  const double loss = std::stod(argv[4]);
  if (loss > 0) {
    Ptr<RateErrorModel> errors = CreateObject<RateErrorModel>();
    errors->SetUnit(RateErrorModel::ERROR_UNIT_PACKET);
    errors->SetRate(loss);
    devices.Get(1)->SetAttribute("ReceiveErrorModel", PointerValue(errors));
  }
  devices.Get(0)->TraceConnectWithoutContext("MacTx", MakeCallback(&CountPacket));
  return devices;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    std::cerr << "expected RATE_BPS RTT_NS BUFFER_PACKETS LOSS DURATION_S SAMPLE_NS FLOWS APART_NS\n";
    return 2;
  }
  const double duration_s = std::stod(argv[5]);
  const Time interval = NanoSeconds(std::stoull(argv[6]));
  const double bdp_bytes = std::stod(argv[1]) / 8 * std::stod(argv[2]) / 1e9;
  SetDefaults(static_cast<uint64_t>(6 * bdp_bytes) + 1000000);

  NodeContainer nodes;
  nodes.Create(2);
  NetDeviceContainer devices = Connect(nodes, argv);
  InternetStackHelper().Install(nodes);
  Ipv4AddressHelper addresses("10.0.0.0", "255.255.255.0");
  Ipv4InterfaceContainer interfaces = addresses.Assign(devices);
  TrafficControlHelper().Uninstall(devices);  // the device's queue is the bottleneck's

  PacketSinkHelper sinks("ns3::TcpSocketFactory",
                         InetSocketAddress(Ipv4Address::GetAny(), kPort));
  Ptr<PacketSink> sink = DynamicCast<PacketSink>(sinks.Install(nodes.Get(1)).Get(0));

  std::stringstream flows(argv[7]);
  std::string name;
  for (uint32_t k = 0; std::getline(flows, name, ','); ++k) {
    const auto type = kTypes.find(name);
    if (type == kTypes.end()) {
      std::cerr << "no algorithm " << name << "\n";
      return 2;
    }
    g_cwnd.push_back(0);
    Ptr<BulkSendApplication> app = CreateObject<BulkSendApplication>();
    app->SetAttribute("Protocol", TypeIdValue(TcpSocketFactory::GetTypeId()));
    app->SetAttribute("Remote",
                      AddressValue(InetSocketAddress(interfaces.GetAddress(1), kPort)));
    app->SetAttribute("SendSize", UintegerValue(kSegment));
    Simulator::Schedule(NanoSeconds(std::stoull(argv[8]) * k), &Start, nodes.Get(0), app, type->second, k);
  }
  Simulator::Schedule(interval, &Sample, interval, sink);
  Simulator::Stop(Seconds(duration_s));

  const auto begin = std::chrono::steady_clock::now();
  Simulator::Run();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  std::cout << "{\"wall_s\": " << wall.count() << ", \"packets\": " << g_packets
            << ", \"received_bytes\": " << sink->GetTotalRx()
            << ", \"samples\": " << g_samples.size() << "}" << std::endl;
  Simulator::Destroy();
  return 0;
}
