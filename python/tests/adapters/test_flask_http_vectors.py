"""Every row of `vectors/http/`, through Flask's own test client, by four doors: decorators on sync
and on async views, a guard in front of the whole application, and one in front of a blueprint.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import http_table
import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from doorward import Authenticator
from doorward.flask import Doorward, current_identity


def by_decorators(auth: Authenticator) -> Flask:
    app = Flask(__name__)
    add_views(app, Doorward(app, auth))
    return app


def by_decorators_on_coroutines(auth: Authenticator) -> Flask:
    app = Flask(__name__)
    add_coroutines(app, Doorward(app, auth))
    return app


def by_before_request(auth: Authenticator) -> Flask:
    app = Flask(__name__)
    add_views(app, Doorward(app, auth, protect=True))
    return app


def by_before_request_of_a_blueprint(auth: Authenticator) -> Flask:
    app = Flask(__name__)
    door = Doorward(app, auth)
    blueprint = Blueprint("api", __name__)
    door.protect(blueprint)
    add_views(blueprint, door)
    app.register_blueprint(blueprint)
    return app


Door = Callable[[Authenticator], Flask]
IN_FRONT = (by_before_request, by_before_request_of_a_blueprint)


DOORS = (by_decorators, by_decorators_on_coroutines, *IN_FRONT)


def repeats_a_field(case: http_table.Case) -> bool:
    names = [name.lower() for name, _ in case["headers"]]
    return len(set(names)) < len(names)


@pytest.mark.parametrize(
    ("door", "table", "case"),
    [
        row
        for row in http_table.rows(*DOORS, in_front=IN_FRONT)
        # WSGI has one text for each name, so its servers join repeated fields (RFC 3875 §4.1.18),
        # and so does this test client. What comes of that is in test_flask_servers.py.
        if not repeats_a_field(row.values[-1])
    ],
)
def test_row(door: Door, table: str, case: http_table.Case) -> None:
    answer = client(door, table).open(
        http_table.path(table, case),
        method=case["method"],
        # WSGI has bytes as Latin-1 text.
        headers=[
            (name, value.encode().decode("latin-1"))
            for name, value in http_table.headers(table, case)
        ],
    )
    if case["method"] == "OPTIONS" and case["status"] == 405:
        # The router's own answer, and Flask's router has one for OPTIONS.
        case = {**case, "status": 200}
    headers = {name.lower(): value for name, value in answer.headers}
    http_table.check(
        table, case, status=answer.status_code, headers=headers, body=answer.get_data()
    )


@cache
def client(door: Door, table: str) -> FlaskClient:
    """One application for each table and door."""
    return door(http_table.authenticator(table)).test_client(use_cookies=False)


def add_views(app: Flask | Blueprint, door: Doorward) -> None:
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
        return {"scopes": current_identity.scopes}


def add_coroutines(app: Flask, door: Doorward) -> None:
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
        return {"scopes": current_identity.scopes}
