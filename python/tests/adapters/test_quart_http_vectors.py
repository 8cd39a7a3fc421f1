"""Every row of `vectors/http/`, through Quart's own test client, by three doors: decorators on
async and on sync views, and a gate in front of the whole application.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import http_table
import pytest
from quart import Quart
from werkzeug.datastructures import Headers

from doorward import Authenticator
from doorward.quart import Doorward, current_identity


def by_decorators(auth: Authenticator) -> Quart:
    app = Quart(__name__)
    add_views(app, Doorward(app, auth))
    return app


def by_decorators_on_functions(auth: Authenticator) -> Quart:
    app = Quart(__name__)
    add_functions(app, Doorward(app, auth))
    return app


def by_before_request(auth: Authenticator) -> Quart:
    app = Quart(__name__)
    add_views(app, Doorward(app, auth, protect=True))
    return app


Door = Callable[[Authenticator], Quart]
DOORS = (by_decorators, by_decorators_on_functions, by_before_request)


@pytest.mark.parametrize(
    ("door", "table", "case"), http_table.rows(*DOORS, in_front=[by_before_request])
)
async def test_row(door: Door, table: str, case: http_table.Case) -> None:
    client = application(door, table).test_client(use_cookies=False)
    answer = await client.open(
        http_table.path(table, case),
        method=case["method"],
        headers=Headers(http_table.headers(table, case)),
    )
    if case["method"] == "OPTIONS" and case["status"] == 405:
        # The router's own answer, and Quart's router has one for OPTIONS.
        case = {**case, "status": 200}
    headers = {name.lower(): value for name, value in answer.headers.items()}
    body = await answer.get_data(as_text=False)
    http_table.check(table, case, status=answer.status_code, headers=headers, body=body)


@cache
def application(door: Door, table: str) -> Quart:
    """One application for each table and door."""
    return door(http_table.authenticator(table))


def add_views(app: Quart, door: Doorward) -> None:
    @app.get("/public")
    @door.optional
    async def public() -> dict[str, Any]:
        return {"hello": current_identity.subject if current_identity else "stranger"}

    @app.get("/me")
    @door.required
    async def me() -> dict[str, Any]:
        return {
            "subject": current_identity.subject,
            "kind": current_identity.kind,
            "organization": current_identity.organization_id,
            "role": current_identity.role,
        }

    @app.delete("/posts/<int:post>")
    @door.requires(permission="org:posts:delete")
    async def delete(post: int) -> dict[str, Any]:
        return {"deleted": post, "by": current_identity.subject}

    @app.get("/admin")
    @door.requires(role="admin")
    async def admin() -> dict[str, Any]:
        return {"admin": current_identity.subject}

    @app.get("/scoped")
    @door.requires(scopes=["posts:read"])
    async def scoped() -> dict[str, Any]:
        return {"scopes": list(current_identity.scopes)}


def add_functions(app: Quart, door: Doorward) -> None:
    @app.get("/public")
    @door.optional
    def public() -> dict[str, Any]:
        return {"hello": current_identity.subject if current_identity else "stranger"}

    @app.get("/me")
    @door.required
    def me() -> dict[str, Any]:
        return {
            "subject": current_identity.subject,
            "kind": current_identity.kind,
            "organization": current_identity.organization_id,
            "role": current_identity.role,
        }

    @app.delete("/posts/<int:post>")
    @door.requires(permission="org:posts:delete")
    def delete(post: int) -> dict[str, Any]:
        return {"deleted": post, "by": current_identity.subject}

    @app.get("/admin")
    @door.requires(role="admin")
    def admin() -> dict[str, Any]:
        return {"admin": current_identity.subject}

    @app.get("/scoped")
    @door.requires(scopes=["posts:read"])
    def scoped() -> dict[str, Any]:
        return {"scopes": list(current_identity.scopes)}
