"""`Doorward` for Flask behind gunicorn, as it is deployed: with threads, and in workers forked from
a process that has loaded the application.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import PARTY, bearer

from doorward.testing import DevIssuer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn is for POSIX")

APP = """
import os
from flask import Flask, g
from doorward.flask import Doorward, current_identity

app = Flask(__name__)
auth = Doorward(app, protect=True, public=["health"])
{warm}

@app.get("/health")
def health():
    return "ok"

@app.get("/sync")
def sync():
    return {{"user": current_identity.subject, "g": g.user_id, "worker": os.getpid()}}

@app.get("/async")
@auth.required
async def coroutine():
    return {{"user": current_identity.subject, "g": g.user_id, "worker": os.getpid()}}

@app.get("/optional")
@auth.optional
def optional():
    return {{"user": current_identity.subject if current_identity else None}}
"""
WARM = "app.extensions['doorward'].auth.refresh()"


@contextmanager
def gunicorn(folder: Path, issuer: DevIssuer, warm: str, *arguments: str) -> Iterator[int]:
    (folder / "served_app.py").write_text(APP.format(warm=warm), encoding="utf-8")
    (folder / "listening.py").write_text(
        "def when_ready(server):\n    print(server.LISTENERS[0].getsockname()[1], flush=True)\n",
        encoding="utf-8",
    )
    environ = {
        **os.environ,
        "DOORWARD_PRESET": "clerk",
        "DOORWARD_ISSUER": issuer.issuer,
        "DOORWARD_JWKS_URL": issuer.jwks_url,
        "DOORWARD_AUTHORIZED_PARTIES": PARTY,
        "PYTHONPATH": str(folder),
    }
    command = [sys.executable, "-m", "gunicorn", "served_app:app", "--bind", "127.0.0.1:0"]
    command += ["--config", "listening.py", "--worker-class", "gthread", "--threads", "4"]
    command += ["--log-level", "error", "--graceful-timeout", "5", *arguments]
    server = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()


@pytest.fixture
def issuer() -> Iterator[DevIssuer]:
    with DevIssuer() as issuer:
        yield issuer


def ask(port: int, path: str, *headers: tuple[str, str]) -> tuple[int, Any, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest("GET", path)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("warm", ["", WARM], ids=["cold", "warmed before the fork"])
def test_preloaded_workers(issuer: DevIssuer, tmp_path: Path, warm: str) -> None:
    tokens = {f"user_{n}": issuer.mint(sub=f"user_{n}", azp=PARTY) for n in range(8)}

    def check(port: int, subject: str) -> None:
        headers = tuple(bearer(tokens[subject]).items())
        for path in ("/sync", "/async", "/optional"):
            status, _, body = ask(port, path, *headers)
            assert (status, f'"user":"{subject}"' in body.decode()) == (200, True)
        status, fields, body = ask(port, "/sync", ("Authorization", "Bearer junk"))
        assert (status, body) == (401, b'{"detail":"token_malformed"}')
        assert 'error="invalid_token"' in fields["www-authenticate"]
        assert ask(port, "/health")[0] == 200
        assert ask(port, "/nowhere")[0] == 404

    with (
        gunicorn(tmp_path, issuer, warm, "--preload", "--workers", "2") as port,
        ThreadPoolExecutor(8) as pool,
    ):
        for future in [pool.submit(check, port, subject) for subject in list(tokens) * 3]:
            future.result(60)
    # Each worker fetches at most once, and not at all what its parent knew.
    assert issuer.jwks_fetches == 1 if warm else issuer.jwks_fetches <= 2


def test_the_keys_change_while_it_runs(issuer: DevIssuer, tmp_path: Path) -> None:
    with gunicorn(tmp_path, issuer, WARM, "--preload", "--workers", "1") as port:
        assert ask(port, "/sync", *bearer(issuer.mint(azp=PARTY)).items())[0] == 200
        issuer.rotate()
        assert ask(port, "/sync", *bearer(issuer.mint(azp=PARTY)).items())[0] == 200


def test_repeated_fields_let_nobody_in(issuer: DevIssuer, tmp_path: Path) -> None:
    """A WSGI server joins them by commas (RFC 3875 §4.1.18), so that `multiple_credentials` cannot
    be told from one field with a comma in it. Nothing that is joined is ever a good credential.
    """
    good, other = issuer.mint(azp=PARTY), issuer.mint(azp=PARTY, sub="user_eve")
    bearing = ("Authorization", f"Bearer {good}")
    with gunicorn(tmp_path, issuer, "", "--workers", "1") as port:
        assert ask(port, "/sync", bearing)[0] == 200
        assert ask(port, "/sync", bearing, bearing)[0] == 400
        assert ask(port, "/optional", bearing, bearing)[0] == 400
        assert ask(port, "/sync", ("Authorization", "Basic dXNlcjpwYXNz"), bearing)[0] == 401
        cookies = [("Cookie", f"__session={other}"), ("Cookie", f"__session={good}")]
        assert ask(port, "/sync", *cookies)[0] == 401
        assert ask(port, "/sync", ("Cookie", "theme=dark"), cookies[1])[0] == 401
        # HTTP/1.1 clients send one Cookie field (RFC 6265 §5.4).
        assert ask(port, "/sync", ("Cookie", f"theme=dark; __session={good}"))[0] == 200
