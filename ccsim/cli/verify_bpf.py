"""The verb ``ccsim verify bpf``: recorded calls of real objects against each form of execution."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from ccsim.bpf.replay import Replayed
    from ccsim.bpf.runtime import Runtime

__all__ = ["add_parser"]

DIFFERENT = 1
BESIDE = (".", "objects", "../objects")
"""Where the objects of a recording are looked for, from its folder."""


def add_parser(subjects: Any) -> None:
    """Add the subject ``bpf`` to the verb ``verify``."""
    parser = subjects.add_parser(
        "bpf",
        help="replay recorded calls of compiled congestion controls",
        description="Replay every recorded call of real BPF objects in each form of execution, and "
        "compare all that a call may have changed. Objects are found by the names and SHA-256 that "
        "a recording bears: beside it, in objects/ or in ../objects/.",
    )
    parser.add_argument("paths", metavar="RECORDING", nargs="+", help="recordings, or folders")
    parser.add_argument("--objects", metavar="FOLDER", help="where the objects are")
    parser.add_argument("--form", metavar="FORM", help="only this one: interpreter, python, …")
    parser.set_defaults(func=verify_bpf_verb)


def verify_bpf_verb(args: argparse.Namespace) -> int:
    """Replay recordings; 1 if any call differs."""
    from ccsim.bpf.recording import recordings_in
    from ccsim.bpf.runtime import FORMS
    from ccsim.errors import CcsimError

    if args.form is not None and args.form not in FORMS:
        raise CcsimError(f"--form: expected one of {', '.join(FORMS)}, got {args.form!r}")
    differences = calls = 0
    for path in recordings_in(args.paths):
        for form in (args.form,) if args.form else FORMS:
            result = _replayed(path, form, args.objects)
            differences += result.differences
            calls += result.calls
            print(f"{path}: {form}: {result.calls} calls, {result.differences} differences")
            if result.first is not None:
                print(f"  {result.first}")
                print(f"  {json.dumps(result.first.line, ensure_ascii=False)}")
    print(f"{calls} calls replayed, {differences} differences")
    return DIFFERENT if differences else 0


def _replayed(path: Path, form: str, objects: str | None) -> Replayed:
    from ccsim.bpf.replay import replay_recording

    return replay_recording(path, lambda header: _runtimes(path, header, objects), form)


def _runtimes(path: Path, header: dict[str, Any], folder: str | None) -> dict[str, Runtime]:
    """Load a recording's objects, by their files' names, for the kernel that it was made on."""
    from ccsim.bpf.kernel_btf import Target
    from ccsim.bpf.live import loaded_object
    from ccsim.bpf.runtime import Runtime

    target = Target(hz=header["HZ"])
    found = {}
    for entry in header["objects"]:
        content = _content(path, entry["file"], entry["sha256"], folder)
        found[entry["file"]] = Runtime(loaded_object(content, entry["file"], target=target))
    return found


def _content(path: Path, name: str, sha256: str, folder: str | None) -> bytes:
    """Return the object that a recording was made with; BpfRecordingError if it is not there."""
    import hashlib
    from pathlib import Path

    from ccsim.bpf.recording import BpfRecordingError

    if Path(name).name != name:
        raise BpfRecordingError(f"{path}: objects: expected a file's name, got {name!r}")
    places = [Path(folder)] if folder else [path.parent / place for place in BESIDE]
    for place in places:
        file = place / name
        if file.is_file():
            content = file.read_bytes()
            if hashlib.sha256(content).hexdigest() == sha256:
                return content
    where = ", ".join(str(place) for place in places)
    raise BpfRecordingError(
        f"{path}: expected the object {name} with SHA-256 {sha256[:16]}… in {where}, found none; "
        "hint: --objects FOLDER"
    )
