"""What type checkers must say about the Django door. Checked, never run."""

from collections.abc import Callable, Coroutine
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.generic import View
from typing_extensions import assert_type

from doorward import Authenticator, Identity, Policy, Reason, Rejection
from doorward.django import (
    AuthenticatedRequest,
    AuthMiddleware,
    AuthState,
    OptionalMixin,
    OptionalRequest,
    RequiredMixin,
    TokenUser,
    authenticator,
    optional,
    permits,
    public,
    required,
    requires,
)
from doorward.django.backends import DoorwardBackend


def member(request: AuthenticatedRequest, post: int) -> JsonResponse:
    assert_type(request.identity, Identity)
    return JsonResponse({"post": post, "by": request.identity.subject})


async def amember(request: AuthenticatedRequest, post: int) -> JsonResponse:
    return member(request, post)


def visitor(request: OptionalRequest) -> HttpResponse:
    assert_type(request.identity, Identity | None)
    return HttpResponse()


def anybody(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def decorate(auth: Authenticator, request: HttpRequest) -> None:
    guarded = required(member)
    assert_type(guarded(request, 7), JsonResponse | HttpResponseBase)
    guarded(request, "7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    awaited = required(amember)
    coroutine = assert_type(
        awaited(request, 7), Coroutine[Any, Any, JsonResponse | HttpResponseBase]
    )
    coroutine.close()
    required(anybody)
    optional(anybody)
    optional(visitor)
    optional(auth=auth)(visitor)
    required(auth=auth)(member)
    required(auth=auth)(amember)
    requires(role="org:admin")(member)
    requires(permission="org:posts:delete", auth=auth)(amember)
    permits(Policy(role="org:admin"))(member)
    public(anybody)
    urls = [path("", guarded), path("a", awaited), path("o", optional(visitor))]
    assert urls

    # Who may be nobody is not somebody.
    optional(member)  # type: ignore[arg-type]  # pyright: ignore
    requires(rolle="admin")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    requires(accepts="sesion")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Me(RequiredMixin, View):
    policy = Policy(role="org:admin")

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        return HttpResponse(request.identity.subject)


class Hello(OptionalMixin, View):
    async def get(self, request: OptionalRequest) -> HttpResponse:
        return HttpResponse(request.identity.subject if request.identity else "stranger")


@method_decorator(required, name="dispatch")
class Decorated(View):
    pass


@public
class Open(View):
    pass


def classes() -> None:
    assert [path("", Me.as_view()), path("", Hello.as_view()), path("", Open.as_view())]


async def look(request: AuthenticatedRequest) -> None:
    state = request.auth_state
    assert_type(state, AuthState)
    assert_type(state.identity, Identity | None)
    assert_type(state.rejection, Rejection | None)
    assert_type(state.reason, Reason | None)
    assert_type(state.user_id, str | None)
    assert_type(await state.reach(), Identity | Rejection)
    request.identity.subject = "me"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def users(identity: Identity) -> None:
    user = TokenUser(identity)
    assert_type(user.pk, str)
    assert_type(user.identity, Identity)
    assert_type(user.has_perm("org:posts:read"), bool)
    assert_type(authenticator(), Authenticator)


class WithEmail(DoorwardBackend):
    def user_defaults(self, identity: Identity) -> dict[str, Any]:
        return {"email": identity.claims["email"]}


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> None:
    AuthMiddleware(get_response)
