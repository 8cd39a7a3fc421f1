"""What type checkers must say about the Quart door. Checked, never run."""

from collections.abc import Callable
from typing import Any

from quart import Blueprint, Quart
from quart.views import MethodView
from typing_extensions import assert_type

from doorward import Authenticator, Identity, Policy, Reason, Rejection
from doorward.quart import (
    AuthState,
    CrossOrigin,
    Doorward,
    Refused,
    authenticated,
    current_identity,
    public,
    rejected,
)


def construct(app: Quart, auth: Authenticator) -> None:
    Doorward()
    Doorward(app)
    door = Doorward(app, auth, protect=True, public=["health"], policy=Policy(role="admin"))
    Doorward(auth=auth, check_origin=False).init_app(app)
    door.protect(Blueprint("api", __name__), public="health", policy=Policy(role="admin"))
    door.check(app)
    Doorward(auth)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Doorward(app, protekt=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def decorate(door: Doorward) -> None:
    def view(post: int) -> str:
        return str(post)

    async def coroutine(post: int) -> str:
        return str(post)

    # A guard leaves the type of a view as it is, bare or with parentheses.
    assert_type(door.required(view)(7), str)
    assert_type(door.required()(view)(7), str)
    assert_type(door.optional(view)(7), str)
    assert_type(door.optional()(view)(7), str)
    assert_type(door.requires(view)(7), str)
    assert_type(door.requires(role="admin")(view)(7), str)
    assert_type(door.permits(Policy(role="admin"))(view)(7), str)
    assert_type(public(view)(7), str)
    kept: Callable[[int], Any] = door.required(coroutine)
    assert callable(kept)
    door.required(view)("seven")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    door.requires(rolle="admin")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    door.requires("admin")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def route(app: Quart, door: Doorward) -> None:
    @app.get("/")
    @door.required
    def below() -> str:
        return current_identity.subject

    @door.requires(permission="org:posts:delete")
    @app.delete("/")
    async def above() -> str:
        return current_identity.subject

    @public
    class Open(MethodView):
        def get(self) -> str:
            return ""

        @door.required
        def post(self) -> str:
            return ""

    app.add_url_rule("/open", view_func=Open.as_view("open"))
    assert callable(below)
    assert callable(above)


def read(door: Doorward, state: AuthState, refused: Refused, crossed: CrossOrigin) -> None:
    # Where a caller is required there is one; where it is optional, `identity` may be `None`.
    assert_type(current_identity, Identity)
    assert_type(door.identity, Identity | None)
    assert_type(state.is_signed_in, bool)
    assert_type(state.identity, Identity | None)
    assert_type(state.user_id, str | None)
    assert_type(state.payload, dict[str, Any])
    assert_type(refused.rejection, Rejection)
    assert_type(refused.reason, Reason)
    assert_type(crossed.get_body(), str)


def listen(app: Quart) -> None:
    def receiver(sender: Quart, **kwargs: Any) -> None: ...

    authenticated.connect(receiver, app)
    rejected.connect(receiver, app)
    app.register_error_handler(Refused, lambda error: ("", 401))


async def talk(door: Doorward) -> None:
    assert_type(await door.recheck(), Identity)
    door.close_at_expiry()
