"""The verb ``explore``: a local page to turn a scenario's knobs and see what happens."""

from __future__ import annotations

import argparse
import secrets
import socket
import webbrowser
from pathlib import Path
from typing import Any

from ccsim.cli.arguments import add_verb, port
from ccsim.errors import CcsimError

__all__ = ["add_parser"]

INSTALL = "pip install 'ccsim[explore]'"
LOOPBACK = "127.0.0.1"


def add_parser(verbs: Any) -> None:
    """Add ``explore``."""
    text = "open a local page: turn a scenario's knobs and look at what its swaps cost"
    parser = add_verb(verbs, "explore", text, _explore)
    parser.add_argument(
        "scenario", nargs="?", default="cubic_to_bbr", help="a file, or a shipped scenario's name"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for ccsim run")
    parser.add_argument("--port", type=port, default=0, help="of 127.0.0.1; default: a free one")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--out", default="results", metavar="DIR", help="where runs are kept; default: results"
    )


def _explore(args: argparse.Namespace) -> int:
    from ccsim.catalog import find_scenario
    from ccsim.explore.session import Session
    from ccsim.scenario import load_scenario

    try:
        import uvicorn

        from ccsim.explore.server import application
    except ModuleNotFoundError as error:
        raise CcsimError(f"explore: needs {error.name}: {INSTALL}") from error
    load_scenario(args.scenario, args.overrides)  # says at once what is wrong with it
    session = Session(find_scenario(args.scenario), args.overrides, Path(args.out))
    listener = _listen(args.port)
    number = listener.getsockname()[1]
    token = secrets.token_urlsafe(18)
    hosts = frozenset({f"{LOOPBACK}:{number}", f"localhost:{number}"})
    address = f"http://{LOOPBACK}:{number}/?token={token}"
    print(f"explore     {address}\n            Ctrl-C ends it", flush=True)
    if not args.no_browser:
        webbrowser.open(address)
    app = application(session, token, hosts)
    config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none")
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(number: int) -> socket.socket:
    """Return a socket of the loopback interface that listens; CcsimError if the port is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, number))
    except OSError as error:
        listener.close()
        told = f"explore: {LOOPBACK}:{number}: {error.strerror or error}; --port names another"
        raise CcsimError(told) from error
    listener.listen()
    return listener
