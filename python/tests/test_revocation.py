"""Revocation: here, in another process, after a fork, and by what others send."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI
from starlette.routing import Route
from starlette.testclient import TestClient

from doorward import (
    Authenticator,
    ConfigError,
    Identity,
    Logout,
    Rejection,
    RevocationNotShared,
)
from doorward.asgi import AuthMiddleware, BackchannelLogout
from doorward.testing import DevIssuer

PATIENCE = 30.0


@pytest.fixture(scope="module")
def issuer() -> DevIssuer:
    return DevIssuer()


def authenticator(issuer: DevIssuer, **settings: Any) -> Authenticator:
    return Authenticator.from_config(
        {
            "preset": "clerk",
            "issuer": issuer.issuer,
            "keys": json.dumps(issuer.jwks()),
            "logout_client_id": "my-app",
            "accepts": ["session_token", "oauth_token"],
            **settings,
        }
    )


def reason(auth: Authenticator, token: str) -> str | None:
    try:
        auth.verify(token)
    except Rejection as rejection:
        return rejection.reason.value
    return None


def becomes(wanted: object, ask: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while (found := ask()) != wanted:
        assert time.monotonic() < deadline, f"still {found!r}, wanted {wanted!r}"
        time.sleep(0.005)


def test_each_claim(issuer: DevIssuer) -> None:
    auth = authenticator(issuer)
    session = issuer.mint(sub="ada", sid="sess_1")
    other = issuer.mint(sub="ada", sid="sess_2")
    assert isinstance(auth.verify(session), Identity)
    auth.revoke(session_id="sess_1")
    assert (reason(auth, session), reason(auth, other)) == ("token_revoked", None)
    auth.revoke(subject="ada", issued_until=time.time() - 3600)
    assert reason(auth, other) is None
    asyncio.run(auth.revoke_async(subject="ada", issuer=issuer.issuer))
    assert reason(auth, other) == "token_revoked"


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ({}, TypeError),
        ({"session_id": "a", "subject": "b"}, TypeError),
        ({"session_id": ""}, ValueError),
        ({"subject": "a" * 513}, ValueError),
        ({"subject": "a", "issuer": "https://other.example"}, ValueError),
        ({"subject": "a", "expires_at": 1.0}, ValueError),
        ({"subject": "a", "expires_at": float("nan")}, ValueError),
        ({"subject": "a", "issued_until": 1e300}, ValueError),
        ({"subjekt": "a"}, TypeError),
    ],
)
def test_what_cannot_be_revoked(
    issuer: DevIssuer, what: dict[str, Any], error: type[Exception]
) -> None:
    auth = authenticator(issuer)
    with pytest.raises(error):
        auth.revoke(**what)
    assert auth.status()["revocation"]["entries"] == 0


def test_clerks_events(issuer: DevIssuer) -> None:
    auth = authenticator(issuer)
    session, other = issuer.mint(sub="ada", sid="sess_1"), issuer.mint(sub="ada", sid="sess_2")
    event = {"type": "session.revoked", "data": {"id": "sess_1", "object": "session"}}
    assert auth.accept_event(event)
    assert not auth.accept_event({"type": "user.updated", "data": {"id": "ada"}})
    assert (reason(auth, session), reason(auth, other)) == ("token_revoked", None)
    deleted = {"type": "user.deleted", "data": {"id": "ada", "deleted": True}}
    assert asyncio.run(auth.accept_event_async(deleted))
    assert reason(auth, other) == "token_revoked"
    for wrong in ([], {}, {"type": 7}, "user.deleted"):
        with pytest.raises(ValueError, match="payload_malformed"):
            auth.accept_event(wrong)


def test_logout_tokens(issuer: DevIssuer) -> None:
    auth = authenticator(issuer)
    session = issuer.mint(sub="ada", sid="sess_1")
    token = issuer.mint(kind="logout", sub="ada", sid="sess_1", aud="my-app")
    logout = auth.accept_logout(token)
    assert isinstance(logout, Logout)
    assert (logout.issuer, logout.subject, logout.session_id) == (issuer.issuer, "ada", "sess_1")
    assert logout.token_id
    assert abs(logout.issued_at - time.time()) < 60
    assert reason(auth, session) == "token_revoked"
    with pytest.raises(Rejection) as refused:
        asyncio.run(auth.accept_logout_async(session))
    assert refused.value.reason.value == "token_kind_not_accepted"


async def post(
    app: BackchannelLogout, body: bytes, method: str = "POST", pieces: int = 1
) -> tuple[int, dict[bytes, bytes], bytes]:
    size = -(-len(body) // pieces) or 1
    queue = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": queue.pop(0), "more_body": bool(queue)}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "method": method}, receive, send)
    start, end = sent
    return start["status"], dict(start["headers"]), end["body"]


async def test_the_endpoint_for_logout_tokens(issuer: DevIssuer) -> None:
    auth = authenticator(issuer)
    app = BackchannelLogout(auth)
    session = issuer.mint(sub="ada", sid="sess_1")
    token = issuer.mint(kind="logout", sub="ada", sid="sess_1", aud="my-app")
    body = urlencode({"logout_token": token}).encode()
    status, headers, answer = await post(app, body, pieces=3)
    assert (status, headers[b"cache-control"], answer) == (200, b"no-store", b"")
    assert reason(auth, session) == "token_revoked"

    for junk in (b"", b"logout_token=", b"logout_token=a&logout_token=b", b"\xff", body + b"x"):
        status, headers, answer = await post(app, junk)
        assert (status, json.loads(answer)["error"]) == (400, "invalid_request")
        assert headers[b"content-length"] == str(len(answer)).encode()
    assert (await post(app, b"", method="GET"))[0] == 405
    assert (await post(app, b"a" * 70_000, pieces=7))[0] == 413


async def test_the_endpoint_as_the_guide_has_it(issuer: DevIssuer) -> None:
    auth = authenticator(issuer)
    app = FastAPI()
    app.router.routes.append(
        Route("/backchannel-logout", BackchannelLogout(auth), methods=["POST"])
    )
    app.add_middleware(AuthMiddleware, auth=auth, exclude=["/backchannel-logout"])
    client = TestClient(app)
    session = issuer.mint(sub="ada", sid="sess_1")
    token = issuer.mint(kind="logout", sub="ada", sid="sess_1", aud="my-app")
    answer = client.post("/backchannel-logout", data={"logout_token": token})
    assert (answer.status_code, answer.content) == (200, b"")
    assert reason(auth, session) == "token_revoked"
    assert client.get("/backchannel-logout").status_code == 405
    assert client.post("/backchannel-logout/x").status_code == 401


async def test_many_revocations_do_not_wait_for_each_other(issuer: DevIssuer) -> None:
    auth = authenticator(issuer, revocation_store="redis://127.0.0.1:1/0")
    tokens = [issuer.mint(sid=f"sess_{number}") for number in range(40)]
    tasks = [
        asyncio.ensure_future(auth.revoke_async(session_id=f"sess_{number}"))
        for number in range(40)
    ]
    await asyncio.sleep(0)
    # Each is refused here before the store was heard of.
    assert {reason(auth, token) for token in tokens} == {"token_revoked"}
    begun = time.monotonic()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(error) for error in found} == {RevocationNotShared}
    assert time.monotonic() - begun < 30


def test_settings(issuer: DevIssuer, tmp_path: Path) -> None:
    for settings, says in [
        ({"revocation_store": "mysql://h"}, "revocation_store"),
        ({"revocation_store": "sqlite:///no/such/folder/x"}, "there is no folder"),
        ({"revocation_on_outage": "refuze"}, "did you mean"),
        ({"revocation_retention": 1}, "revocation_retention"),
        ({"revocation_max_entries": 0}, "revocation_max_entries"),
    ]:
        with pytest.raises(ConfigError, match=says):
            authenticator(issuer, **settings)
    store = f"sqlite://{tmp_path}/revoked.db"
    keys = json.dumps(issuer.jwks())
    auth = Authenticator.clerk(
        issuer=issuer.issuer, jwt_key=keys, revocation_store=store, revocation_on_outage="refuse"
    )
    assert auth.status()["revocation"]["store"]["address"].startswith("sqlite:")
    variables = {
        "CLERK_JWT_KEY": keys,
        "DOORWARD_REVOCATION_STORE": "redis://:hunter2@127.0.0.1:6379/0",
        "DOORWARD_REVOCATION_ON_OUTAGE": "refuse",
    }
    auth = Authenticator.from_env(variables)
    status = auth.status()["revocation"]
    assert status["on_outage"] == "refuse"
    assert "hunter2" not in repr(auth) + str(status)


OTHER_PROCESS = """
import sys
from doorward import Authenticator, Rejection
auth = Authenticator.from_config(sys.argv[1])
for line in sys.stdin:
    try:
        auth.verify(line.strip())
        print("accepted", flush=True)
    except Rejection as rejection:
        print(rejection.reason.value, flush=True)
"""


class OtherProcess:
    """Another process with the same settings."""

    def __init__(self, settings: Path) -> None:
        command = [sys.executable, "-c", OTHER_PROCESS, str(settings)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def says(self, token: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        print(token, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = shutil.which("redis-server")
    assert server, "redis-server is installed: apt-get install redis-server"
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None, "it ended"
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=["redis", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "redis":
        url: str = request.getfixturevalue("redis")
        return url
    return f"sqlite://{tmp_path}/revoked.db"


def test_another_process(issuer: DevIssuer, store: str, tmp_path: Path) -> None:
    settings = {"revocation_store": store}
    auth = authenticator(issuer, **settings)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(issuer.jwks()))
    file = tmp_path / "doorward.toml"
    file.write_text(
        f'revocation_store = "{store}"\n[[issuer]]\npreset = "clerk"\n'
        f'issuer = "{issuer.issuer}"\nkeys_file = "keys.json"\n'
    )
    other = OtherProcess(file)
    try:
        token, good = issuer.mint(sid="sess_1"), issuer.mint(sid="sess_2")
        assert other.says(token) == other.says(good) == "accepted"
        auth.revoke(session_id="sess_1")
        becomes("token_revoked", lambda: other.says(token))
        assert other.says(good) == "accepted"
    finally:
        other.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forking is a POSIX habit")
def test_a_forked_child_does_not_open_a_file_again(issuer: DevIssuer, tmp_path: Path) -> None:
    auth = authenticator(issuer, revocation_store=f"sqlite://{tmp_path}/revoked.db")
    token = issuer.mint(sid="sess_1")
    auth.revoke(session_id="sess_1")
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            known = reason(auth, token) == "token_revoked"
            while "forked" not in "".join(auth.status()["problems"]):
                reason(auth, issuer.mint(sid="sess_2"))
                time.sleep(0.05)
            os._exit(0 if known else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forking is a POSIX habit")
def test_a_forked_child_follows_too(issuer: DevIssuer, redis: str) -> None:
    auth = authenticator(issuer, revocation_store=redis)
    first, second = issuer.mint(sid="sess_1"), issuer.mint(sid="sess_2")
    auth.revoke(session_id="sess_1")
    assert reason(auth, second) is None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # A child that hangs is killed by its own alarm, and never runs pytest's exit handlers.
        signal.alarm(60)
        try:
            known = reason(auth, first) == "token_revoked"
            os.write(writing, b".")
            while reason(auth, second) is None:
                time.sleep(0.01)
            os._exit(0 if known else 1)
        finally:
            os._exit(2)
    assert os.read(reading, 1) == b"."
    auth.revoke(session_id="sess_2")
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_store_that_is_away(issuer: DevIssuer) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    open_door = authenticator(issuer, revocation_store=nowhere)
    token = issuer.mint(sid="sess_1")
    assert reason(open_door, token) is None
    status = open_door.status()
    assert not status["healthy"]
    assert "store of revocations is away" in status["problems"][0]
    with pytest.raises(RevocationNotShared, match="not yet known to others"):
        open_door.revoke(session_id="sess_1")
    assert reason(open_door, token) == "token_revoked"

    closed_door = authenticator(issuer, revocation_store=nowhere, revocation_on_outage="refuse")
    with pytest.raises(Rejection) as refused:
        asyncio.run(closed_door.verify_async(token))
    assert (refused.value.status, refused.value.reason.value) == (503, "verification_unavailable")


def test_status(issuer: DevIssuer) -> None:
    auth = authenticator(issuer)
    token = issuer.mint()
    for _ in range(3):
        auth.verify(token)
    status = auth.status()
    assert status["healthy"]
    assert status["issuers"] == [{"issuer": issuer.issuer, "keys": None}]
    assert (status["tokens"]["entries"], status["tokens"]["hits"]) == (1, 2)
    names = {name for name, *_ in auth.samples()}
    assert {"doorward_healthy", "doorward_cache_hits_total", "doorward_revocations"} <= names
