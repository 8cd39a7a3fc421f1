"""The table of requests and answers in `vectors/http/`, for every adapter's own test client.

    @pytest.mark.parametrize(("table", "case"), rows())
    def test_row(table: str, case: Case) -> None:
        sent = case["method"], path(table, case), headers(table, case)
        answer = …
        check(table, case, status=…, headers=…, body=…)

`vectors/http/README.md` describes the little application behind it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from doorward import Authenticator
from doorward.testing import DevIssuer

NOW = 1_800_000_000
ISSUER = "https://clerk.example.com"
PARTY = "http://localhost:3000"
FOLDER = Path(__file__).parents[2] / "vectors" / "http"

#: One row: `method`, `path`, `headers`, `status`, `www_authenticate`, `retry_after`, `body`.
Case = dict[str, Any]
TABLES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))
}


def rows(*doors: Any, in_front: Iterable[Any] | bool = True) -> list[Any]:
    """Every row, for every door: parameters `(table, case)`, or `(door, table, case)`.

    `in_front` says which doors stand before the router (or whether the only one does): rows about
    what a router would answer first are left out for the others.
    """
    front = list(doors) if in_front is True else [] if in_front is False else list(in_front)
    found: list[Any] = []
    for door in doors or (None,):
        before_the_router = (in_front is True) if door is None else door in front
        for table, content in TABLES.items():
            for case in content["cases"]:
                if case.get("in_front") and not before_the_router:
                    continue
                name = f"{table}-{case['name']}"
                if door is None:
                    found.append(pytest.param(table, case, id=name))
                else:
                    label = getattr(door, "__name__", str(door))
                    found.append(pytest.param(door, table, case, id=f"{label}-{name}"))
    return found


def authenticator(table: str, **changes: Any) -> Authenticator:
    """The authenticator the application of a table stands behind."""
    settings = TABLES[table]
    down = settings.get("issuer_down", False)
    arguments: dict[str, Any] = {
        "publishable_key": issuer().publishable_key,
        "jwt_key": None if down else issuer().jwks(),
        "jwks_url": f"http://127.0.0.1:{closed_port()}/jwks.json" if down else None,
        "authorized_parties": PARTY,
        "accepts": ["session_token", "oauth_token"],
        "clock": clock,
        "explain": settings.get("explain", False),
        "problem_details": settings.get("problem_details", False),
        **settings.get("resource", {}),
        **changes,
    }
    return Authenticator.clerk(**arguments)


def path(table: str, case: Case) -> str:
    return fill(table, case["path"])


def headers(table: str, case: Case) -> list[tuple[str, str]]:
    """The request's fields in order; two of a name are two lines. Their text is sent as UTF-8."""
    return [(name, fill(table, value)) for name, value in case["headers"]]


def check(
    table: str, case: Case, *, status: int, headers: Mapping[str, str], body: bytes | str
) -> None:
    """Compares an answer with its row. Names of `headers` are found in lower case."""
    assert status == case["status"], body
    assert headers.get("www-authenticate") == case["www_authenticate"]
    assert (headers.get("retry-after") is not None) == case["retry_after"]
    if case["body"] is None:
        return
    assert json.loads(body) == case["body"]
    if case["status"] >= 400:
        assert headers["cache-control"] == "no-store"
        problem = TABLES[table].get("problem_details", False)
        assert headers["content-type"] == (
            "application/problem+json" if problem else "application/json"
        )


@cache
def issuer() -> DevIssuer:
    return DevIssuer(issuer=ISSUER, clock=clock)


@cache
def tokens(table: str) -> dict[str, str]:
    """The tokens of a table, by the holes they fill."""
    return {f"<{name}>": token(spec) for name, spec in TABLES[table]["tokens"].items()}


def token(spec: Any) -> str:
    if isinstance(spec, str):
        return spec
    if "repeat" in spec:
        return str(spec["repeat"] * spec["times"])
    return issuer().mint(**spec)


def fill(table: str, text: str) -> str:
    for hole, token in tokens(table).items():
        text = text.replace(hole, token)
    return text


def clock() -> float:
    return NOW


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
