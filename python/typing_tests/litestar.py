"""What type checkers must say about the Litestar door. Checked, never run."""

import re

from litestar import Controller, Litestar, Request, Router, WebSocket, get, websocket
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler
from litestar.response import Response
from typing_extensions import assert_type

from doorward import Authenticator, Identity, Policy, Reason, Rejection
from doorward.litestar import (
    DoorwardPlugin,
    Guard,
    NotAuthorized,
    Refused,
    User,
    authorize,
    exception_handler,
    permits,
    provide_identity,
    provide_optional_identity,
    renew,
    requires,
)


def construct(auth: Authenticator) -> None:
    DoorwardPlugin()
    DoorwardPlugin(auth, exclude="/health", optional=True, policy=Policy(role="admin"))
    plugin = DoorwardPlugin(exclude=["/health", re.compile(r"/v\d+/status")], close_at_expiry=True)
    assert_type(plugin.auth, Authenticator)
    Litestar(plugins=[plugin], exception_handlers={Refused: exception_handler})
    Router("/", route_handlers=[], middleware=[plugin.middleware])
    DoorwardPlugin(exlude=["/health"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    DoorwardPlugin("sk_test_…")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def guard(policy: Policy) -> None:
    admin = requires(role="admin")
    assert_type(admin, Guard)
    assert_type(permits(policy), Guard)
    assert_type(admin.policy, Policy)
    requires(rolle="admin")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    requires("admin")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]

    @get("/", guards=[admin, permits(policy)])
    async def handler() -> None: ...

    class Guarded(Controller):
        guards = (admin,)

    Litestar([handler, Guarded], guards=[requires()])


async def read(
    request: Request[User, Identity, State],
    guest: Request[User, Identity | None, State],
    socket: WebSocket[User, Identity, State],
) -> None:
    assert_type(request.auth, Identity)
    assert_type(request.auth.user_id, str | None)
    assert_type(request.user, User)
    assert_type(request.user.is_authenticated, bool)
    assert_type(guest.auth, Identity | None)
    assert guest.auth.subject  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    assert_type(await authorize(request), Identity)
    assert_type(await authorize(socket, Policy(role="admin")), Identity)
    assert_type(await renew(socket, "…"), Identity)
    await renew(request, "…")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def depend() -> None:
    @get("/")
    async def handler(
        identity: NamedDependency[Identity],
        optional_identity: NamedDependency[Identity | None],
        caller: NamedDependency[Identity],
    ) -> list[str | None]:
        assert_type(identity, Identity)
        assert_type(optional_identity, Identity | None)
        return [identity.user_id, optional_identity and optional_identity.user_id, caller.user_id]

    @websocket("/")
    async def socket(socket: WebSocket[User, Identity, State]) -> None: ...

    Litestar(
        [handler, socket],
        dependencies={
            "caller": Provide(provide_identity),
            "visitor": Provide(provide_optional_identity),
        },
    )


def refuse(refused: Refused, unauthorized: NotAuthorized) -> None:
    assert_type(refused.reason, Reason)
    assert_type(refused.rejection, Rejection)
    assert_type(refused.response(), Response[bytes])
    assert_type(unauthorized.status_code, int)
    assert_type(unauthorized.reason, Reason)


async def own_guard(
    connection: ASGIConnection[BaseRouteHandler, User, Identity, State], _: BaseRouteHandler
) -> None:
    assert_type(await authorize(connection), Identity)
