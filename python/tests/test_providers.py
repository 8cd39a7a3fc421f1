"""Every preset against tokens in its provider's shape (`vectors/providers/`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from doorward import ANY, Authenticator, ConfigError, Issuer, Policy, Rejection
from doorward._types import IssuerSettings, Preset
from doorward.testing import DevIssuer

FOLDER = Path(__file__).parents[2] / "vectors" / "providers"
NOW = 1_800_000_000
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}


@pytest.mark.parametrize("name", FILES)
def test_file(name: str) -> None:
    wrong = list(differences(FILES[name]))
    assert not wrong, "\n".join(wrong)


def differences(file: dict[str, Any]) -> Iterator[str]:
    issuer = DevIssuer(issuer=file["issuer"], algorithms=[file["algorithm"]], clock=lambda: NOW)
    for case in file["cases"]:
        settings = {**file["settings"], **case.get("with", {})}
        if "shared_secret" not in settings:
            settings["keys"] = issuer.jwks()
        trusted = Issuer.preset(file["preset"], **settings)
        auth = Authenticator([trusted], accepts=case.get("accepts"), clock=lambda: NOW)
        token = case.get("token") or issuer.mint(**case["mint"])
        try:
            identity = auth.verify(token)
            auth.permit(Policy(**case.get("policy", {})), identity)
        except Rejection as rejection:
            if rejection.reason.value != case["expect"]:
                yield f"{case['name']}: {rejection}, expected {case['expect']}"
            continue
        if case["expect"] != "accept":
            yield f"{case['name']}: accepted, expected {case['expect']}"
        for member, expected in case.get("identity", {}).items():
            found = getattr(identity, member)
            found = list(found) if isinstance(found, tuple) else found
            if found != expected:
                yield f"{case['name']}: {member} is {found!r}, expected {expected!r}"


def test_the_names_are_known_to_type_checkers() -> None:
    assert {file["preset"] for file in FILES.values()} == set(get_args(Preset))
    with pytest.raises(ConfigError, match='did you mean "auth0"'):
        Issuer.preset("auth", domain="acme.auth0.com")  # type: ignore[arg-type]


def test_the_settings_are_known_to_type_checkers() -> None:
    # The engine lists what it knows when it is told something it does not.
    with pytest.raises(ConfigError) as caught:
        Issuer.preset("oidc", qqqqqqqq="?")  # type: ignore[call-arg]
    known = set(str(caught.value).rpartition("known are: ")[2].split(", "))
    assert known == set(IssuerSettings.__annotations__) | {"preset"}


def test_several_issuers_at_once() -> None:
    names = ("auth0", "keycloak", "clerk")
    issuers = {name: DevIssuer(issuer=FILES[name]["issuer"], clock=lambda: NOW) for name in names}
    auth = Authenticator(
        [
            Issuer.preset(name, keys=issuers[name].jwks(), **FILES[name]["settings"])
            for name in names
        ],
        clock=lambda: NOW,
    )
    for name in names:
        good = FILES[name]["cases"][0]["mint"]
        assert auth.verify(issuers[name].mint(**good)).issuer == FILES[name]["issuer"]
        for other in names:
            if other != name:
                # Another issuer's key, whatever the token says of itself.
                forged = issuers[other].mint(**good, iss=FILES[name]["issuer"])
                with pytest.raises(Rejection):
                    auth.verify(forged)
    # What one issuer accepts does not open the door for another: Clerk's OAuth tokens stay out.
    with pytest.raises(Rejection, match="token_kind_not_accepted"):
        auth.verify(issuers["clerk"].mint(kind="oauth"))


def test_a_mapping_is_a_configuration() -> None:
    issuer = DevIssuer(issuer="https://login.example.com", clock=lambda: NOW)
    settings = {"issuer": issuer.issuer, "audience": ANY, "keys": [issuer.jwks()]}
    auth = Authenticator.from_config({**settings, "explain": True})
    assert auth is not None
    auth = Authenticator.from_config({"issuer": [settings], "accepts": ("session_token",)})
    with pytest.raises(ConfigError, match='did you mean "audience"'):
        Authenticator.from_config({**settings, "audiance": "x"})
    with pytest.raises(TypeError, match="object"):
        Authenticator.from_config({**settings, "leeway": object()})


@pytest.mark.parametrize(
    ("preset", "settings", "message"),
    [
        ("auth0", {}, "auth0 needs domain .*AUTH0_DOMAIN"),
        ("auth0", {"domain": "https://acme.eu.auth0.com/"}, 'domain: .* like "acme.eu.auth0.com"'),
        ("auth0", {"domain": "acme.eu.auth0.com"}, "audience: is missing"),
        ("auth0", {"domain": "a.example", "realm": "x"}, "realm: Auth0 has no such setting"),
        ("keycloak", {"url": "https://id.example.com"}, "keycloak needs realm"),
        ("keycloak", {"url": "https://id.example.com", "realm": "../x"}, "realm: "),
        ("entra", {"audience": "x"}, "tenant_id .*; tenants"),
        ("supabase", {"url": "abc.supabase.co"}, "url: "),
        ("better_auth", {"url": "http://frontend:3000"}, "jwks_url: .* plain http"),
    ],
)
def test_mistakes_are_named(preset: Any, settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Authenticator([Issuer.preset(preset, **settings)])


def test_plain_http_within_a_cluster_is_asked_for() -> None:
    cluster = Issuer.preset("better_auth", url="http://frontend:3000", insecure_plain_http=True)
    assert "frontend" in repr(Authenticator([cluster]))
