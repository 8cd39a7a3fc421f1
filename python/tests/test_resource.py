"""A protected resource (RFC 9728): its metadata, and what its refusals say."""

from __future__ import annotations

from typing import Any

import pytest

from doorward import Authenticator, ConfigError, Issuer, ProtectedResource, Rejection
from doorward.testing import DevIssuer

RESOURCE = "https://mcp.example.com/mcp"
KNOWN = "/.well-known/oauth-protected-resource"


@pytest.fixture
def issuer() -> DevIssuer:
    return DevIssuer(issuer="https://login.example.com")


def settings(issuer: DevIssuer, **more: Any) -> dict[str, Any]:
    return {
        "issuer": [{"issuer": issuer.issuer, "keys": issuer.jwks(), "accepts": "oauth_token"}],
        "resource": RESOURCE,
        **more,
    }


def test_the_metadata_follow_from_the_settings(issuer: DevIssuer) -> None:
    auth = Authenticator.from_config(
        settings(issuer, scopes_supported=["notes:read"], resource_name="Notes")
    )
    resource = auth.resource
    assert isinstance(resource, ProtectedResource)
    assert resource.identifier == RESOURCE
    assert resource.metadata_url == f"https://mcp.example.com{KNOWN}/mcp"
    assert resource.paths == (KNOWN, f"{KNOWN}/mcp")
    assert resource.metadata == {
        "resource": RESOURCE,
        "authorization_servers": ["https://login.example.com"],
        "scopes_supported": ["notes:read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Notes",
    }


def test_the_metadata_are_answered_as_they_go_out(issuer: DevIssuer) -> None:
    resource = Authenticator.from_config(settings(issuer)).resource
    assert resource is not None
    answer = resource.answer("GET", f"{KNOWN}/mcp")
    assert answer is not None
    status, headers, body = answer
    assert status == 200
    assert ("content-type", "application/json") in headers
    assert ("access-control-allow-origin", "*") in headers
    assert body.startswith(b"{")
    assert resource.answer("GET", "/mcp") is None


def test_a_refusal_says_how_to_get_in(issuer: DevIssuer) -> None:
    auth = Authenticator(
        [Issuer(issuer=issuer.issuer, audience=RESOURCE, keys=issuer.jwks())],
        resource=RESOURCE,
        scopes_supported=["notes:read", "notes:write"],
        challenge_scopes="notes:read",
    )
    with pytest.raises(Rejection) as refused:
        auth.authenticate_blocking({"type": "http", "headers": []})
    challenge = dict(refused.value.headers)["www-authenticate"]
    where = f"https://mcp.example.com{KNOWN}/mcp"
    assert challenge == f'Bearer scope="notes:read", resource_metadata="{where}"'


def test_scopes_that_others_hold_are_told(issuer: DevIssuer) -> None:
    auth = Authenticator.from_config(
        settings(issuer, scope_implies={"admin": ["write"], "write": ["read", "admin"]})
    )
    identity = auth.verify(issuer.mint(kind="oauth", scopes=["write"], claims={"aud": RESOURCE}))
    assert identity.scopes == ("write",)
    assert identity.implied_scopes == ("admin", "read")


def test_without_a_resource_there_is_none(issuer: DevIssuer) -> None:
    auth = Authenticator([Issuer(issuer=issuer.issuer, audience="a", keys=issuer.jwks())])
    assert auth.resource is None


def test_a_mistake_names_its_setting(issuer: DevIssuer) -> None:
    with pytest.raises(ConfigError, match=r"resource: .*https"):
        Authenticator.from_config(settings(issuer, resource="http://mcp.example.com"))


def test_a_tool_takes_its_scopes(issuer: DevIssuer) -> None:
    auth = Authenticator.from_config(settings(issuer, tool_scopes={"add": "notes:write"}))
    identity = auth.verify(issuer.mint(kind="oauth", scopes=["a"], claims={"aud": RESOURCE}))
    call = b'{"method": "tools/call", "params": {"name": "%s"}}'
    auth.permit_call(identity, call % b"list")
    with pytest.raises(Rejection) as lacking:
        auth.permit_call(identity, call % b"add")
    assert lacking.value.status == 403
    assert 'scope="a notes:write"' in dict(lacking.value.headers)["www-authenticate"]
    with pytest.raises(Rejection) as malformed:
        auth.permit_call(identity, b"[")
    assert malformed.value.reason == "call_malformed"


def test_a_session_is_its_callers(issuer: DevIssuer) -> None:
    auth = Authenticator.from_config(settings(issuer))

    def caller(sub: str) -> Any:
        return auth.verify(issuer.mint(kind="oauth", sub=sub, claims={"aud": RESOURCE}))

    bound = auth.bind_session("abc", caller("ada"))
    assert bound is not None
    assert auth.bound_session(bound, caller("ada")) == "abc"
    assert auth.bound_session(bound, caller("eve")) is None
    assert auth.bound_session("abc", caller("ada")) is None
