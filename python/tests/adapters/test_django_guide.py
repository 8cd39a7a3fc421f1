"""What `docs/guides/django.md` says is so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.test import AsyncClient, Client, override_settings
from mysite.configure import GATE
from support import PARTY, Signer
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from doorward import Authenticator
from doorward.django import authenticator
from doorward.testing import DevIssuer, as_user

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "django.md"


@pytest.fixture
def guide(monkeypatch: pytest.MonkeyPatch, keys: Signer) -> dict[str, Any]:
    monkeypatch.setenv("CLERK_JWT_KEY", keys.pem())
    monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", PARTY)
    document = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()], pattern="*.md").parse(GUIDE)
    for example in document.examples():
        example.evaluate()
    return document.namespace


@pytest.fixture
def site(guide: dict[str, Any]) -> Iterator[DevIssuer]:
    issuer = DevIssuer()
    auth: Authenticator = issuer.authenticator()
    changes = {
        "ROOT_URLCONF": tuple(guide["urlpatterns"]),
        "MIDDLEWARE": [*settings.MIDDLEWARE, *guide["MIDDLEWARE"][1:]],
        "DOORWARD": {"AUTH": auth},
    }
    with override_settings(**changes):
        yield issuer


def test_the_first_lines(site: DevIssuer) -> None:
    assert Client().get("/me").status_code == 401
    ada = as_user(Client(), site.mint(sub="ada"))
    assert ada.get("/me").json() == {"user_id": "ada", "user": "ada"}


async def test_guards(site: DevIssuer) -> None:
    ada = as_user(AsyncClient(), site.mint(sub="ada"))
    assert (await ada.get("/profile")).json() == {"user_id": "ada"}
    assert (await ada.get("/hello")).json() == {"hello": "ada"}
    assert (await AsyncClient().get("/hello")).json() == {"hello": "stranger"}
    assert (await AsyncClient().get("/health")).json() == {"status": "ok"}
    assert (await ada.get("/reports")).status_code == 403
    assert (await ada.get("/settings")).status_code == 200
    assert (await AsyncClient().get("/settings")).status_code == 401


def test_rest_framework(site: DevIssuer) -> None:
    editor = as_user(Client(), site.mint(sub="ada", permissions=["org:posts:delete"]))
    assert editor.delete("/drf/posts/7").json() == {"deleted": 7, "by": "ada"}
    for name in ("statistics", "clerk"):
        boss = as_user(Client(), site.mint(org="org_1", role="admin"))
        assert boss.get(f"/drf/{name}").json() == {"organization": "org_1"}
        assert as_user(Client(), site.mint()).get(f"/drf/{name}").status_code == 403


def test_ninja(site: DevIssuer) -> None:
    with override_settings(MIDDLEWARE=[]):
        ada = as_user(Client(), site.mint(sub="ada"))
        assert ada.get("/ninja/me").json() == {"user_id": "ada"}
        assert Client().get("/ninja/me").status_code == 401
        assert Client().get("/ninja/hello").json() == {"hello": "stranger"}
        assert ada.delete("/ninja/posts/7").status_code == 403


def test_its_test(site: DevIssuer, guide: dict[str, Any]) -> None:
    guide["test_delete"]()


def test_its_settings(guide: dict[str, Any]) -> None:
    changes = {
        name: guide[name] for name in ("DOORWARD", "AUTHENTICATION_BACKENDS", "REST_FRAMEWORK")
    }
    with override_settings(**changes, MIDDLEWARE=[*settings.MIDDLEWARE, GATE]):
        assert authenticator().authorized_parties == (PARTY,)
        assert [one for one in checks.run_checks() if one.id.startswith("doorward.")] == []


def test_its_checks_exist() -> None:
    from doorward.django import checks as ours

    text = str(ours.__doc__)
    assert all(f"doorward.E00{number}" in text for number in (1, 2, 3))
    assert all(f"doorward.W00{number}" in text for number in range(1, 9))
