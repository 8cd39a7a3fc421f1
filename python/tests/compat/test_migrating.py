"""What the page for newcomers shows does what it says."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from support import PARTY, Signer, bearer
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

PAGE = Path(__file__).parents[3] / "docs" / "migrating.md"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, keys: Signer) -> dict[str, Any]:
    monkeypatch.setenv("CLERK_JWT_KEY", keys.pem())
    monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", PARTY)
    monkeypatch.setenv("BETTER_AUTH_URL", "https://app.example.com")
    document = Sybil(parsers=[PythonCodeBlockParser()], pattern="*.md").parse(PAGE)
    for example in document.examples():
        example.evaluate()
    return document.namespace


def test_its_routes(page: dict[str, Any], keys: Signer) -> None:
    client = TestClient(page["app"])
    token = bearer(keys.session(now=time.time(), email="ada@example.com"))
    assert client.get("/session", headers=token).json() == "sess_1"
    expected = {"user_id": "user_1", "session": "sess_1", "email": "ada@example.com"}
    assert client.get("/bridged", headers=token).json() == expected
    for path in ("/mine", "/session", "/bridged", "/files", "/api/user_1/tasks"):
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    # Those who issued this token are strangers there.
    for path in ("/mine", "/files", "/api/user_1/tasks"):
        answer = client.get(path, headers=token)
        assert answer.status_code == 401
        assert answer.json() == {"detail": "issuer_unknown"}


def test_its_recipe_for_tests(page: dict[str, Any]) -> None:
    def override(request):  # type: ignore[no-untyped-def]
        request.state.user_id = "user_7"
        return "mock"

    page["app"].dependency_overrides[page["JWTBearer"]] = override
    client = TestClient(page["app"])
    assert client.get("/api/user_7/tasks").json() == {"user_id": "user_7"}
    assert client.get("/api/user_8/tasks").status_code == 403


def test_its_flask(page: dict[str, Any], keys: Signer) -> None:
    client = page["site"].test_client()
    token = bearer(keys.session(now=time.time()))
    assert client.get("/health").text == "ok"
    assert client.get("/profile", headers=token).get_json() == {"user_id": "user_1"}
    assert client.delete("/posts", headers=token).get_json() == {"by": "user_1"}
    member = bearer(keys.session(now=time.time(), fea=None))
    assert client.delete("/posts", headers=member).status_code == 403
    for headers in ({}, bearer("junk")):
        assert client.get("/profile", headers=headers).status_code == 401
    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "GET"}
    assert client.options("/profile", headers=preflight).status_code == 200
    assert client.get("/nowhere").status_code == 404


def test_its_own_links() -> None:
    text = PAGE.read_text("utf-8")
    headings = {
        heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.+)$", text, re.M)
    }
    anchors = set(re.findall(r"\(#([^)]+)\)", text))
    assert anchors
    assert anchors <= headings
