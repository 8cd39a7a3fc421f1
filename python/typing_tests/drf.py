"""What type checkers must say about the REST framework door. Checked, never run."""

from typing import Any

from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import assert_type

from doorward import Authenticator, Identity, Policy, Reason
from doorward.drf import (
    BadCredentials,
    DoorwardAuthentication,
    HasPermission,
    HasRole,
    HasScope,
    Refused,
    Requires,
    RequiresPolicy,
)


class Me(APIView):
    authentication_classes = (DoorwardAuthentication,)
    permission_classes = (
        HasPermission("org:posts:read"),
        HasRole("org:admin") & IsAuthenticated,
        IsAuthenticated | HasScope("posts:read", "posts:write"),
        ~HasRole("org:guest"),
    )

    def get(self, request: Request) -> Response:
        return Response()


def factories() -> None:
    assert_type(HasPermission("org:posts:read"), type[RequiresPolicy])
    assert_type(Requires(role="org:admin", organization=True), type[RequiresPolicy])
    permission: type[BasePermission] = HasRole("org:admin")
    assert permission
    HasPermission()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Requires(rolle="admin")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Requires(accepts="sesion")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Admins(RequiresPolicy):
    policy = Policy(role="org:admin")


class Ours(DoorwardAuthentication):
    def user(self, request: Request, identity: Identity) -> Any:
        return identity.subject


def authenticate(request: Request) -> None:
    answer = Ours().authenticate(request)
    assert_type(answer, tuple[Any, Identity] | None)
    assert_type(Ours().authenticate_header(request), str)
    assert_type(Ours().authenticator, Authenticator)


def refusals(refused: Refused, bad: BadCredentials) -> None:
    assert_type(refused.reason, Reason)
    assert_type(refused.wait, int | None)
    assert_type(bad.auth_header, str | None)
