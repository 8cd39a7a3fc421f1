"""The Django example is a program, and it runs."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support import PARTY, bearer

from doorward.testing import DevIssuer

EXAMPLE = Path(__file__).parents[1] / "examples" / "django_app.py"


@pytest.fixture(scope="module")
def issuer() -> Iterator[DevIssuer]:
    with DevIssuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def port(issuer: DevIssuer) -> Iterator[int]:
    environ = {
        **os.environ,
        "DOORWARD_PRESET": "clerk",
        "DOORWARD_ISSUER": issuer.issuer,
        "DOORWARD_JWKS_URL": issuer.jwks_url,
        "DOORWARD_AUTHORIZED_PARTIES": PARTY,
    }
    command = [sys.executable, str(EXAMPLE), "--port", "0"]
    server = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    try:
        url = json.loads(server.stdout.readline())["url"]
        yield urlsplit(url).port or 0
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()


def ask(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_walk(issuer: DevIssuer, port: int) -> None:
    member = {"id": "org_1", "slug": "acme", "role": "member"}
    admin = {**member, "role": "admin", "permissions": ["org:posts:delete"]}
    user = bearer(issuer.mint(azp=PARTY, sub="user_1", org=member))
    boss = bearer(issuer.mint(azp=PARTY, sub="user_2", org=admin))

    assert ask(port, "GET", "/public", {}) == (200, {"hello": "stranger"})
    assert ask(port, "GET", "/public", user) == (200, {"hello": "user_1"})
    assert ask(port, "GET", "/me", {}) == (401, {"detail": "credentials_missing"})
    status, me = ask(port, "GET", "/me", boss)
    assert status == 200
    assert me["role"] == "org:admin"
    assert me["permissions"] == ["org:posts:delete"]
    assert ask(port, "DELETE", "/posts/1", user) == (403, {"detail": "permission_required"})
    assert ask(port, "DELETE", "/posts/1", boss) == (200, {"deleted": 1, "by": "user_2"})
    assert ask(port, "GET", "/admin", user) == (403, {"detail": "role_required"})
    assert ask(port, "GET", "/admin", boss)[0] == 200
    cookie = {"Cookie": user["Authorization"].replace("Bearer ", "__session=")}
    assert ask(port, "GET", "/me", cookie)[0] == 200
    stranger = bearer(issuer.mint(azp="https://evil.example"))
    assert ask(port, "GET", "/me", stranger) == (401, {"detail": "party_mismatch"})
