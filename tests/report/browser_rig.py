"""A headless Chromium driven over its own pipe (Chrome DevTools Protocol), with no more than the
standard library: messages are JSON, a NUL between them.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

__all__ = ["Browser", "Page", "chromium"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"),
    *("--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--mute-audio"),
    # anything a page asks of the network fails, and is seen to
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)
PATIENCE_S = 60.0


def chromium() -> str:
    """Return the path of a Chromium or Chrome; skip the test where there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH")


class Browser:
    """One headless browser; `open` gives pages. Leaving ``with`` ends it."""

    def __init__(self, profile: Path) -> None:
        theirs_in, ours_out = (_high(fd) for fd in os.pipe())
        ours_in, theirs_out = (_high(fd) for fd in os.pipe())
        argv = [chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(theirs_in), str(theirs_out), *argv],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.reader, self.writer = ours_in, ours_out
        self.buffer = b""
        self.number = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.send("Browser.close")
        except (OSError, RuntimeError):
            self.process.kill()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.reader)
        os.close(self.writer)

    def send(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Send a command and return its result; RuntimeError if the browser refuses it."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        for answer in self._messages():
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)
        raise RuntimeError(f"{method}: no answer")

    def _messages(self) -> Iterator[dict[str, Any]]:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            head, nul, rest = self.buffer.partition(b"\0")
            if nul:
                self.buffer = rest
                yield json.loads(head)
                continue
            if select.select([self.reader], [], [], 1.0)[0]:
                data = os.read(self.reader, 1 << 16)
                if not data:
                    return
                self.buffer += data

    def open(self, file: Path | str, width: int = 1100, height: int = 900, **media: str) -> Page:
        """Open a file from disk, or an address; ``media`` are features such as
        ``prefers_color_scheme``."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        page.send("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": k.replace("_", "-"), "value": v} for k, v in media.items()]
        page.send("Emulation.setEmulatedMedia", features=features)
        page.send("Page.navigate", url=file if isinstance(file, str) else file.resolve().as_uri())
        page.settle()
        return page


def _high(fd: int) -> int:
    """Return the same end of a pipe under a number that no duplicate to 3 or 4 closes."""
    high = fcntl.fcntl(fd, fcntl.F_DUPFD, 20)
    os.close(fd)
    return high


class Page:
    """A page in the browser."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self.session = session

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.send(method, self.session, **params)

    def run(self, script: str) -> Any:
        """Return the value of an expression; AssertionError with what it threw."""
        found = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def settle(self) -> None:
        """Wait until the page has loaded and drawn."""
        until = time.monotonic() + PATIENCE_S
        while self.run("document.readyState") != "complete" and time.monotonic() < until:
            time.sleep(0.02)
        self.drawn()

    def drawn(self) -> None:
        """Wait for two frames: what was asked for before them has been drawn."""
        self.run("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")

    def trouble(self, own: str = "file:") -> list[str]:
        """Return what the console complained about, thrown errors, and every request for more than
        files of this disk (or of its ``own`` server) and data within the page."""
        self.drawn()
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            params, method = event.get("params", {}), event["method"]
            if method == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
                found.append(str(params["args"]))
            if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(params["entry"]["text"])
            if method == "Network.requestWillBeSent":
                url = params["request"]["url"]
                if not url.startswith((own, "data:", "blob:")):
                    found.append(f"request: {url}")
        return found

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)
        self.drawn()

    def drag(self, x0: float, x1: float, y: float, modifiers: int = 0) -> None:
        """Press at ``x0``, move to ``x1`` and let go; modifiers: 2 Ctrl, 8 Shift."""
        held = {"button": "left", "buttons": 1, "clickCount": 1, "modifiers": modifiers}
        self.mouse("mouseMoved", x0, y)
        self.mouse("mousePressed", x0, y, **held)
        self.mouse("mouseMoved", (x0 + x1) / 2, y, **held)
        self.mouse("mouseMoved", x1, y, **held)
        self.mouse("mouseReleased", x1, y, **held)

    def press(self, key: str, **more: Any) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.drawn()

    def screenshot(self, file: Path, whole: bool = True) -> Path:
        """Write a PNG of the page, or of what is in view."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))
        return file
