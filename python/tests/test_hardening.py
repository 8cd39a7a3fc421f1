"""What strangers, odd servers and typos must not achieve. Each test was once a hole."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import textwrap
from typing import Any, ClassVar

import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient

from doorward import ANY, Authenticator, ConfigError, Identity, Issuer, Policy, Reason, Rejection
from doorward.asgi import AuthMiddleware
from doorward.compat.clerk_backend_api import AuthenticateRequestOptions, authenticate_request
from doorward.compat.clerk_backend_api.security.types import AuthErrorReason
from doorward.fastapi import Guard
from doorward.testing import DevIssuer


@pytest.fixture(scope="module")
def issuer() -> DevIssuer:
    return DevIssuer(algorithms=["ES256"])


@pytest.fixture(scope="module")
def auth(issuer: DevIssuer) -> Authenticator:
    trusted = Issuer(issuer=issuer.issuer, keys=issuer.jwks(), audience=ANY)
    return Authenticator([trusted])


@pytest.fixture
def token(issuer: DevIssuer) -> str:
    return issuer.mint(kind="oidc", sub="ada")


def test_the_interpreter_can_go_down_while_a_fetch_ends() -> None:
    program = """
        import asyncio
        from doorward import ANY, Authenticator, Issuer, Rejection
        from doorward.testing import DevIssuer

        issuer = DevIssuer(algorithms=["ES256"])
        issuer.start()
        auth = Authenticator([Issuer(issuer=issuer.issuer, keys=issuer.jwks_url, audience=ANY)])
        head = [("authorization", "Bearer " + issuer.mint(kind="oidc"))]
        assert asyncio.run(auth.authenticate(head)).subject
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    for _ in range(15):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr


def test_header_pairs_may_be_lists(auth: Authenticator, token: str) -> None:
    scope = {
        "type": "http",
        "headers": [[b"host", b"x"], [b"authorization", f"Bearer {token}".encode()]],
    }
    assert auth.authenticate_blocking(scope).subject == "ada"


def test_a_header_that_is_none_is_absent(auth: Authenticator) -> None:
    with pytest.raises(Rejection) as caught:
        auth.authenticate_blocking({"authorization": None})
    assert caught.value.reason is Reason.CREDENTIALS_MISSING


def test_a_request_object_that_raises_where_others_are_silent(
    auth: Authenticator, token: str
) -> None:
    class Request:
        headers: ClassVar[dict[str, str]] = {"authorization": f"Bearer {token}"}

        @property
        def scope(self) -> Any:
            raise NotImplementedError("not in this mode")

    assert auth.authenticate_blocking(Request()).subject == "ada"


@pytest.mark.parametrize("value", [b"https://app.example,\xe9", "https://app.example,\udce9", 7])
def test_a_setting_that_is_not_text_is_a_mistake_and_not_lost(
    issuer: DevIssuer, value: object
) -> None:
    environ: Any = {"CLERK_JWT_KEY": issuer.public_pem(), "CLERK_AUTHORIZED_PARTIES": value}
    with pytest.raises(ConfigError, match="CLERK_AUTHORIZED_PARTIES"):
        Authenticator.from_env(environ)


def test_an_audience_is_waived_by_a_name_and_not_by_a_star(issuer: DevIssuer) -> None:
    for audience in ("*", ["*"], ["api", "*"], []):
        with pytest.raises(ConfigError, match="audience"):
            Authenticator([Issuer(issuer=issuer.issuer, keys=issuer.jwks(), audience=audience)])


def test_demands_without_content_are_mistakes() -> None:
    for demands in (
        {"permissions": []},
        {"scopes": " "},
        {"scopes": [""]},
        {"any_scope": []},
        {"role": ""},
    ):
        with pytest.raises(ValueError, match="empty"):
            Policy(**demands)  # type: ignore[arg-type]


def test_a_verdict_belongs_to_the_headers_it_was_reached_from(
    auth: Authenticator, token: str
) -> None:
    app = FastAPI()
    guard = Guard(auth)

    @app.get("/me")
    async def me(caller: Identity = Depends(guard)) -> str:
        return caller.subject

    class Strip:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "headers": []}, receive, send)

    app.add_middleware(Strip)
    app.add_middleware(AuthMiddleware, auth=auth)
    headers = {"Authorization": f"Bearer {token}"}
    with TestClient(app) as client:
        assert client.get("/me", headers=headers).status_code == 401


def test_the_actor_is_not_what_the_application_makes_of_the_claims() -> None:
    rsa = DevIssuer()
    auth = Authenticator.clerk(issuer=rsa.issuer, jwt_key=rsa.jwks())
    identity = auth.verify(rsa.mint(actor={"sub": "user_admin"}))
    identity.claims.pop("act")
    assert identity.actor == {"sub": "user_admin"}


def test_states_and_reasons_can_be_printed_copied_and_sent() -> None:
    issuer = DevIssuer()
    options = AuthenticateRequestOptions(jwt_key=issuer.public_pem())
    assert repr(AuthErrorReason.SESSION_TOKEN_MISSING)
    nobody = authenticate_request([], options)
    assert "missing" in repr(nobody)
    somebody = authenticate_request([("authorization", f"Bearer {issuer.mint()}")], options)
    assert somebody.identity is not None
    for copied in (copy.deepcopy(somebody), pickle.loads(pickle.dumps(somebody))):
        assert copied == somebody
        assert copied.identity is None


def test_the_environment_of_the_process_is_read_strictly(issuer: DevIssuer) -> None:
    program = "from doorward import Authenticator; Authenticator.from_env()"
    environ = {
        **os.environb,
        b"CLERK_JWT_KEY": issuer.public_pem().encode(),
        b"CLERK_AUTHORIZED_PARTIES": b"https://caf\xe9.example",
    }
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert "CLERK_AUTHORIZED_PARTIES: the value is not UTF-8 text" in ended.stderr
