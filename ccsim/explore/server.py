"""The server of the page: this machine's loopback alone, and nobody without the token.

A page of another site may send requests here, too, from the same browser: so the token is asked
for, and `Host` and `Origin` must be the server's own (DNS rebinding; RFC 6454, section 7).
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ccsim.errors import CcsimError
from ccsim.explore.session import FORMATS, Session
from ccsim.explore.state import State
from ccsim.report.page import asset_text, colours

__all__ = ["application"]

MAX_BODY = 512 * 1024
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SCRIPTS = ("scale.js", "charts.js", "tools.js", "gestures.js", "tables.js")
STYLES = ("page.css", "charts.css")
Next = Callable[[Request], Awaitable[Response]]


def application(session: Session, token: str, hosts: frozenset[str]) -> Starlette:
    """Return the ASGI application; ``hosts`` are the values of `Host` that are its own."""

    async def guard(request: Request, call_next: Next) -> Response:
        refused = _refusal(request, token, hosts)
        response = PlainTextResponse(refused, 403) if refused else await call_next(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    routes = [
        Route("/", _page),
        Route("/explore.js", _script),
        Route("/explore.css", _style),
        Route("/study", _study(session)),
        *(
            Route(f"/{name}", _answer(act), methods=["POST"])
            for name, act in _actions(session).items()
        ),
    ]
    return Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)])


def _refusal(request: Request, token: str, hosts: frozenset[str]) -> str:
    """Return why a request is not answered; empty if it is."""
    host = request.headers.get("host", "")
    if host not in hosts:
        return f"Host: expected {' or '.join(sorted(hosts))}, got {host!r}"
    if request.url.path in ("/explore.js", "/explore.css"):
        return ""
    origin = request.headers.get("origin", f"http://{host}")
    if origin != f"http://{host}":
        return f"Origin: expected http://{host}, got {origin!r}"
    given = request.headers.get("x-token") or request.query_params.get("token", "")
    if request.method == "POST":
        given = request.headers.get("x-token", "")  # which no form of another site can set
    if not hmac.compare_digest(given.encode(), token.encode()):
        return "token: expected the one in the address that ccsim explore printed"
    return ""


def _actions(session: Session) -> dict[str, Callable[[dict[str, Any]], Any]]:
    first = session.first
    return {
        "start": lambda body: {"text": first.text, "set": dict(first.overrides)},
        "simulate": lambda body: session.simulate(_state(body)),
        "keep": lambda body: {"folder": session.keep(_state(body)), "runs": session.stored()},
        "runs": lambda body: {"runs": session.stored()},
        "open": lambda body: session.open(str(body.get("name"))),
        "figure": lambda body: _figure(session, body),
    }


def _study(session: Session) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a study's report, which brings a policy of its own."""

    async def endpoint(request: Request) -> Response:
        try:
            text = await run_in_threadpool(session.study, request.query_params.get("name", ""))
        except CcsimError as error:
            return PlainTextResponse(str(error), 404)
        own = {"Content-Security-Policy": "frame-ancestors 'none'"}
        return Response(text, media_type="text/html", headers=own)

    return endpoint


def _figure(session: Session, body: dict[str, Any]) -> Response:
    kind = str(body.get("format", "png"))
    image = session.figure(_state(body), kind)
    return Response(image, media_type=FORMATS[kind])


def _state(body: dict[str, Any]) -> State:
    text, overrides = body.get("text"), body.get("set", {})
    if not isinstance(text, str) or not isinstance(overrides, dict):
        raise ValueError("expected 'text', a string, and 'set', a mapping of keys to values")
    pairs = tuple((str(key), str(value)) for key, value in overrides.items())
    return State(text, pairs)


def _answer(act: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of an action on a JSON body: wrong input is 422 with its lines."""

    async def endpoint(request: Request) -> Response:
        try:
            body = json.loads(await _body(request))
            if not isinstance(body, dict):
                raise ValueError("expected a JSON object")
            answer = await run_in_threadpool(act, body)
        except (CcsimError, ValueError, RecursionError) as error:
            return JSONResponse({"problems": str(error).splitlines() or ["too deep"]}, 422)
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    return endpoint


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise ValueError(f"expected at most {MAX_BODY // 1024} KiB")
    return body


@cache
def _own(name: str) -> str:
    return (files("ccsim.explore") / "assets" / name).read_text(encoding="utf-8")


async def _page(request: Request) -> Response:
    return Response(_own("explore.html"), media_type="text/html")


async def _script(request: Request) -> Response:
    text = f"{asset_text(*SCRIPTS)}\n{_own('explore.js')}"
    return Response(text, media_type="text/javascript")


async def _style(request: Request) -> Response:
    text = f"{colours()}{asset_text(*STYLES)}\n{_own('explore.css')}"
    return Response(text, media_type="text/css")
