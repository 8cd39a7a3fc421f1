"""What OpenAPI and Swagger UI show of a guard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from fastapi import FastAPI, routing
from fastapi.openapi.models import OAuth2, OAuthFlowAuthorizationCode, OAuthFlows, OpenIdConnect

from doorward._authenticator import Authenticator
from doorward._doorward import REASONS
from doorward._rejection import Rejection

from ._door import Door

__all__ = ["document", "oauth2", "openid", "responses", "swagger_ui_init_oauth"]


def oauth2(
    *,
    authorization_url: str,
    token_url: str,
    refresh_url: str | None = None,
    scopes: Mapping[str, str] | Iterable[str] = (),
    description: str | None = None,
) -> OAuth2:
    """The scheme of an authorization server with the code flow, so that Swagger UI can sign in.

    `scopes` are those the button offers, with or without descriptions. Give the client's id with
    `swagger_ui_init_oauth`.
    """
    if isinstance(scopes, str):
        scopes = scopes.split()
    if not isinstance(scopes, Mapping):
        scopes = dict.fromkeys(scopes, "")
    flow = OAuthFlowAuthorizationCode(
        authorizationUrl=_url("authorization_url", authorization_url),
        tokenUrl=_url("token_url", token_url),
        refreshUrl=None if refresh_url is None else _url("refresh_url", refresh_url),
        scopes=dict(cast("Mapping[str, str]", scopes)),
    )
    return OAuth2(flows=OAuthFlows(authorizationCode=flow), description=description)


def openid(url: str, *, description: str | None = None) -> OpenIdConnect:
    """The scheme of an OpenID provider; `url` is that of its discovery document."""
    if "/.well-known/" not in _url("url", url):
        meant = url.rstrip("/") + "/.well-known/openid-configuration"
        raise ValueError(f"url: {url} is no discovery document; did you mean {meant}?")
    return OpenIdConnect(openIdConnectUrl=url, description=description)


def swagger_ui_init_oauth(
    client_id: str,
    *,
    scopes: str | Sequence[str] = (),
    audience: str | None = None,
    app_name: str | None = None,
) -> dict[str, Any]:
    """What `FastAPI(swagger_ui_init_oauth=…)` wants to know to sign in with PKCE (RFC 7636).

    The client must be a public one: everything on that page can be read by everybody, so there is
    no place for a secret. `scopes` are ticked beforehand. `audience` is sent along where the
    provider wants to know which API the token is for.
    """
    if not client_id.strip():
        raise ValueError("client_id is empty")
    settings: dict[str, Any] = {
        "clientId": client_id,
        "usePkceWithAuthorizationCodeGrant": True,
        "scopes": scopes if isinstance(scopes, str) else " ".join(scopes),
    }
    if audience is not None:
        settings["additionalQueryStringParams"] = {"audience": audience}
    if app_name is not None:
        settings["appName"] = app_name
    return settings


def responses(auth: Authenticator) -> dict[int | str, dict[str, Any]]:
    """The refusals of an authenticator, for `responses=` of an application, router or route."""
    return {status: _response(auth, status) for status in _DESCRIPTIONS}


def document(app: FastAPI, auth: Authenticator, scheme_name: str) -> None:
    """Has an application's document tell the refusals of every operation under that scheme."""
    written = app.openapi

    def openapi() -> dict[str, Any]:
        found = written()
        optional = _optional_operations(app, scheme_name)
        for path, item in found.get("paths", {}).items():
            for method, operation in item.items():
                if isinstance(operation, dict):
                    is_optional = (path, method) in optional
                    _complete(cast("dict[str, Any]", operation), auth, scheme_name, is_optional)
        return found

    # FastAPI's own way to change the document.
    app.openapi = openapi  # type: ignore[method-assign]


def _optional_operations(app: FastAPI, scheme_name: str) -> set[tuple[str, str]]:
    """The paths and methods before which only optional guards of that scheme stand."""
    # FastAPI keeps included routers as they are since 0.160; before, all routes are in one list.
    unfold: Any = getattr(routing, "iter_route_contexts", iter)
    found: set[tuple[str, str]] = set()
    for route in unfold(app.routes):
        dependant = getattr(route, "dependant", None)
        kinds = {guard.is_optional for guard in _guards_of(dependant, scheme_name)}
        if kinds == {True}:
            found.update((route.path_format, method.lower()) for method in route.methods)
    return found


def _guards_of(dependant: Any, scheme_name: str) -> Iterator[Door[Any]]:
    for dependency in getattr(dependant, "dependencies", ()):
        guard = dependency.call
        if isinstance(guard, Door) and guard.scheme_name == scheme_name:
            yield guard
        yield from _guards_of(dependency, scheme_name)


def _complete(
    operation: dict[str, Any], auth: Authenticator, scheme_name: str, is_optional: bool
) -> None:
    security: list[dict[str, Any]] = operation.get("security", [])
    if any(scheme_name in demand for demand in security):
        # OpenAPI 3.1 §4.8.30: an empty requirement makes the others optional.
        if is_optional and {} not in security:
            security.insert(0, {})
        told: dict[str, Any] = operation.setdefault("responses", {})
        for status, response in responses(auth).items():
            told.setdefault(str(status), response)


def _response(auth: Authenticator, status: int) -> dict[str, Any]:
    codes = [code for code, its_status, *_ in REASONS if its_status == status]
    header = "Retry-After" if status == 503 else "WWW-Authenticate"
    refused = _sample(auth)
    return {
        "description": _DESCRIPTIONS[status],
        "headers": {name: _HEADERS[name] for name in (header, "Cache-Control")},
        "content": {
            refused.content_type: {
                "schema": (
                    _problem(status, codes)
                    if refused.content_type == "application/problem+json"
                    else _object({"detail": {"type": "string", "enum": codes}})
                )
            }
        },
    }


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    """RFC 9457 §3.1."""
    return _object(
        {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "const": status},
            "detail": {"type": "string"},
            "reason": {"type": "string", "enum": codes},
        }
    )


def _object(members: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "title": "Refusal",
        "properties": members,
        "required": list(members),
    }


def _sample(auth: Authenticator) -> Rejection:
    """How this authenticator answers a request without credentials."""
    try:
        auth.authenticate_nowait([])
    except Rejection as rejection:
        return rejection
    raise AssertionError("nobody is let in without credentials")


def _url(name: str, url: str) -> str:
    """Swagger UI sends people there, so it is encrypted, on this machine, or of this API."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    own = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    if parts.scheme != "https" and not local and not own:
        raise ValueError(f"{name}: expected an https URL, found {url!r}")
    return url


_DESCRIPTIONS = {
    400: "The credentials are not where or how they should be.",
    401: "The credentials are missing or bad.",
    403: "The caller lacks a right.",
    503: "The credentials cannot be judged at the moment.",
}

_HEADERS: dict[str, dict[str, Any]] = {
    "WWW-Authenticate": {
        "description": "A Bearer challenge (RFC 6750 §3).",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which a retry is sensible.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Cache-Control": {"schema": {"type": "string", "const": "no-store"}},
}
