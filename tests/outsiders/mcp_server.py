"""`doorward dev --mcp`, and what the clients have in common that log in to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

from command import doorward

ROOT = Path(__file__).parents[2]
BROWSER = ROOT / "examples" / "scripted_browser.py"
HERE = Path(__file__).parent
ADA = "user_2doorwardAda"
SCOPES = ["me:read", "numbers:add"]


@dataclass
class Server:
    mcp: str
    authorization_server: str
    issuer: str
    #: The file with the authority to trust, with TLS.
    authority: str | None

    def register(self, redirect_uri: str, **more: object) -> str:
        """A new client's `client_id`."""
        body = json.dumps({"redirect_uris": [redirect_uri], **more}).encode()
        headers = {"content-type": "application/json"}
        request = Request(f"{self.authorization_server}/register", body, headers)
        with urlopen(request, timeout=10) as answer:
            return str(json.load(answer)["client_id"])


@contextmanager
def served(authority: Path | None = None) -> Iterator[Server]:
    """The server, on free ports; with TLS if it shall write whom to trust into a file."""
    tls = [] if authority is None else ["--tls", "--tls-ca", str(authority)]
    process = subprocess.Popen(
        [doorward(), "--json", "dev", "--mcp", "--port", "0", "--mcp-port", "0", *tls],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        names = ("mcp", "authorization_server", "issuer", "certificate_authority")
        yield Server(*(told[name] for name in names))
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


class Callback:
    """Where a client waits for the browser to come back."""

    def __init__(self) -> None:
        answers: Queue[dict[str, str]] = Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/callback":
                    answers.put({name: values[0] for name, values in parse_qs(parts.query).items()})
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(b"<title>Done</title><p>You may close this window.")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/callback"
        self._answers = answers
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, timeout: float = 30) -> dict[str, str]:
        return self._answers.get(timeout=timeout)

    def __enter__(self) -> Callback:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def environment(home: Path) -> dict[str, str]:
    """That of a program whose person is the scripted browser, and which remembers nothing."""
    # `node` is the one of the virtual environment.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HOME": str(home), "BROWSER": str(BROWSER)}


def node(*arguments: str, home: Path, **more: str) -> str:
    """What a program of Node's prints."""
    finished = subprocess.run(
        ["node", *arguments],
        cwd=HERE,
        env={**environment(home), **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout
