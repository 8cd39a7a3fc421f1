"""A Backend API that answers every operation from the table, and remembers what came."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from doorward import _doorward

TABLE: dict[str, Any] = json.loads(_doorward.clerk_table())
OPERATIONS: list[dict[str, Any]] = TABLE["operations"]


class BackendApi:
    """Listens on this machine until it is closed. `answers` take the place of what the table says:
    operation id -> status, header fields, body.
    """

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer is one packet: none waits for the acknowledgement of another.
            wbufsize = 65536

            def answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                chunked = "chunked" in self.headers.get("transfer-encoding", "")
                body = dechunked(self.rfile) if chunked else self.rfile.read(length)
                url = urlsplit(self.path)
                operation, path = routed(self.command, url.path.removeprefix("/v1"))
                api.seen.append(
                    {
                        "id": operation["id"] if operation else None,
                        "method": self.command,
                        "target": self.path,
                        "path": path,
                        "query": parse_qs(url.query, keep_blank_values=True),
                        "headers": {name.lower(): value for name, value in self.headers.items()},
                        "body": body,
                    }
                )
                status, headers, content = api.answers.get(
                    operation["id"] if operation else "", (0, {}, b"")
                )
                if status == 0:
                    status = operation["status"] if operation else 404
                    headers = {"content-type": "application/json"}
                    content = answer_of(operation) if operation else b'{"errors": []}'
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def say(self, operation: str, value: Any, status: int = 200, **headers: str) -> None:
        """Has an operation answer this JSON."""
        fields = {name.replace("_", "-"): text for name, text in headers.items()}
        body = json.dumps(value).encode()
        self.answers[operation] = (status, {"content-type": "application/json", **fields}, body)


def dechunked(file: Any) -> bytes:
    body = b""
    while size := int(file.readline().split(b";")[0], 16):
        body += file.read(size)
        file.readline()
    file.readline()
    return body


def routed(method: str, path: str) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The operation and its path parameters; a literal segment goes before a hole."""
    found: list[tuple[int, dict[str, Any], dict[str, str]]] = []
    for operation in OPERATIONS:
        names = re.findall(r"\{(\w+)\}", operation["path"])
        pattern = re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(operation["path"]))
        match = re.fullmatch(pattern, path)
        if match and operation["method"] == method:
            values = {name: unquote(text) for name, text in zip(names, match.groups(), strict=True)}
            found.append((len(names), operation, values))
    if not found:
        return None, {}
    _, operation, values = min(found, key=lambda row: row[0])
    return operation, values


def answer_of(operation: dict[str, Any]) -> bytes:
    shape = operation.get("shape", "object")
    if shape == "empty":
        return b""
    if shape == "text":
        return b"<html></html>"
    item = example(operation.get("response") or "object")
    if shape == "array":
        return json.dumps([item]).encode()
    if shape == "page":
        return json.dumps({operation.get("items") or "data": [item], "total_count": 1}).encode()
    return json.dumps(item).encode()


def example(kind: str, depth: int = 0) -> Any:
    """A value of a type of the table."""
    optional = kind.endswith("?")
    kind = kind.removesuffix("?")
    if optional and depth > 3:
        return None
    if kind.startswith("["):
        return [] if depth > 3 else [example(kind[1:-1], depth + 1)]
    if kind.startswith("{"):
        return {"key": example(kind[1:-1], depth + 1)}
    if kind.startswith("'"):
        return kind.split("|")[0].strip("'")
    if kind in TABLE["types"]:
        fields = TABLE["types"][kind]
        return {
            name.removesuffix("?"): example(of, depth + 1)
            for name, of in fields.items()
            if depth < 4 or not name.endswith("?")
        }
    return {
        "string": "a b/c+d?ü",
        "integer": 3,
        "number": 1.5,
        "boolean": False,
        "time": 1_772_000_000_123,
        "object": {"deep": {"er": [1, None]}},
        "any": [1],
        "file": b"\x89PNG",
    }[kind]
