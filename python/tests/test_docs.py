"""Every Python block of the README and the guides runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from support import PARTY, Signer, bearer
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from webhook_table import SECRET

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, keys: Signer) -> None:
    monkeypatch.setenv("CLERK_JWT_KEY", keys.pem())
    monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", PARTY)
    monkeypatch.setenv("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)


def run(path: Path) -> dict[str, Any]:
    """Evaluates the blocks of one document in order, and returns what they defined."""
    sybil = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()], pattern="*.md")
    document = sybil.parse(path)
    for example in document.examples():
        example.evaluate()
    return document.namespace


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_run(path: Path) -> None:
    if path.name == "mcp-fastmcp.md":
        pytest.importorskip("fastmcp")
    run(path)


def test_the_readme_guards_an_api(keys: Signer) -> None:
    import time

    client = TestClient(run(ROOT / "README.md")["app"])
    answer = client.get("/me", headers=bearer(keys.session(now=time.time())))
    assert answer.json() == {"user_id": "user_1", "organization": "org_1"}
    assert client.get("/me").status_code == 401


def test_the_webhook_guides_views_take_events(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from doorward.webhooks import sign

    names = run(ROOT / "docs" / "guides" / "webhooks.md")
    body = b'{"type":"user.created","data":{"id":"user_1"}}'
    fields = sign(SECRET, "msg_1", time.time(), body)
    asked = TestClient(names["api"]).post("/webhooks/clerk", content=body, headers=fields)
    assert (asked.status_code, asked.json()) == (200, {"ok": True})
    asked = names["app"].test_client().post("/webhooks/clerk", data=body, headers=fields)
    assert (asked.status_code, asked.json) == (200, {"ok": True})
