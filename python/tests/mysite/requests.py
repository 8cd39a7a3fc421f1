"""Requests as servers make them of what is on the wire, and answers to look at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.test import AsyncClient, Client

from . import set_up

set_up()

Fields = Iterable[tuple[str, str]]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def answer_of(response: Any) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content)


def ask(client: Client, method: str, path: str, fields: Fields = ()) -> Answer:
    """Through the WSGI handler. Fields of one name are joined, as every server has to."""
    environ: dict[str, str] = {}
    for name, value in fields:
        key = f"HTTP_{name.upper().replace('-', '_')}"
        # WSGI has bytes as Latin-1 text.
        text = value.encode().decode("latin-1")
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{text}" if key in environ else text
    return answer_of(client.generic(method, path, **environ))


async def aask(client: AsyncClient, method: str, path: str, fields: Fields = ()) -> Answer:
    """Through the ASGI handler, with the fields as they are."""
    parts = urlsplit(path)
    scope = {
        "method": method,
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [
            (b"host", b"testserver"),
            *((name.lower().encode(), value.encode()) for name, value in fields),
        ],
    }
    return answer_of(await client.request(**scope))
