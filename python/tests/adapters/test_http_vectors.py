"""Every row of `vectors/http/`, through FastAPI's own test client, by two doors: guards on the
routes, and a middleware in front of them.
"""

# FastAPI evaluates the annotations of the routes below, which name a local guard: they must not be
# strings.

import json
import socket
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Security
from fastapi.testclient import TestClient

from doorward import Authenticator, Identity
from doorward.asgi import AuthMiddleware
from doorward.fastapi import Guard
from doorward.testing import DevIssuer

NOW = 1_800_000_000
ISSUER = "https://clerk.example.com"
PARTY = "http://localhost:3000"
FOLDER = Path(__file__).parents[3] / "vectors" / "http"
TABLES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))
}


def by_guards(auth: Authenticator) -> TestClient:
    return TestClient(application(Guard(auth)))


def by_middleware(auth: Authenticator) -> TestClient:
    app = application(Guard(auth))
    app.add_middleware(AuthMiddleware, auth=auth, exclude=["/public"])
    return TestClient(app)


Door = Callable[[Authenticator], TestClient]


def rows() -> Iterator[Any]:
    for door in (by_guards, by_middleware):
        for table, content in TABLES.items():
            for case in content["cases"]:
                # Where only the routes are guarded, the router answers before any guard is asked.
                if case.get("in_front") and door is by_guards:
                    continue
                name = f"{door.__name__}-{table}-{case['name']}"
                yield pytest.param(door, table, case, id=name)


@pytest.mark.parametrize(("door", "table", "case"), list(rows()))
def test_row(door: Door, table: str, case: dict[str, Any]) -> None:
    answer = client(door, table).request(
        case["method"],
        fill(table, case["path"]),
        headers=[(name.encode(), fill(table, value).encode()) for name, value in case["headers"]],
    )
    assert answer.status_code == case["status"], answer.text
    assert answer.headers.get("www-authenticate") == case["www_authenticate"]
    assert ("retry-after" in answer.headers) == case["retry_after"]
    if case["body"] is None:
        return
    body = answer.json()
    if isinstance(body.get("detail"), dict):
        # FastAPI writes what an HTTPException says under `detail`, whatever it is.
        # Policies are asked by guards, whatever stands in front.
        assert door is by_guards or case["status"] == 403
        assert TABLES[table]["explain"]
        body = body["detail"]
    assert body == case["body"]
    if case["status"] >= 400:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"


def test_the_table_is_found() -> None:
    assert sum(len(table["cases"]) for table in TABLES.values()) > 100


@cache
def client(door: Door, table: str) -> TestClient:
    """One application for each table and door."""
    settings = TABLES[table]
    down = settings.get("issuer_down", False)
    auth = Authenticator.clerk(
        publishable_key=issuer().publishable_key,
        jwt_key=None if down else issuer().jwks(),
        jwks_url=f"http://127.0.0.1:{closed_port()}/jwks.json" if down else None,
        authorized_parties=PARTY,
        accepts=["session_token", "oauth_token"],
        clock=clock,
        explain=settings.get("explain", False),
    )
    return door(auth)


@cache
def issuer() -> DevIssuer:
    return DevIssuer(issuer=ISSUER, clock=clock)


@cache
def tokens(table: str) -> dict[str, str]:
    return {f"<{name}>": token(spec) for name, spec in TABLES[table]["tokens"].items()}


def token(spec: Any) -> str:
    if isinstance(spec, str):
        return spec
    if "repeat" in spec:
        return spec["repeat"] * spec["times"]
    return issuer().mint(**spec)


def fill(table: str, text: str) -> str:
    for hole, token in tokens(table).items():
        text = text.replace(hole, token)
    return text


def clock() -> float:
    return NOW


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def application(guard: Guard) -> FastAPI:
    app = FastAPI()

    @app.get("/public")
    async def public(caller: Annotated[Identity | None, Depends(guard.optional)]) -> dict[str, Any]:
        return {"hello": "stranger" if caller is None else caller.subject}

    @app.get("/me")
    async def me(caller: Annotated[Identity, Depends(guard)]) -> dict[str, Any]:
        return {
            "subject": caller.subject,
            "kind": caller.kind,
            "organization": caller.organization_id,
            "role": caller.role,
        }

    @app.delete("/posts/{post}")
    async def delete(
        post: int,
        caller: Annotated[Identity, Depends(guard.requires(permission="org:posts:delete"))],
    ) -> dict[str, Any]:
        return {"deleted": post, "by": caller.subject}

    @app.get("/admin")
    async def admin(
        caller: Annotated[Identity, Depends(guard.requires(role="admin"))],
    ) -> dict[str, Any]:
        return {"admin": caller.subject}

    @app.get("/scoped")
    async def scoped(
        caller: Annotated[Identity, Security(guard, scopes=["posts:read"])],
    ) -> dict[str, Any]:
        return {"scopes": caller.scopes}

    return app
