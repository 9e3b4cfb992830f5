"""What sets a replayed episode apart from its recording."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.verify.episode import Episode, Transmission
from ccsim.verify.episode_replay import EpisodeReplay

__all__ = ["COUNTERS", "Comparison", "replay_episode"]

SEND_TOLERANCE_NS = 1_500_000
TICK_NS = 4_250_000  # a tick of 4 ms, and how late its timers may run
STATE_NAMES = ("Open", "Disorder", "CWR", "Recovery", "Loss")
BBR_PHASES = 7  # BBR starts PROBE_BW in one of that many phases, at random

Sends = tuple[Transmission, ...]

# What the recording's kernel counts, and what the simulated one calls it.
COUNTERS = {
    "TcpExtTCPTimeouts": "rtos",
    "TcpExtTCPLossProbes": "tlps",
    "TcpExtTCPLossProbeRecovery": "probe_recoveries",
    "TcpExtTCPLossUndo": "loss_undos",
    "TcpExtTCPPartialUndo": "partial_undos",
    "TcpExtTCPFullUndo": "full_undos",
    "TcpExtTCPDSACKUndo": "dsack_undos",
    "TcpExtTCPSpuriousRTOs": "spurious_rtos",
}


@dataclass(frozen=True)
class Comparison:
    """The outcome for one episode. ``in_order`` counts transmissions that agree up to the first
    that does not, of ``total``; ``worst_ns`` is the largest difference in time among them;
    ``late`` how many are out of tolerance."""

    episode: Episode
    replay: EpisodeReplay
    in_order: int
    total: int
    worst_ns: int
    late: int
    states_agree: bool
    cwnd_agree: int  # ACKs after which cwnd and ssthresh agree,
    cwnd_total: int  # of that many
    counters: dict[str, tuple[int, int]]  # those that differ: recorded, simulated
    first: str  # the first difference, in words; empty: none

    @property
    def required(self) -> bool:
        """Whether the episode has to agree: the kernel itself did, twice."""
        return self.episode.agreement == "tight"

    @property
    def agrees(self) -> bool:
        """Whether all that is required agrees: order and times of sends, states, counters."""
        sends = self.in_order == self.total and not self.late
        return sends and self.states_agree and not self.counters


def replay_episode(episode: Episode) -> Comparison:
    """Replay an episode and compare. Where BBR drew a random phase, the draw that comes closest is
    meant."""
    best = _compare(episode, _played(episode, 0))
    if best.replay.random.draws:
        others = (_compare(episode, _played(episode, draw)) for draw in range(1, BBR_PHASES))
        best = max((best, *others), key=_closeness)
    return best


def _played(episode: Episode, draw: int) -> EpisodeReplay:
    replay = EpisodeReplay(episode, draw)
    replay.run()
    return replay


def _closeness(outcome: Comparison) -> tuple[int, ...]:
    late = outcome.late
    return outcome.agrees, outcome.in_order, -late, outcome.cwnd_agree, -outcome.worst_ns


def _compare(episode: Episode, replay: EpisodeReplay) -> Comparison:
    recorded, simulated = _until_end(episode, replay)
    total = max(len(recorded), len(simulated))
    in_order = _common(recorded, simulated)
    differences = [
        abs(a.t_ns - b.t_ns) for a, b in zip(recorded[:in_order], simulated[:in_order], strict=True)
    ]
    allowed = [_tolerance_ns(replay, b.t_ns) for b in simulated[:in_order]]
    late = [k for k, d in enumerate(differences) if d > allowed[k]]
    states_agree = _state_sequence(episode.states) == _state_sequence(replay.states)
    cwnd_agree, cwnd_total, first_cwnd = _windows(episode, replay)
    counters = _counters(episode, replay)
    firsts = [_order_difference(recorded, simulated, in_order), first_cwnd]
    if late:
        firsts.append(_late_difference(recorded, simulated, late[0]))
    first = min((f for f in firsts if f is not None), default=(0, ""))[1]
    if not first and not states_agree:
        first = "the sequence of states differs"
    if not first and counters:
        first = "counters differ"
    return Comparison(
        episode,
        replay,
        in_order,
        total,
        max(differences, default=0),
        len(late),
        states_agree,
        cwnd_agree,
        cwnd_total,
        counters,
        first,
    )


def _until_end(episode: Episode, replay: EpisodeReplay) -> tuple[Sends, Sends]:
    """Return both lists without what one alone sent within the tolerance of the recording's end."""
    recorded, simulated = episode.transmissions, tuple(replay.transmissions)
    n = min(len(recorded), len(simulated))
    close = episode.end_ns - SEND_TOLERANCE_NS
    extra = recorded[n:] + simulated[n:]
    if all(packet.t_ns >= close for packet in extra):
        return recorded[:n], simulated[:n]
    return recorded, simulated


def _common(recorded: Sends, simulated: Sends) -> int:
    """Return how many transmissions come in the recorded order."""
    for k, (a, b) in enumerate(zip(recorded, simulated, strict=False)):
        if (a.orig, a.tx) != (b.orig, b.tx):
            return k
    return min(len(recorded), len(simulated))


def _tolerance_ns(replay: EpisodeReplay, t_ns: int) -> int:
    """A timer may differ by one tick, and so may all that follows from it within its burst."""
    return TICK_NS if t_ns in replay.timer_sends else SEND_TOLERANCE_NS


def _order_difference(recorded: Sends, simulated: Sends, k: int) -> tuple[int, str] | None:
    if k == len(recorded) == len(simulated):
        return None
    there = _told(recorded[k]) if k < len(recorded) else "nothing more"
    here = _told(simulated[k]) if k < len(simulated) else "nothing more"
    times = [t[k].t_ns for t in (recorded, simulated) if k < len(t)]
    return min(times), f"transmission {k + 1}: recorded {there}, simulated {here}"


def _late_difference(recorded: Sends, simulated: Sends, k: int) -> tuple[int, str]:
    times = f"{_ms(recorded[k].t_ns)} recorded, {_ms(simulated[k].t_ns)} simulated"
    return recorded[k].t_ns, f"transmission {k + 1} ({recorded[k].orig}.{recorded[k].tx}): {times}"


def _told(packet: Transmission) -> str:
    return f"packet {packet.orig}.{packet.tx} at {_ms(packet.t_ns)}"


def _ms(t_ns: int) -> str:
    return f"{t_ns / 1e6:.1f} ms"


def _state_sequence(
    states: tuple[tuple[str, int, int, int, int], ...] | list[tuple[str, int, int, int, int]],
) -> list[int]:
    sequence = [0]
    for _, _, state, _, _ in states:
        if state != sequence[-1]:
            sequence.append(state)
    return sequence


def _windows(episode: Episode, replay: EpisodeReplay) -> tuple[int, int, tuple[int, str] | None]:
    """Compare state, cwnd and ssthresh after each ACK that was recorded."""
    simulated = {event: row for event, *row in replay.states if event[0] == "A"}
    agree = total = 0
    first = None
    for event, t, *values in episode.states:
        if event[0] != "A":
            continue
        total += 1
        row = simulated.get(event)
        if row is not None and row[1:] == values:
            agree += 1
        elif first is None:
            here = "no such ACK" if row is None else _window(row[1:])
            first = (
                t,
                f"after ACK {event[1:]} at {_ms(t)}: recorded {_window(values)}, simulated {here}",
            )
    return agree, total, first


def _window(values: list[int]) -> str:
    state, cwnd, ssthresh = values
    return f"{STATE_NAMES[state]} {cwnd}/{'inf' if ssthresh >= 0x7FFFFFFF else ssthresh}"


def _counters(episode: Episode, replay: EpisodeReplay) -> dict[str, tuple[int, int]]:
    """Return the counters that differ."""
    recorded, simulated = episode.counters, replay.sk.counters
    pairs = {name: (recorded.get(name, 0), simulated[ours]) for name, ours in COUNTERS.items()}
    syn_losses = recorded.get("TcpExtTCPSynRetrans", 0)
    there, here = pairs["TcpExtTCPTimeouts"]
    pairs["TcpExtTCPTimeouts"] = there - syn_losses, here
    sent = sum(packet.tx > 1 for packet in replay.transmissions)
    pairs["TcpRetransSegs"] = recorded.get("TcpRetransSegs", 0) - syn_losses, sent
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
