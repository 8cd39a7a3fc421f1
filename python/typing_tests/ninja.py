"""What type checkers must say about the Ninja door. Checked, never run."""

from ninja import NinjaAPI, Router
from typing_extensions import assert_type

from doorward import Authenticator, Identity, Policy, Reason
from doorward.ninja import AuthenticatedRequest, DoorwardAuth, OptionalRequest, Refused


def construct(auth: Authenticator) -> None:
    guard = DoorwardAuth()
    assert_type(DoorwardAuth(auth), DoorwardAuth)
    assert_type(guard.optional, DoorwardAuth)
    assert_type(guard.requires(role="org:admin"), DoorwardAuth)
    assert_type(guard.permits(Policy(role="org:admin")), DoorwardAuth)
    guard.requires(rolle="admin")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    api = NinjaAPI(auth=guard)
    api.add_router("/admin", Router(auth=guard.requires(role="org:admin")))

    @api.get("/me")
    async def me(request: AuthenticatedRequest) -> str:
        assert_type(request.auth, Identity)
        assert_type(request.identity, Identity)
        return request.auth.subject

    @api.get("/hello", auth=guard.optional)
    def hello(request: OptionalRequest) -> str:
        assert_type(request.auth, Identity | None)
        return request.auth.subject if request.auth else "stranger"

    assert callable(me)
    assert callable(hello)


def refusals(refused: Refused) -> None:
    assert_type(refused.reason, Reason)
    assert_type(refused.status_code, int)
