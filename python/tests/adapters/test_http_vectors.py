"""Every row of `vectors/http/`, through FastAPI's own test client, by three doors: guards on the
routes, guards that yield typed claims, and a middleware in front of them.
"""

# FastAPI evaluates the annotations of the routes below, which name a local guard: they must not be
# strings.

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import http_table
import pytest
from fastapi import Depends, FastAPI, Security
from fastapi.testclient import TestClient
from pydantic import BaseModel

from doorward import Authenticator, Identity
from doorward.asgi import AuthMiddleware
from doorward.fastapi import Guard


def by_guards(auth: Authenticator) -> TestClient:
    return TestClient(application(Guard(auth)))


def by_typed_guards(auth: Authenticator) -> TestClient:
    return TestClient(application(Guard(auth), Guard[Claims](auth)))


def by_middleware(auth: Authenticator) -> TestClient:
    app = application(Guard(auth))
    app.add_middleware(AuthMiddleware, auth=auth, exclude=["/public"])
    return TestClient(app)


class Claims(BaseModel):
    """What every token of the table has."""

    iss: str
    sub: str
    exp: int


Door = Callable[[Authenticator], TestClient]


@pytest.mark.parametrize(
    ("door", "table", "case"),
    http_table.rows(by_guards, by_typed_guards, by_middleware, in_front=[by_middleware]),
)
def test_row(door: Door, table: str, case: http_table.Case) -> None:
    answer = client(door, table).request(
        case["method"],
        http_table.path(table, case),
        headers=[
            (name.encode(), value.encode()) for name, value in http_table.headers(table, case)
        ],
    )
    http_table.check(
        table, case, status=answer.status_code, headers=answer.headers, body=answer.content
    )


def test_the_table_is_found() -> None:
    assert sum(len(table["cases"]) for table in http_table.TABLES.values()) > 100


@cache
def client(door: Door, table: str) -> TestClient:
    """One application for each table and door."""
    return door(http_table.authenticator(table))


def application(guard: Guard, typed: Guard[Any] | None = None) -> FastAPI:
    """The little application; a second guard stands in front of the first on every route."""
    app = FastAPI()
    first = typed or guard

    @app.get("/public", dependencies=[Depends(first.optional)])
    async def public(caller: Annotated[Identity | None, Depends(guard.optional)]) -> dict[str, Any]:
        return {"hello": "stranger" if caller is None else caller.subject}

    @app.get("/me", dependencies=[Depends(first)])
    async def me(caller: Annotated[Identity, Depends(guard)]) -> dict[str, Any]:
        return {
            "subject": caller.subject,
            "kind": caller.kind,
            "organization": caller.organization_id,
            "role": caller.role,
        }

    @app.delete(
        "/posts/{post}", dependencies=[Depends(first.requires(permission="org:posts:delete"))]
    )
    async def delete(post: int, caller: Annotated[Identity, Depends(guard)]) -> dict[str, Any]:
        return {"deleted": post, "by": caller.subject}

    @app.get("/admin", dependencies=[Depends(first.requires(role="admin"))])
    async def admin(caller: Annotated[Identity, Depends(guard)]) -> dict[str, Any]:
        return {"admin": caller.subject}

    @app.get("/scoped", dependencies=[Security(first, scopes=["posts:read"])])
    async def scoped(caller: Annotated[Identity, Depends(guard)]) -> dict[str, Any]:
        return {"scopes": caller.scopes}

    return app
