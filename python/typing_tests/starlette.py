"""What type checkers must say about the Starlette door. Checked, never run."""

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import AuthenticationError
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from typing_extensions import assert_type

from doorward import Authenticator, Identity, Policy, Reason, Rejection
from doorward.starlette import (
    AuthMiddleware,
    BadCredentials,
    DoorwardBackend,
    Guard,
    Refused,
    authorize,
    exception_handler,
    identity,
    on_error,
    optional_identity,
    permits,
    renew,
    requires,
)


def doors(auth: Authenticator) -> None:
    async def index(request: Request) -> Response:
        return Response(identity(request).subject)

    Starlette(
        routes=[
            Route("/", index, middleware=[Middleware(AuthMiddleware, auth=auth, optional=True)])
        ],
        middleware=[
            Middleware(AuthMiddleware, auth=auth, exclude=["/health"], policy=Policy(role="admin")),
            Middleware(AuthenticationMiddleware, backend=DoorwardBackend(auth), on_error=on_error),
        ],
        exception_handlers={Refused: exception_handler},
    )
    DoorwardBackend("sk_test_…")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def decorate(auth: Authenticator) -> None:
    admin = requires(role="admin", auth=auth, redirect="login", close_at_expiry=True)
    assert_type(admin, Guard)
    assert_type(permits(Policy(role="admin"), auth=auth), Guard)
    requires(rolle="admin")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    requires("admin")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]

    @admin
    async def asynchronous(request: Request) -> Response:
        return Response()

    @admin
    def synchronous(request: Request) -> Response:
        return Response()

    @admin
    async def socket(websocket: WebSocket) -> None: ...

    @admin
    class Whole(HTTPEndpoint):
        @requires(permission="org:posts:delete")
        async def delete(self, request: Request) -> Response:
            return Response()

    @admin
    class Echo(WebSocketEndpoint):
        async def on_receive(self, websocket: WebSocket, data: Any) -> None: ...

    # What is called with what stays known; classes stay classes.
    kept: Callable[[Request], Any] = synchronous
    assert callable(kept)
    synchronous("request")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(Whole, type[Whole])
    Starlette(
        routes=[
            Route("/a", asynchronous),
            Route("/s", synchronous),
            Route("/w", Whole),
            WebSocketRoute("/socket", socket),
            WebSocketRoute("/echo", Echo),
        ]
    )


async def read(request: Request, websocket: WebSocket) -> None:
    assert_type(identity(request), Identity)
    assert_type(optional_identity(websocket), Identity | None)
    assert_type(identity(request).user_id, str | None)
    assert_type(await authorize(request, Policy(role="admin")), Identity)
    assert_type(await renew(websocket, "…"), Identity)
    await renew(request, "…")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def refuse(
    refused: Refused, bad: BadCredentials, connection: HTTPConnection, error: AuthenticationError
) -> None:
    assert_type(refused.reason, Reason)
    assert_type(refused.rejection, Rejection)
    assert_type(refused.response(), Response)
    assert_type(bad.rejection, Rejection)
    assert_type(on_error(connection, error), Response)
