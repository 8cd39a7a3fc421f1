"""Pre-forking servers: nothing that a fork loses is made before it is needed."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from doorward import Authenticator
from doorward._doorward import Pending
from doorward.testing import DevIssuer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forking is a POSIX habit")


@pytest.fixture
def issuer() -> Iterator[DevIssuer]:
    with DevIssuer() as issuer:
        yield issuer


def authenticator(issuer: DevIssuer) -> Authenticator:
    return Authenticator.clerk(issuer=issuer.issuer, jwks_url=issuer.jwks_url)


def in_child(work: Callable[[], bool]) -> None:
    """Runs `work` in a forked child, which must come home well and soon."""
    child = os.fork()
    if child == 0:
        # A child that hangs is killed by its own alarm, and never runs pytest's exit handlers.
        signal.alarm(20)
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_used_before_and_after_a_fork(issuer: DevIssuer) -> None:
    auth = authenticator(issuer)
    token = issuer.mint()
    assert auth.verify(token).subject
    in_child(lambda: bool(auth.verify(token).subject))
    assert auth.verify(token).subject


def test_first_used_in_the_child(issuer: DevIssuer) -> None:
    auth = authenticator(issuer)
    token = issuer.mint()
    in_child(lambda: bool(auth.verify(token).subject))


def test_the_child_of_a_warm_parent_can_fetch(issuer: DevIssuer) -> None:
    auth = authenticator(issuer)
    assert auth.verify(issuer.mint()).subject
    cold = authenticator(issuer)
    token = issuer.mint()
    in_child(lambda: bool(cold.verify(token).subject))


def test_forked_during_a_fetch(issuer: DevIssuer) -> None:
    """The helper thread stays behind in the parent; the child starts a fetch of its own."""
    issuer.fault("slow", 1.0)
    auth = authenticator(issuer)
    token = issuer.mint()
    pending = auth.verify_nowait(token)
    assert isinstance(pending, Pending)
    in_child(lambda: bool(auth.verify(token).subject))
    pending.wait()
    assert auth.verify(token).subject


APP = """
from fastapi import Depends, FastAPI
from doorward import Authenticator
from doorward.fastapi import Guard

auth = Authenticator.from_env()
{warm}
guard = Guard(auth)
app = FastAPI()

@app.get("/me")
async def me(caller=Depends(guard)):
    return caller.subject
"""


@pytest.mark.parametrize("warm", ["", "auth.refresh()"], ids=["cold", "warmed before the fork"])
def test_gunicorn_preload(issuer: DevIssuer, tmp_path: Path, warm: str) -> None:
    (tmp_path / "forked_app.py").write_text(APP.format(warm=warm), encoding="utf-8")
    (tmp_path / "listening.py").write_text(
        "def when_ready(server):\n    print(server.LISTENERS[0].getsockname()[1], flush=True)\n",
        encoding="utf-8",
    )
    environ = {
        **os.environ,
        "DOORWARD_PRESET": "clerk",
        "DOORWARD_ISSUER": issuer.issuer,
        "DOORWARD_JWKS_URL": issuer.jwks_url,
        "PYTHONPATH": str(tmp_path),
    }
    command = [sys.executable, "-m", "gunicorn", "forked_app:app", "--preload"]
    command += ["--workers", "2", "--bind", "127.0.0.1:0", "--config", "listening.py"]
    command += ["--worker-class", "uvicorn_worker.UvicornWorker", "--log-level", "error"]
    server = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        headers = {"Authorization": f"Bearer {issuer.mint()}"}
        for _ in range(20):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", "/me", headers=headers)
            assert connection.getresponse().status == 200
            connection.close()
    finally:
        server.terminate()
        server.wait(20)
        if server.stdout is not None:
            server.stdout.close()
