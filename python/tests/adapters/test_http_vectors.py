"""Every row of `vectors/http/`, through FastAPI's own test client, by two doors: guards on the
routes, and a middleware in front of them.
"""

# FastAPI evaluates the annotations of the routes below, which name a local guard: they must not be
# strings.

import json
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import http_table
import pytest
from fastapi import Depends, FastAPI, Security
from fastapi.testclient import TestClient

from doorward import Authenticator, Identity
from doorward.asgi import AuthMiddleware
from doorward.fastapi import Guard


def by_guards(auth: Authenticator) -> TestClient:
    return TestClient(application(Guard(auth)))


def by_middleware(auth: Authenticator) -> TestClient:
    app = application(Guard(auth))
    app.add_middleware(AuthMiddleware, auth=auth, exclude=["/public"])
    return TestClient(app)


Door = Callable[[Authenticator], TestClient]


@pytest.mark.parametrize(
    ("door", "table", "case"),
    http_table.rows(by_guards, by_middleware, in_front=[by_middleware]),
)
def test_row(door: Door, table: str, case: http_table.Case) -> None:
    answer = client(door, table).request(
        case["method"],
        http_table.path(table, case),
        headers=[
            (name.encode(), value.encode()) for name, value in http_table.headers(table, case)
        ],
    )
    body = answer.content
    if case["body"] is not None and isinstance(answer.json().get("detail"), dict):
        # FastAPI writes what an HTTPException says under `detail`, whatever it is.
        # Policies are asked by guards, whatever stands in front.
        assert door is by_guards or case["status"] == 403
        body = json.dumps(answer.json()["detail"]).encode()
        if http_table.TABLES[table].get("problem_details"):
            assert json.loads(body) == case["body"]
            return
    http_table.check(table, case, status=answer.status_code, headers=answer.headers, body=body)


def test_the_table_is_found() -> None:
    assert sum(len(table["cases"]) for table in http_table.TABLES.values()) > 100


@cache
def client(door: Door, table: str) -> TestClient:
    """One application for each table and door."""
    return door(http_table.authenticator(table))


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
