"""What type checkers must say about the package. Checked, never run."""

from typing import Any

from typing_extensions import assert_type

import doorward
from doorward import ANY, Authenticator, Identity, Issuer, Policy, Reason, Rejection
from doorward.asgi import ASGIApp, AuthMiddleware


class Tenant(Authenticator):
    """Class methods build the class they are called on."""


def construct() -> None:
    one = Authenticator([Issuer(issuer="https://a.example", audience=ANY, keys="…")])
    assert_type(one, Authenticator)
    assert_type(Authenticator.clerk(publishable_key="pk_test_…"), Authenticator)
    assert_type(Tenant.from_env(), Tenant)
    Authenticator([], accepts="seesion_token")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Issuer(issuer="https://a.example")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def verdicts(auth: Authenticator, scope: dict[str, Any]) -> None:
    assert_type(await auth.authenticate(scope), Identity)
    assert_type(auth.authenticate_blocking(scope), Identity)
    assert_type(auth.verify(b"a.b.c"), Identity)
    assert_type(await auth.verify_async("a.b.c"), Identity)


def read(identity: Identity, rejection: Rejection) -> None:
    assert_type(identity.subject, str)
    assert_type(identity.user_id, str | None)
    assert_type(identity.permissions, tuple[str, ...])
    assert_type(identity.has(permission="org:posts:delete"), bool)
    assert_type(rejection.reason, Reason)
    identity.subject = "me"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def payload() -> None:
    assert_type(doorward.jws.verify("a.b.c", keys="…", algorithms=["ES256"]), bytes)


def doors(auth: Authenticator, app: ASGIApp) -> None:
    AuthMiddleware(app, auth, exclude=["/health"], policy=Policy(role="admin"))
    AuthMiddleware(app, auth, optinal=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
