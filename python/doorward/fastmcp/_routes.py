"""Starlette routes that hand a request to the engine, and its answer back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.routing import Route

from doorward._authenticator import settled
from doorward._rejection import ConfigError

if TYPE_CHECKING:
    from doorward._doorward import AuthorizationServer, ProtectedResource
    from doorward.mcp import Receive, Scope, Send


def document_routes(resource: ProtectedResource) -> list[Route]:
    """The protected resource's metadata (RFC 9728), at each of its places."""
    return [Route(path, endpoint=_Document(resource, path)) for path in resource.paths]


class _Document:
    def __init__(self, resource: ProtectedResource, path: str) -> None:
        self._resource = resource
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._resource.answer(scope["method"], self._path)
        assert answer is not None, "the path is one of its own"
        status, headers, body = answer
        await _send(send, status, [(n.encode(), v.encode()) for n, v in headers], body)


class Endpoint:
    """One endpoint of the authorization server. `target` is its path as the world sees it; where
    the application is mounted, that is not the path it is asked for.
    """

    def __init__(self, server: Callable[[], AuthorizationServer], target: str) -> None:
        self._server = server
        self._target = target

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            return
        query: bytes = scope.get("query_string", b"")
        target = self._target + (f"?{query.decode('latin-1')}" if query else "")
        client = scope.get("client")
        handling = self._server().handle(
            scope["method"], target, scope["headers"], body, client[0] if client else None
        )
        answer = handling.response()
        if answer is None:
            await settled(handling)
            answer = handling.response()
        status, headers, content = answer or (503, [(b"retry-after", b"5")], b"")
        await _send(send, status, headers, content)


def one_path(known: str | None, asked: str | None) -> str | None:
    """The path of the one MCP server that a provider stands for. Raises `ConfigError` for another:
    tokens are made for one resource.
    """
    if known is None or asked is None or asked == known:
        return known if asked is None else asked
    raise ConfigError(
        f"path: these tokens are for the MCP server at {known!r}; one at {asked!r} takes a provider"
        " of its own"
    )


async def _body(receive: Receive) -> bytes | None:
    """The body, or more than the engine takes of one; `None` if the client has gone."""
    body = bytearray()
    more = True
    while more and len(body) <= _MOST_READ:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    lines = [line for line in headers if line[0] != b"content-length"]
    lines.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


#: In bytes. The engine refuses (413) what is longer.
_MOST_READ = 64 * 1024
