"""The webhook examples are programs, and they run; over real sockets, hostile clients included."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from webhook_table import SECRET

from doorward.webhooks import sign

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module", params=["fastapi", "flask", "django"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    command = [sys.executable, str(EXAMPLES / f"{request.param}_webhook_app.py"), "--port", "0"]
    environ = {**os.environ, "CLERK_WEBHOOK_SIGNING_SECRET": SECRET}
    server = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    try:
        yield urlsplit(json.loads(server.stdout.readline())["url"]).port or 0
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()


def post(port: int, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/webhooks/clerk", body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def event(name: str, **data: Any) -> bytes:
    return json.dumps({"type": name, "data": {"id": "user_1", **data}}).encode()


def headers(body: bytes, id: str = "msg_1") -> dict[str, str]:
    return {"Content-Type": "application/json", **sign(SECRET, id, time.time(), body)}


def test_the_walk(port: int) -> None:
    created = event("user.created", first_name="Zoë")
    assert post(port, created, headers(created)) == (200, {"id": "msg_1", "users": 1})
    again = headers(created, "msg_2")
    assert post(port, created, again) == (200, {"id": "msg_2", "users": 1})
    other = event("brand.new")
    assert post(port, other, headers(other)) == (200, {"id": "msg_1", "users": 1})
    deleted = event("user.deleted")
    assert post(port, deleted, headers(deleted)) == (200, {"id": "msg_1", "users": 0})

    assert post(port, created, {}) == (400, {"detail": "headers_missing"})
    forged = {**headers(created), "webhook-id": "msg_9"}
    assert post(port, created, forged) == (400, {"detail": "signature_mismatch"})
    stale = sign(SECRET, "msg_1", time.time() - 400, created)
    assert post(port, created, stale) == (400, {"detail": "timestamp_too_old"})
    assert post(port, b"[]", headers(b"[]")) == (400, {"detail": "payload_malformed"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-signature", b"v1"),
        ("webhook-signature", b"v1,\xff\xfe"),
        ("webhook-signature", b"v1,AAAA " * 1000),
        ("webhook-timestamp", b"9" * 40),
        ("webhook-id", b"\xe9"),
        ("svix-id", b"other"),
    ],
)
def test_no_header_makes_a_500(port: int, name: str, value: bytes) -> None:
    body = event("user.created")
    fields = {key: text.encode() for key, text in headers(body).items()} | {name: value}
    lines = [b"%s: %s\r\n" % (key.encode(), text) for key, text in fields.items()]
    head = b"POST /webhooks/clerk HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    assert raw(port, head + b"".join(lines) + length + body) in (400, 431)


def test_a_body_without_an_announced_end_is_read_to_the_limit(port: int) -> None:
    body = event("user.created")
    lines = "".join(f"{key}: {text}\r\n" for key, text in headers(body).items())
    head = (
        "POST /webhooks/clerk HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"{lines}Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    # Werkzeug's own server knows no chunked bodies, and hands over an empty one.
    assert raw(port, head.encode() + chunk * 40 + b"0\r\n\r\n") in (413, 400)


def raw(port: int, request: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        # It may have answered before it was told everything.
        with contextlib.suppress(OSError):
            connection.sendall(request)
        return int(connection.makefile("rb").readline().split()[1])


def test_without_a_secret_it_does_not_start() -> None:
    for name in ("fastapi", "flask", "django"):
        environ = {key: value for key, value in os.environ.items() if "WEBHOOK" not in key}
        command = [sys.executable, str(EXAMPLES / f"{name}_webhook_app.py"), "--port", "0"]
        ended = subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode != 0
        assert "CLERK_WEBHOOK_SIGNING_SECRET: is not set" in ended.stderr
