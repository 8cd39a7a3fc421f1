"""Chromium without a window, by its DevTools protocol: a person who reads, points and clicks."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

# A sandbox needs privileges that a container lacks; the pages are our own.
SWITCHES = [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--remote-debugging-port=0",
]
PATIENCE = 30.0
LEFT = ("Inspected target navigated or closed", "Cannot find default execution context")


class PageLeft(Exception):
    """The page that was asked something is no longer there."""


@contextmanager
def opened(command: str, profile: Path) -> Iterator[Tab]:
    """A tab of a browser of its own."""
    process = subprocess.Popen(
        [command, *SWITCHES, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if line.startswith("DevTools listening on "):
                break
        else:
            raise AssertionError(said)
        with connect(line.split()[-1], max_size=None, proxy=None) as socket:
            yield Tab(socket)
            socket.send(json.dumps({"id": 0, "method": "Browser.close"}))
        process.wait(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


class Tab:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._session: str | None = None
        self._number = 0
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            said = json.loads(self._socket.recv(timeout=PATIENCE))
            if said.get("method") == "Log.entryAdded":
                entry = said["params"]["entry"]
                # A picture for the tab, which browsers ask for and nobody promised.
                if not entry.get("url", "").endswith("/favicon.ico"):
                    self.complaints.append(entry["text"])
            if said.get("id") == self._number:
                error = said.get("error")
                if error is not None and error["message"] in LEFT:
                    raise PageLeft(error["message"])
                assert error is None, said
                return dict(said["result"])

    def look(self, width: int, height: int, scheme: str) -> None:
        """A window of this size, for a person who prefers light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def read(self, expression: str) -> Any:
        """What an expression says in the page. The page's policy does not reach it."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until it is true."""
        deadline = time.monotonic() + PATIENCE
        while not self._says(expression):
            assert time.monotonic() < deadline, (expression, self.read("document.body?.innerText"))
            time.sleep(0.05)

    def _says(self, expression: str) -> bool:
        try:
            return bool(self.read(expression))
        except PageLeft:
            # Asked between two pages.
            return False

    def click(self, selector: str) -> None:
        """By the mouse, where the thing is."""
        quoted = json.dumps(selector)
        self.wait(f"document.querySelector({quoted}) !== null")
        place = self.read(
            f"(() => {{ const thing = document.querySelector({quoted}); thing.scrollIntoView(); "
            "const { x, y, width, height } = thing.getBoundingClientRect(); "
            "return { x: x + width / 2, y: y + height / 2 }; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def press(self, key: str, code: int, text: str = "") -> None:
        """A key of the keyboard."""
        said = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **said)
        self.call("Input.dispatchKeyEvent", type="keyUp", **said)

    def picture(self, path: Path) -> None:
        shot = self.call("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(shot["data"]))
