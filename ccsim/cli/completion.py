"""The verb ``completion``: what bash, zsh and fish ask for the words that may come next.

The script of a shell calls ``ccsim completion words -- WORD…``, whose last word is the one that is
being typed. The answers come from the parser itself and from what is stored.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "candidates"]

SHELLS = ("bash", "zsh", "fish")
WORDS = "words"
_BASH = """\
# bash completion for ccsim; source it, or write it to
# ~/.local/share/bash-completion/completions/ccsim
_ccsim() {
    local IFS=$'\\n'
    COMPREPLY=($("$1" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
    if [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *[=/] ]]; then compopt -o nospace; fi
}
complete -o bashdefault -o default -F _ccsim ccsim
"""
_ZSH = """\
#compdef ccsim
# zsh completion for ccsim; write it to a file _ccsim in a folder of $fpath, or source it
_ccsim() {
    local -a found open described
    local line
    found=("${(@f)$("$words[1]" completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${(@)found}"; do
        [[ -z $line ]] && continue
        if [[ ${line%%$'\\t'*} == *[=/] ]]; then open+=("${line%%$'\\t'*}")
        else described+=("${line//$'\\t'/:}"); fi
    done
    (( ${#open} + ${#described} )) || { _files; return; }
    (( ${#open} )) && compadd -S '' -a open
    (( ${#described} )) && _describe ccsim described
}
(( $+functions[compdef] )) && compdef _ccsim ccsim
"""
_FISH = """\
# fish completion for ccsim; write it to ~/.config/fish/completions/ccsim.fish
function __ccsim_words
    set -l words (commandline -opc) (commandline -ct)
    $words[1] completion words -- $words[2..-1] 2>/dev/null
end
complete -c ccsim -a '(__ccsim_words)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
Found = Iterator[tuple[str, str]]
"""Words and what they mean, which may be empty."""


def add_parser(verbs: Any) -> None:
    """Add ``completion`` to the command line's verbs."""
    parser = verbs.add_parser(
        "completion",
        help="print the completion script of a shell: bash, zsh or fish",
        description="Print a script that completes verbs, options, scenarios, studies and stored "
        'runs. For bash put `eval "$(ccsim completion bash)"` into ~/.bashrc; the first lines '
        "of each script say where else it may go.",
        epilog='example: eval "$(ccsim completion bash)"',
    )
    parser.add_argument(
        "shell", metavar="SHELL", choices=(*SHELLS, WORDS), help="bash, zsh or fish"
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(func=_completion)


def _completion(args: argparse.Namespace) -> int:
    """Print a script, or words with what they mean after a tab."""
    if args.shell != WORDS:
        print(_SCRIPTS[args.shell], end="")
        return 0
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    for word, meaning in candidates(words or [""]):
        print(f"{word}\t{meaning}" if meaning else word)
    return 0


def candidates(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return what may stand instead of the last word, each with what it means; none where only
    the shell knows, as of files."""
    *before, word = words
    found = dict(_known(before, word))
    return sorted((text, meaning) for text, meaning in found.items() if text.startswith(word))


def _known(before: list[str], word: str) -> Found:
    from ccsim.cli.parser import VERBS, build_parser

    verb = before[0] if before else ""
    if verb and verb not in VERBS:
        return
    parser: argparse.ArgumentParser = build_parser(verb)
    wanted: argparse.Action | None = None  # the option whose value comes next
    places = _positionals(parser)
    for text in before:
        options = {name: action for action in parser._actions for name in action.option_strings}
        if wanted is not None:
            wanted = None
        elif text in options:
            wanted = options[text] if options[text].nargs != 0 else None
        elif not text.startswith("-") and places:
            chosen = _subparser(places[0], text)
            parser = chosen or parser
            places = _positionals(chosen) if chosen else _after(places)
    if wanted is not None:
        yield from _values(wanted, before)
    elif word.startswith("-"):
        for action in parser._actions:
            yield from ((name, _meaning(action)) for name in action.option_strings)
    elif places:
        yield from _values(places[0], before)


def _positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if not action.option_strings]


def _after(places: list[argparse.Action]) -> list[argparse.Action]:
    """Return which arguments may come after one of the first's."""
    return places if places[0].nargs in ("*", "+") else places[1:]


def _subparser(action: argparse.Action, text: str) -> argparse.ArgumentParser | None:
    choices = action.choices if isinstance(action.choices, dict) else {}
    found = choices.get(text)
    return found if isinstance(found, argparse.ArgumentParser) else None


def _meaning(action: argparse.Action) -> str:
    return "" if action.help in (None, argparse.SUPPRESS) else str(action.help).split("; ")[0]


def _values(action: argparse.Action, before: list[str]) -> Found:
    """Yield what an argument or option may be."""
    if action.choices is not None:
        helped = {one.dest: one.help for one in getattr(action, "_choices_actions", [])}
        for choice in action.choices:
            if choice != WORDS:
                yield str(choice), str(helped.get(choice) or "")
        return
    for kind in str(action.metavar or action.dest).split("|"):
        source = _SOURCES.get((before[0], kind)) or _SOURCES.get(("", kind))
        if source is not None:
            yield from source(before)


def _scenarios(before: list[str]) -> Found:
    from ccsim.catalog import scenario_files, summary

    yield from ((name, summary(path)) for name, path in scenario_files().items())
    yield from _yaml_files()


def _yaml_files() -> Found:
    with suppress(OSError):
        yield from ((path.name, "") for path in Path().glob("*.yaml"))


def _studies(before: list[str]) -> Found:
    from ccsim.catalog import study_files, summary

    yield from ((name, summary(path)) for name, path in study_files().items())
    yield from _yaml_files()


def _algorithms(before: list[str]) -> Found:
    from ccsim.catalog import algorithm_files, summary

    yield from ((name, summary(path)) for name, path in algorithm_files().items())


def _names(before: list[str]) -> Found:
    """Yield the names of stored scenarios and studies."""
    results = _results(before)
    with suppress(OSError):
        for path in results.glob("*/manifest.json"):
            yield path.parent.name, "study"
        for path in results.glob("*/*/manifest.json"):
            yield path.parent.parent.name, "the newest of its runs"


def _stored(before: list[str]) -> Found:
    """Yield what a stored result may be called: names, and run ids."""
    yield from _names(before)
    with suppress(OSError):
        for path in _results(before).glob("*/*/manifest.json"):
            if path.parent.name[0] != ".":
                yield path.parent.name, f"run of {path.parent.parent.name}"


def _results(before: list[str]) -> Path:
    given = [value for option, value in pairwise(before) if option == "--results"]
    return Path(given[-1] if given else "results")


def _overrides(before: list[str]) -> Found:
    """Yield the keys of the scenario that stands before, as overrides begin."""
    from ccsim.catalog import find_scenario
    from ccsim.scenario.load import read_document

    given = next((word for word in before[1:] if not word.startswith("-")), "")
    with suppress(Exception):
        data = read_document(find_scenario(given), given).data
        yield from ((f"{key}=", value) for key, value in _flat(data, "") if key != "name")


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in entries:
        place = f"{key}.{name}" if key else str(name)
        if isinstance(inner, dict) or (isinstance(inner, list) and isinstance(inner[0], dict)):
            yield from _flat(inner, place)
        else:
            yield place, inner if isinstance(inner, str) else json.dumps(inner)


_SOURCES: dict[tuple[str, str], Callable[[list[str]], Found]] = {
    ("", "SCENARIO"): _scenarios,
    ("", "key=value"): _overrides,
    ("", "RUN"): _stored,
    ("", "STUDY"): _stored,
    ("", "A"): _stored,
    ("", "B"): _stored,
    ("sweep", "STUDY"): _studies,
    ("ls", "NAME"): _names,
    ("gallery", "NAME"): _algorithms,
    ("verify", "NAME"): _algorithms,
}
"""Where values come from, by verb and metavar."""
