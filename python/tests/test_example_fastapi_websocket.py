"""The websocket example is a program, and it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import bearer
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from doorward.testing import DevIssuer

EXAMPLE = Path(__file__).parents[1] / "examples" / "fastapi_websocket_app.py"
PARTY = "http://localhost:3000"


@pytest.fixture(scope="module")
def issuer() -> Iterator[DevIssuer]:
    with DevIssuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def url(issuer: DevIssuer) -> Iterator[str]:
    environ = {
        **os.environ,
        "DOORWARD_PRESET": "clerk",
        "DOORWARD_ISSUER": issuer.issuer,
        "DOORWARD_JWKS_URL": issuer.jwks_url,
        "DOORWARD_AUTHORIZED_PARTIES": PARTY,
        "DOORWARD_LEEWAY": "0",
    }
    command = [sys.executable, str(EXAMPLE), "--port", "0"]
    server = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield json.loads(server.stdout.readline())["url"].replace("http", "ws", 1)
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()


def heard(connection: ClientConnection) -> Any:
    return json.loads(connection.recv(timeout=20))


def test_a_browser(issuer: DevIssuer, url: str) -> None:
    """Token as a sub-protocol; a fresh one before its time is up; the end."""

    def token() -> str:
        return issuer.mint(azp=PARTY, sub="user_1", ttl=3)

    offered = [Subprotocol("echo"), Subprotocol(f"bearer.{token()}")]
    with connect(f"{url}/echo", subprotocols=offered, origin=Origin(PARTY), proxy=None) as session:
        assert session.subprotocol == "echo"
        assert heard(session) == {"hello": "user_1"}
        session.send(json.dumps([1, 2]))
        assert heard(session) == {"echo": [1, 2]}
        session.send(json.dumps({"token": token()}))
        assert heard(session)["until"] > time.time()
        with pytest.raises(ConnectionClosed) as closed:
            session.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "token_expired")


def test_a_cookie_from_another_page(issuer: DevIssuer, url: str) -> None:
    cookie = {"Cookie": f"__session={issuer.mint(azp=PARTY, sub='user_1')}"}
    with connect(
        f"{url}/echo", additional_headers=cookie, origin=Origin(PARTY), proxy=None
    ) as session:
        assert heard(session) == {"hello": "user_1"}
    evil = Origin("https://evil.example")
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{url}/echo", additional_headers=cookie, origin=evil, proxy=None)
    assert refused.value.response.status_code == 401


def test_admins_only(issuer: DevIssuer, url: str) -> None:
    member = {"id": "org_1", "slug": "acme", "role": "member"}
    headers = bearer(issuer.mint(azp=PARTY, sub="user_1", org=member))
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{url}/admin", additional_headers=headers, proxy=None)
    assert refused.value.response.status_code == 403
    assert refused.value.response.body == b'{"detail":"role_required"}'
    headers = bearer(issuer.mint(azp=PARTY, sub="user_2", org={**member, "role": "admin"}))
    with connect(f"{url}/admin", additional_headers=headers, proxy=None) as session:
        assert heard(session) == {"admin": "user_2"}
