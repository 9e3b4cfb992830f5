"""Timers in maps: when callbacks run, what they are given, and what stops them."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

import ccsim.bpf.timers as under_test
from ccsim.bpf import instructions as isa
from ccsim.bpf import runtime as runtimes
from ccsim.bpf.helpers import helper
from ccsim.bpf.instructions import Instruction as I
from ccsim.bpf.mapspec import MapSpec
from ccsim.bpf.memory import MAP_VALUES, BpfFault
from ccsim.bpf.runtime import FORMS, Runtime
from ccsim.bpf.timers import Timers
from ccsim.kernel.sock import Sock
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from tests.bpf.bpf_rig import DATA, EXIT, alu, load, mov, runtime_of, store

HEAD = "name: t\nduration: 3 s\npath: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}\n"
ONE = "objects: [tick.bpf.o]\nflows: [{name: a, congestion: tick}]\n"
EBUSY, EINVAL, EDEADLK = 16, 22, 35
MS = 1_000_000
ARRAY, HASH = 2, 1
CALLBACK = 4  # first slot of it in COUNTING
COUNTING = [
    *(mov(0, 0), EXIT),  # the constant takes two slots; the exit is slot 2
    EXIT,
    *(load(1, 3, 16), mov(4, 1), alu(isa.ADD, 1, 4), store(3, 16, 1)),  # value->count++
    load(1, 2, 0, isa.W),
    store(3, 24, 1),  # value->key = *key
    *(mov(0, 0), EXIT),
]


def held(text: str, **options: Any) -> dict[str, Any]:
    result = simulate(parse_scenario(HEAD + text, "t.yaml", DATA / "objects"), **options)
    assert result.failed == ""
    return next(event.detail for event in result.events if event.kind == "objects")["tick"]


def meter(values: dict[str, Any]) -> list[int]:
    """Return ticks, packets, last_packets, last_ns."""
    raw = bytes.fromhex(values["maps"]["meters"][0][1])
    assert raw[32:] == bytes(16), "nobody reads a timer"
    return [int.from_bytes(raw[at : at + 8], "little") for at in range(0, 32, 8)]


@pytest.mark.parametrize("form", FORMS)
def test_a_timer_ticks_on_the_simulated_clock(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 40 ms, when the handshake ends, 29 periods of 100 ms fit into 3 s."""
    monkeypatch.setattr(runtimes, "FORMS", (form,))
    values = held(ONE)
    ticks, _, last_packets, last_ns = meter(values)
    assert ticks == 29
    assert 2_940 * MS <= last_ns < 2_941 * MS
    assert 20 < last_packets <= 83, "10 Mbit/s are 82.6 packets in 100 ms"
    bss = values["bss"]
    assert [bss[name] for name in ("began", "set", "started")] == [0, 0, 0]
    assert (bss["too_late"], bss["again"]) == (-EINVAL, -EBUSY)


def test_a_callback_that_does_not_start_it_again_was_the_last() -> None:
    assert (
        meter(held(ONE.replace("tick.bpf.o", "{file: tick.bpf.o, set: {most_ticks: 3}}")))[0] == 3
    )


def test_a_timer_that_is_cancelled_ticks_no_longer() -> None:
    """Nine periods after 40 ms are over at 1 s, when the connection moves on."""
    values = held(ONE + "swaps: [{at: 1 s, via: setsockopt, flows: [a], to: reno}]\n")
    assert (values["bss"]["cancelled"], meter(values)[0]) == (1, 9)


def test_windows_and_their_cuts_change_no_tick() -> None:
    two = ONE.replace(
        "congestion: tick}", "congestion: tick}, {name: b, congestion: tick, rtt: 55 ms}"
    )
    whole, cut = held(two), held(two, lookahead_ns=700_000)
    assert json.dumps(whole) == json.dumps(cut)
    assert whole["bss"]["began"] == -EBUSY, "the second connection finds it there"


def counting(kind: int) -> tuple[Runtime, Timers, Any, Sock]:
    """Return a runtime whose callback counts in the value, its timers, its map and a socket."""
    spec = MapSpec("m", kind, 4, 32, 4)
    runtime = runtime_of(COUNTING, [spec])
    timers = runtime.timers = Timers(runtime)
    sk = Sock()
    sk.random = cast(Any, None)  # nobody draws
    sk.tcp_clock_cache = 5 * MS
    return runtime, timers, runtime.maps[0], sk


def started(timers: Timers, runtime: Runtime, address: int, sk: Sock, ns: int) -> None:
    assert timers.set_callback(address, runtime.codes["p"], CALLBACK) == 0
    assert timers.start(address, sk, ns, 0) == 0


def test_a_callback_is_given_map_key_and_value() -> None:
    runtime, timers, map, sk = counting(ARRAY)
    address = MAP_VALUES + 2 * 32
    assert timers.init(address, map, 1) == 0
    started(timers, runtime, address, sk, 3 * MS)
    timers.come_to(8 * MS - 1)
    assert map.memory.load(2 * 32 + 16, 8) == 0
    timers.come_to(8 * MS)
    assert map.memory.load(2 * 32 + 16, 8) == 1
    assert map.memory.load(2 * 32 + 24, 8) == 2


def test_errors_are_linux_errors() -> None:
    runtime, timers, map, sk = counting(ARRAY)
    code = runtime.codes["p"]
    assert timers.set_callback(MAP_VALUES, code, CALLBACK) == -EINVAL
    assert timers.start(MAP_VALUES, sk, 1, 0) == timers.cancel(MAP_VALUES) == -EINVAL
    assert timers.init(MAP_VALUES, map, 5) == -EINVAL, "no such clock"
    assert [timers.init(MAP_VALUES, map, 1), timers.init(MAP_VALUES, map, 1)] == [0, -EBUSY]
    assert timers.start(MAP_VALUES, sk, 1, 0) == -EINVAL, "no callback"
    assert timers.set_callback(MAP_VALUES, code, CALLBACK) == 0
    assert timers.start(MAP_VALUES, sk, 1, 4) == -EINVAL, "no such flag"
    assert timers.start(MAP_VALUES, sk, 7 * MS, 1) == 0, "at a time, not after one"
    assert timers.next_ns == 7 * MS
    assert [timers.cancel(MAP_VALUES), timers.cancel(MAP_VALUES)] == [1, 0]
    assert timers.start(MAP_VALUES, sk, 1, 0) == -EINVAL, "cancelling forgets the callback"


def test_started_anew_it_is_due_then_and_once() -> None:
    runtime, timers, map, sk = counting(ARRAY)
    timers.init(MAP_VALUES, map, 1)
    started(timers, runtime, MAP_VALUES, sk, 1 * MS)
    started(timers, runtime, MAP_VALUES, sk, 4 * MS)
    timers.come_to(8 * MS)
    assert map.memory.load(16, 8) == 0
    timers.come_to(20 * MS)
    assert map.memory.load(16, 8) == 1


@pytest.mark.parametrize("how", ["update", "delete"])
def test_a_timer_goes_with_its_value(how: str) -> None:
    runtime, timers, map, sk = counting(HASH)
    key, value = (9).to_bytes(4, "little"), bytes(range(32))
    map.update(key, value)
    address = map.lookup(key)
    timers.init(address, map, 1)
    started(timers, runtime, address, sk, 1 * MS)
    if how == "delete":
        map.delete(key)
    map.update(key, value)
    timers.come_to(50 * MS)
    (found,) = map.items()
    assert found == (key, bytes(16) + value[16:]), "nothing ran, and no timer is copied"
    assert timers.init(map.lookup(key), map, 1) == 0


def test_a_callback_cannot_wait_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, timers, map, sk = counting(ARRAY)
    timers.init(MAP_VALUES, map, 1)
    found = []

    def run(*arguments: Any) -> int:
        found.append(timers.cancel(MAP_VALUES))
        return 0

    monkeypatch.setattr(under_test, "interpreted", lambda runtime, code: run)
    started(timers, runtime, MAP_VALUES, sk, 1 * MS)
    timers.come_to(50 * MS)
    assert found == [-EDEADLK]


def test_a_timer_that_leaves_no_time_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "MOST_CALLS", 100)
    text = ONE.replace("tick.bpf.o", "{file: tick.bpf.o, set: {period_ns: 0, most_ticks: 1000000}}")
    scenario = parse_scenario(HEAD + text, "t.yaml", DATA / "objects")
    failed = simulate(scenario).failed
    assert "tick_init" in failed
    assert "its timer ran 100 times in a row" in failed


def test_a_timer_of_an_object_that_starts_none_is_a_fault() -> None:
    runtime = runtime_of([*COUNTING])
    assert runtime.timers is None
    call = runtime.invocation(Sock(), "undo_cwnd", ())
    with pytest.raises(BpfFault, match="a timer of an object that starts none"):
        helper(172)[1](call, MAP_VALUES)


def test_the_code_that_starts_none_has_no_timers() -> None:
    assert runtime_of([I(isa.CALL_OPCODE, 0, 0, 0, 171), EXIT]).timers is not None
