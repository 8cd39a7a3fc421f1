"""Tests of an API behind Doorward: real tokens, no network, no account.

    python -m pytest test_with_doorward.py

The fixtures that begin with `doorward_` come with the package.
"""

from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from doorward import Authenticator, Identity
from doorward.fastapi import Guard
from doorward.testing import DEFECTS, AsUser, Clock, DevIssuer, Minter, assert_challenge


def create_app(auth: Authenticator) -> FastAPI:
    """The application under test. In production: `create_app(Authenticator.from_env())`."""
    app = FastAPI()
    guard = Guard(auth)
    editor = guard.requires(permission="org:posts:delete")

    @app.get("/me")
    async def me(caller: Annotated[Identity, Depends(guard)]) -> str:
        return caller.subject

    @app.delete("/posts/{post_id}")
    async def delete(post_id: int, caller: Annotated[Identity, Depends(editor)]) -> int:
        return post_id

    return app


@pytest.fixture
def client(doorward_auth: Authenticator) -> Iterator[TestClient]:
    with TestClient(create_app(doorward_auth)) as client:
        yield client


def test_a_stranger_is_asked_who_he_is(client: TestClient) -> None:
    assert_challenge(client.get("/me"), None)


def test_somebody(client: TestClient, doorward_as_user: AsUser) -> None:
    assert doorward_as_user(client, sub="ada").get("/me").json() == "ada"


@pytest.mark.doorward(user="ada", org="org_1", permissions=["org:posts:delete"])
def test_an_editor(client: TestClient, doorward_headers: dict[str, str]) -> None:
    assert client.delete("/posts/7", headers=doorward_headers).json() == 7


@pytest.mark.doorward(user="bob", org="org_1", permissions=["org:posts:read"])
def test_a_reader_deletes_nothing(client: TestClient, doorward_headers: dict[str, str]) -> None:
    refused = client.delete("/posts/7", headers=doorward_headers)
    assert_challenge(refused, "insufficient_scope")
    assert refused.json() == {"detail": "permission_required"}


#: A door for Clerk takes any audience, one key needs no name, and of a revocation only those learn
#: who ask; what is no token at all is a 400.
BAD = sorted({*DEFECTS} - {"no_kid", "wrong_aud", "revoked", "junk"})


@pytest.mark.parametrize("defect", BAD)
def test_nothing_bad_comes_in(client: TestClient, doorward_mint: Minter, defect: str) -> None:
    token = getattr(doorward_mint, defect)(sub="ada")
    assert_challenge(client.get("/me", headers={"Authorization": f"Bearer {token}"}))


def test_a_session_runs_out(
    client: TestClient, doorward_as_user: AsUser, doorward_clock: Clock
) -> None:
    doorward_as_user(client, sub="ada", ttl=60)
    assert client.get("/me").status_code == 200
    doorward_clock.advance(66)
    assert client.get("/me").json() == {"detail": "token_expired"}


def test_keys_change_without_anybody_noticing(doorward_http_issuer: DevIssuer) -> None:
    client = TestClient(create_app(doorward_http_issuer.authenticator()))
    for _ in range(3):
        headers = doorward_http_issuer.mint.headers(sub="ada")
        assert client.get("/me", headers=headers).status_code == 200
    assert doorward_http_issuer.jwks_fetches == 1
    doorward_http_issuer.rotate()
    headers = doorward_http_issuer.mint.headers(sub="ada")
    assert client.get("/me", headers=headers).status_code == 200
    assert doorward_http_issuer.jwks_fetches == 2


def test_an_outage_is_nobodys_bad_token(doorward_http_issuer: DevIssuer) -> None:
    doorward_http_issuer.down()
    client = TestClient(create_app(doorward_http_issuer.authenticator()))
    answer = client.get("/me", headers=doorward_http_issuer.mint.headers())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
