"""The example behind real servers: what they make of a request before Django sees it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import PARTY

from doorward.testing import DevIssuer

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Seconds; a server that takes longer has a fault of its own.
LONGEST = 30

#: What listens on the socket of number `{fd}`, which is open before the server runs.
SERVERS = {
    "gunicorn": ["gunicorn", "-k", "gthread", "--threads", "4", "-b", "fd://{fd}", "{wsgi}"],
    "gunicorn_preloaded": [
        *("gunicorn", "-k", "gthread", "--threads", "4", "-w", "2", "--preload"),
        *("-b", "fd://{fd}", "{wsgi}"),
    ],
    "uvicorn": ["uvicorn", "--fd", "{fd}", "--lifespan", "off", "{asgi}"],
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[DevIssuer]:
    with DevIssuer() as issuer:
        yield issuer


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, issuer: DevIssuer) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    names = {
        "fd": listener.fileno(),
        "wsgi": "django_app:wsgi_application",
        "asgi": "django_app:application",
    }
    command = [word.format(**names) for word in SERVERS[request.param]]
    environ = {
        **os.environ,
        "PYTHONPATH": str(EXAMPLES),
        "DOORWARD_PRESET": "clerk",
        "DOORWARD_ISSUER": issuer.issuer,
        "DOORWARD_JWKS_URL": issuer.jwks_url,
        "DOORWARD_AUTHORIZED_PARTIES": PARTY,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=environ,
        pass_fds=[listener.fileno()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield request.param.partition("_")[0], listener.getsockname()[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LONGEST)
        listener.close()


def ask(
    port: int, path: str, *fields: tuple[str, str], method: str = "GET"
) -> tuple[int, dict[str, str], Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
    try:
        connection.putrequest(method, path)
        for name, value in fields:
            connection.putheader(name, value.encode())
        connection.endheaders()
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, json.loads(answer.read())
    finally:
        connection.close()


def test_a_caller(server: tuple[str, int], issuer: DevIssuer) -> None:
    field = ("Authorization", f"Bearer {issuer.mint(sub='ada')}")
    for _ in range(3):
        status, headers, body = ask(server[1], "/me", field)
        assert (status, body["user_id"]) == (200, "ada")
        assert headers["vary"] == "Authorization, Cookie"
    status, _, body = ask(server[1], "/posts/7", field, method="DELETE")
    assert (status, body) == (403, {"detail": "permission_required"})


def test_a_stranger(server: tuple[str, int], issuer: DevIssuer) -> None:
    status, headers, body = ask(server[1], "/me")
    assert (status, body) == (401, {"detail": "credentials_missing"})
    assert headers["www-authenticate"] == "Bearer"
    assert headers["cache-control"] == "no-store"
    assert headers["content-type"] == "application/json"
    expired = ("Authorization", f"Bearer {issuer.mint.expired()}")
    status, headers, body = ask(server[1], "/posts/7", expired, method="DELETE")
    assert (status, body) == (401, {"detail": "token_expired"})


def test_text_that_is_not_ascii(server: tuple[str, int], issuer: DevIssuer) -> None:
    status, _, body = ask(server[1], "/me", ("Authorization", f"Bearer {issuer.mint()}é"))
    assert (status, body) == (400, {"detail": "authorization_malformed"})
    cookies = ("Cookie", f"é=é; __session={issuer.mint(sub='ada')}")
    assert ask(server[1], "/me", cookies)[2]["user_id"] == "ada"


def test_repeated_fields(server: tuple[str, int], issuer: DevIssuer) -> None:
    """WSGI servers join them with a comma, so these answers are what their doors can say. Nobody is
    let in by any of them.
    """
    kind, port = server
    good = ("Authorization", f"Bearer {issuer.mint()}")
    basic = ("Authorization", "Basic dXNlcjpwYXNz")
    for path in ("/me", "/public"):
        status, _, body = ask(port, path, good, good)
        code = "multiple_credentials" if kind == "uvicorn" else "authorization_malformed"
        assert (status, body) == (400, {"detail": code})
    status, _, body = ask(port, "/me", basic, good)
    if kind == "uvicorn":
        assert (status, body) == (400, {"detail": "multiple_credentials"})
    else:
        assert (status, body) == (401, {"detail": "credentials_missing"})
    status, _, body = ask(port, "/me", good, basic)
    assert status == 400
