"""What type checkers must say about the FastAPI door. Checked, never run."""

from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any, TypedDict

import msgspec
from fastapi import Depends, FastAPI, Security, WebSocket
from fastapi.security import SecurityScopes
from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.responses import Response
from typing_extensions import assert_type

from doorward import Authenticator, Identity, Policy, Reason, Rejection
from doorward.fastapi import (
    Guard,
    OptionalGuard,
    Refused,
    WebSocketGuard,
    exception_handler,
    install,
    oauth2,
    openid,
    renew,
    swagger_ui_init_oauth,
    verify_user_access,
    warm_up,
)


class Model(BaseModel):
    sub: str


class Struct(msgspec.Struct):
    sub: str


class Typed(TypedDict):
    sub: str


def construct(auth: Authenticator) -> None:
    assert_type(Guard(auth), Guard)
    assert_type(Guard(auth), Guard[Identity])
    assert_type(Guard[Model](auth), Guard[Model])
    Guard(auth, scheme=oauth2(authorization_url="/a", token_url="/t", scopes="openid"))
    Guard(auth, scheme=openid("https://a.example/.well-known/openid-configuration"))
    Guard(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Guard(auth, sceme=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def derive(guard: Guard) -> None:
    assert_type(guard.optional, OptionalGuard)
    admin = guard.requires(role="org:admin")
    assert_type(admin, Guard)
    assert_type(admin.permits(Policy(organization=True)).optional, OptionalGuard[Identity])
    assert_type(guard.user_in_path("user_id", unless=Policy(scopes="staff")), Guard)
    assert_type(guard.organization_in_path("org", by="slug"), Guard)
    assert_type(guard.claims(Model), Guard[Model])
    assert_type(guard.claims(Struct, on_mismatch="raise"), Guard[Struct])
    assert_type(guard.claims(Typed), Guard[Typed])
    assert_type(guard.claims(Model).requires(role="org:admin").optional, OptionalGuard[Model])
    assert_type(guard.websocket(close_at_expiry=True), WebSocketGuard)
    assert_type(guard.claims(Model).websocket(), WebSocketGuard[Model])
    assert_type(guard.websocket().optional, WebSocketGuard[Identity | None])
    guard.requires(rolle="org:admin")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    guard.organization_in_path("org", by="name")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    guard.claims(Model, on_mismatch="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    guard.websocket(close_on_expiry=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def call(guard: Guard, connection: HTTPConnection, scopes: SecurityScopes) -> None:
    assert_type(await guard(connection, scopes), Identity)
    assert_type(await guard.optional(connection, scopes), Identity | None)
    assert_type(await guard.claims(Model)(connection, scopes), Model)
    assert_type(await guard.claims(Typed).optional(connection, scopes), Typed | None)
    assert_type(guard.websocket()(connection, scopes), AsyncGenerator[Identity, None])


def whatever_it_yields(guard: Guard[Any]) -> None:
    """A parameter for guards of every kind."""


def doors(auth: Authenticator) -> None:
    guard = Guard(auth)
    whatever_it_yields(guard.claims(Model))
    client = swagger_ui_init_oauth("client", scopes=["openid"])
    app = FastAPI(lifespan=guard.lifespan, swagger_ui_init_oauth=client)
    install(app, guard, guard.optional)
    app.add_exception_handler(Refused, exception_handler)

    async def me(
        caller: Annotated[Identity, Depends(guard)],
        visitor: Annotated[Identity | None, Depends(guard.optional)],
        writer: Annotated[Identity, Security(guard, scopes=["posts:write"])],
        claims: Annotated[Model, Depends(guard.claims(Model))],
        user: Annotated[str, Depends(verify_user_access)],
    ) -> list[str | None]:
        return [caller.user_id, visitor.subject if visitor else None, writer.subject, claims.sub]

    route: Callable[..., Any] = app.get("/{user_id}", responses=guard.responses())(me)
    assert callable(route)

    async def listen(websocket: WebSocket, caller: Annotated[Identity, Depends(guard)]) -> None:
        await websocket.accept()
        assert_type(await renew(websocket, await websocket.receive_text()), Identity)

    app.websocket("/ws")(listen)


async def refusals(auth: Authenticator, refused: Refused) -> None:
    await warm_up(auth)
    assert_type(refused.reason, Reason)
    assert_type(refused.rejection, Rejection)
    assert_type(refused.response(), Response)
