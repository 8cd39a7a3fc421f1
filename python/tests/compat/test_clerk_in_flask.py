"""What people build in Flask around `authenticate_request`, with only the import line changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, abort, current_app, g, jsonify, request
from support import PARTY, Signer, bearer, signer
from werkzeug.exceptions import HTTPException

from doorward import Authenticator
from doorward.compat.clerk_backend_api import (
    AuthenticateRequestOptions,
    authenticate_request,
    authenticate_request_async,
)
from doorward.compat.clerk_backend_api.security import authenticaterequest

View = Callable[..., Any]
SECRET = "sk_test_plantedplantedplantedplanted"


def options() -> AuthenticateRequestOptions:
    return AuthenticateRequestOptions(
        secret_key=current_app.config["CLERK_SECRET_KEY"],
        jwt_key=current_app.config.get("CLERK_JWT_KEY"),
        authorized_parties=current_app.config["CLERK_AUTHORIZED_PARTIES"],
        accepts_token=["session_token"],
    )


def remember_caller() -> None:
    """What the guides do first in a decorator, or before each request."""
    state = authenticate_request(request, options())
    if not state.is_signed_in:
        abort(401, description=state.reason or "unauthorized")
    assert state.payload is not None
    g.auth_state = state
    g.user_id = state.payload["sub"]


def signed_in(view: View) -> View:
    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        remember_caller()
        return current_app.ensure_sync(view)(*args, **kwargs)

    return wrapper


def signed_in_async(view: View) -> View:
    @wraps(view)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        state = await authenticate_request_async(request, options())
        if not state.is_signed_in:
            abort(401, description=state.reason)
        g.auth_state = state
        return await view(*args, **kwargs)

    return wrapper


def permitted(permission: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if permission not in (g.auth_state.payload.get("org_permissions") or []):
                abort(403, description=f"missing permission: {permission}")
            return view(*args, **kwargs)

        return wrapper

    return decorate


def in_role(role: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if not g.auth_state.payload.get("org_id"):
                abort(403, description="no organization context")
            if g.auth_state.payload.get("org_role") != role:
                abort(403, description=f"missing role: {role}")
            return view(*args, **kwargs)

        return wrapper

    return decorate


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.update(
        CLERK_SECRET_KEY=SECRET,
        CLERK_JWT_KEY=signer().pem(),
        CLERK_AUTHORIZED_PARTIES=[PARTY],
    )
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.get("/me")
    @signed_in
    def me() -> Any:
        return jsonify({"user_id": g.user_id})

    @api.get("/later")
    @signed_in
    async def later() -> Any:
        return {"user_id": g.user_id}

    @api.get("/async")
    @signed_in_async
    async def all_async() -> Any:
        return {"user_id": g.auth_state.payload["sub"]}

    @api.delete("/posts")
    @signed_in
    @permitted("org:posts:delete")
    def delete() -> str:
        return "deleted"

    @api.get("/secrets")
    @signed_in
    @permitted("org:posts:burn")
    def burn() -> str:
        raise AssertionError("let in")

    @api.get("/admin")
    @signed_in
    @in_role("admin")
    def admin() -> str:
        return "admin"

    app.register_blueprint(api)
    return app


def with_json_errors(app: Flask) -> Flask:
    names = {401: "unauthorized", 403: "forbidden"}

    @app.errorhandler(HTTPException)
    def as_json(error: HTTPException) -> Any:
        error_name = names.get(error.code or 500, error.name)
        return jsonify({"error": error_name, "reason": error.description}), error.code

    assert as_json
    return app


@pytest.fixture
def token(keys: Signer) -> str:
    return keys.session(now=time.time())


@pytest.mark.parametrize("path", ["/api/me", "/api/later", "/api/async"])
def test_a_good_token(token: str, path: str) -> None:
    client = create_app().test_client()
    for scheme in ("Bearer", "bearer"):
        answer = client.get(path, headers={"Authorization": f"{scheme} {token}"})
        assert answer.get_json() == {"user_id": "user_1"}
    client.set_cookie("__session", token)
    assert client.get(path).get_json() == {"user_id": "user_1"}


@pytest.mark.parametrize("path", ["/api/me", "/api/later", "/api/async"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (None, "session-token-missing"),
        ({"exp": 1_000_000_000}, "token-expired"),
        ({"azp": "https://evil.example"}, "token-invalid-authorized-parties"),
        ({"exp": None}, "token-invalid"),
        ({"sub": None}, "token-invalid"),
        ({"headers": {"typ": "at+jwt"}}, "token-type-not-supported"),
    ],
)
def test_a_json_error_says_the_reason(keys: Signer, path: str, changes: Any, reason: str) -> None:
    client = with_json_errors(create_app()).test_client()
    headers = {} if changes is None else bearer(keys.session(now=time.time(), **changes))
    answer = client.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.get_json() == {"error": "unauthorized", "reason": reason}


def test_a_page_says_the_reason() -> None:
    answer = create_app().test_client().get("/api/me")
    assert answer.status_code == 401
    assert "<p>session-token-missing</p>" in answer.text


def test_rights(token: str, keys: Signer) -> None:
    client = with_json_errors(create_app()).test_client()
    assert client.delete("/api/posts", headers=bearer(token)).text == "deleted"
    assert client.get("/api/admin", headers=bearer(token)).text == "admin"
    answer = client.get("/api/secrets", headers=bearer(token))
    assert answer.status_code == 403
    assert answer.get_json()["reason"] == "missing permission: org:posts:burn"
    alone = keys.session(now=time.time(), o=None, fea=None)
    assert client.get("/api/admin", headers=bearer(alone)).status_code == 403
    assert client.delete("/api/posts", headers=bearer(alone)).status_code == 403


def test_a_guard_before_every_request(token: str) -> None:
    app = with_json_errors(create_app())
    app.get("/health", endpoint="health")(lambda: "ok")
    app.get("/whoami")(lambda: g.user_id)

    @app.before_request
    def authenticate() -> None:
        if request.endpoint != "health":
            remember_caller()

    assert authenticate
    client = app.test_client()
    assert client.get("/health").text == "ok"
    assert client.get("/whoami", headers=bearer(token)).text == "user_1"
    for headers in ({}, bearer("junk")):
        answer = client.get("/whoami", headers=headers)
        assert answer.status_code == 401
        assert answer.get_json()["error"] == "unauthorized"


def test_a_refusal_can_be_answered_as_it_is(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app()

    @app.get("/")
    def index() -> Any:
        state = authenticate_request(request, options())
        refused = state.rejection
        if refused is None:
            return "in"
        headers = [*refused.headers, ("content-type", refused.content_type)]
        return Response(refused.body, refused.status, headers)

    client = app.test_client()
    assert client.get("/", headers=bearer(token)).text == "in"
    answer = client.get("/")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.get_json() == {"detail": "credentials_missing"}
    # Nothing listens on the discard port; a refused connection is answered at once.
    unreachable = Authenticator.clerk(secret_key=SECRET, api_url="http://127.0.0.1:9")
    monkeypatch.setattr(authenticaterequest, "engine", lambda options: unreachable)
    answer = client.get("/", headers=bearer(token))
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert answer.get_json() == {"detail": "keys_unavailable"}
