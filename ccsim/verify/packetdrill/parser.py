"""The grammar of packetdrill scripts, as its documentation gives it: from words to events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ccsim.verify.packetdrill.errors import PktError, Place
from ccsim.verify.packetdrill.expressions import call
from ccsim.verify.packetdrill.lexer import Token, tokens
from ccsim.verify.packetdrill.packets import packet
from ccsim.verify.packetdrill.script import Action, Code, Command, Event, Packet, Script, When
from ccsim.verify.packetdrill.words import Words

__all__ = ["inbound_data", "parse_script"]

US_PER_S = 1_000_000
DELIMITER = 2  # characters of `%{`
# What the collections' runner defines for IPv4.
GIVEN = {
    "TFO_COOKIE": "3021b9d889017eeb",
    "TFO_COOKIE_ZERO": "b7c12350a90dc8f5",
    "CODE": "host_unreachable",
    "CMSG_LEVEL_IP": "SOL_IP",
    "CMSG_TYPE_RECVERR": "IP_RECVERR",
}


def parse_script(text: str, file: str) -> Script:
    """Parse a script; PktError if it is none, CannotExpress for a packet of a kind that is not
    modelled."""
    words = Words(list(_with_values(tokens(text, file), file)))
    script = Script(file)
    while words.now.kind == "option":
        _option(script, words.next())
    if words.now.kind == "command":
        script.setup.append(_command(words.next()))
    while words.now.kind != "end":
        if words.now.kind == "command":
            _last_command(script, words)
        else:
            script.events.append(_event(words))
    script.events[:] = _numbered(script.events)
    if not script.events:
        raise PktError(words.now.place, "expected an event, got the end of the script")
    first = script.events[0]
    if first.when.kind != "any" and first.when.start_us:
        raise PktError(_place(first.action), "expected the first event at time 0")
    return script


def _with_values(words: Iterator[Token], file: str) -> Iterator[Token]:
    """Put in what ``--define=NAME=value`` says for NAME, or the common ones of the collections."""
    known = {name: next(tokens(value, file)) for name, value in GIVEN.items()}
    for word in words:
        name, _, value = word.text.removeprefix("--define=").partition("=")
        if word.kind == "option" and word.text.startswith("--define=") and value:
            known[name] = next(tokens(value, file))
        elif word.kind == "word" and word.text in known:
            meant = known[word.text]
            yield Token(meant.kind, meant.text, word.place, word.glued)
        else:
            yield word


def _option(script: Script, word: Token) -> None:
    name, _, value = word.text.removeprefix("--").partition("=")
    script.options[name] = value.strip('"'), word.place


def _command(word: Token) -> Command:
    return Command(word.place, word.text[1:-1])


def _last_command(script: Script, words: Words) -> None:
    """Take the command that cleans up: nothing is left to be cleaned."""
    word = words.next()
    if words.now.kind != "end":
        raise PktError(word.place, "expected a time such as '+0' before a command")


def _event(words: Words) -> Event:
    when = _when(words)
    return Event(when, _action(words))


def _when(words: Words) -> When:
    if words.take("*"):
        return When("any")
    relative = words.take("+")
    start = _time(words)
    end = start
    if words.take("~"):
        if relative:
            words.expect("+")
        end = _time(words)
    return When("relative" if relative else "absolute", start, end)


def _time(words: Words) -> int:
    word = words.next()
    if word.kind not in ("integer", "float"):
        raise PktError(word.place, f"expected a time [s], got {word.text!r}")
    try:
        microseconds = round(float(word.text) * US_PER_S)
    except OverflowError:
        microseconds = -1
    if not 0 <= microseconds < 1 << 50:
        raise PktError(word.place, f"expected a time from 0 s on, got {word.text!r}")
    return microseconds


def _action(words: Words) -> Action:
    word = words.now
    if word.kind == "command":
        return _command(words.next())
    if word.kind == "code":
        words.next()
        return Code(word.place, word.text[DELIMITER:-DELIMITER])
    if word.text in ("<", ">"):
        return packet(words)
    end_us = _time(words) if words.take("...") else None
    if words.now.kind != "word":
        raise PktError(
            words.now.place,
            f"expected a packet, a system call, a command or code, got {words.now.text!r}",
        )
    return call(words, end_us)


def _place(action: Action) -> Place:
    return action.place


def _numbered(events: list[Event]) -> Iterator[Event]:
    """Number each side's SYN 0; scripts may begin with other numbers and count from there."""
    begins = {True: 0, False: 0}  # the number of the last SYN of the peer, of this host
    for event in events:
        packet = event.action
        if not isinstance(packet, Packet) or "S" not in packet.segment.flags:
            yield event
            continue
        segment, inbound = packet.segment, packet.inbound
        begins[inbound] = segment.seq
        ack = segment.ack - begins[not inbound] if "." in segment.flags else 0
        segment = replace(segment, seq=0, ack=ack)
        yield replace(event, action=replace(packet, segment=segment))


def inbound_data(script: Script) -> list[tuple[int, int]]:
    """Return the ranges of sequence numbers that a script injects, a FIN being one."""
    found = []
    for event in script.events:
        packet = event.action
        if isinstance(packet, Packet) and packet.inbound:
            start = packet.segment.seq + ("S" in packet.segment.flags)
            end = start + packet.segment.length + ("F" in packet.segment.flags)
            if end > start:
                found.append((start, end))
    return found
