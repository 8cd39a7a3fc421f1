"""Every row of `vectors/http/`, through Django's own test clients, sync and async: by guards on
functions, on coroutines and on classes, and by the middleware in front of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import http_table
import pytest
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from django.views import View
from django.views.decorators.http import require_GET, require_http_methods
from mysite.requests import aask, ask

from doorward import Policy
from doorward.django import (
    AuthenticatedRequest,
    OptionalMixin,
    OptionalRequest,
    RequiredMixin,
    optional,
    required,
    requires,
)

require_DELETE = require_http_methods(["DELETE"])
GATE = "doorward.django.AuthMiddleware"


def hello(request: Any) -> JsonResponse:
    caller = request.identity
    return JsonResponse({"hello": "stranger" if caller is None else caller.subject})


def me(request: Any) -> JsonResponse:
    caller = request.identity
    return JsonResponse(
        {
            "subject": caller.subject,
            "kind": caller.kind,
            "organization": caller.organization_id,
            "role": caller.role,
        }
    )


def delete(request: Any, post: int) -> JsonResponse:
    return JsonResponse({"deleted": post, "by": request.identity.subject})


def admin(request: Any) -> JsonResponse:
    return JsonResponse({"admin": request.identity.subject})


def scoped(request: Any) -> JsonResponse:
    return JsonResponse({"scopes": request.identity.scopes})


def awaited(view: Callable[..., Any]) -> Callable[..., Any]:
    async def coroutine(request: HttpRequest, **named: Any) -> Any:
        return view(request, **named)

    return coroutine


def guarded(form: Callable[[Any], Any]) -> tuple[Any, ...]:
    """The five routes, with views of one form behind decorators."""
    return (
        path("public", optional(require_GET(form(hello)))),
        path("me", required(require_GET(form(me)))),
        path(
            "posts/<int:post>",
            requires(permission="org:posts:delete")(require_DELETE(form(delete))),
        ),
        path("admin", requires(role="admin")(require_GET(form(admin)))),
        path("scoped", requires(scopes="posts:read")(require_GET(form(scoped)))),
    )


class Hello(OptionalMixin, View):
    http_method_names = ("get",)

    def get(self, request: OptionalRequest) -> JsonResponse:
        return hello(request)


class Me(RequiredMixin, View):
    http_method_names = ("get",)

    async def get(self, request: AuthenticatedRequest) -> JsonResponse:
        return me(request)


class Post(RequiredMixin, View):
    http_method_names = ("delete",)
    policy = Policy(permission="org:posts:delete")

    def delete(self, request: AuthenticatedRequest, post: int) -> JsonResponse:
        return delete(request, post)


class Admin(RequiredMixin, View):
    http_method_names = ("get",)
    policy = Policy(role="admin")

    def get(self, request: AuthenticatedRequest) -> JsonResponse:
        return admin(request)


class Scoped(RequiredMixin, View):
    http_method_names = ("get",)
    policy = Policy(scopes="posts:read")

    def get(self, request: AuthenticatedRequest) -> JsonResponse:
        return scoped(request)


FUNCTIONS = guarded(lambda view: view)
COROUTINES = guarded(awaited)
CLASSES = (
    path("public", Hello.as_view()),
    path("me", Me.as_view()),
    path("posts/<int:post>", Post.as_view()),
    path("admin", Admin.as_view()),
    path("scoped", Scoped.as_view()),
)
#: What only demands a caller says nothing, for the middleware demands one.
PLAIN = (
    path("public", optional(require_GET(hello))),
    path("me", require_GET(me)),
    *FUNCTIONS[2:],
)
PLAIN_COROUTINES = (
    path("public", optional(require_GET(awaited(hello)))),
    path("me", require_GET(awaited(me))),
    *COROUTINES[2:],
)

#: Name: the routes, and whether the middleware stands in front and lets strangers through.
DOORS: dict[str, tuple[tuple[Any, ...], bool | None]] = {
    "functions": (FUNCTIONS, None),
    "coroutines": (COROUTINES, None),
    "classes": (CLASSES, None),
    "middleware": (PLAIN, False),
    "middleware_before_coroutines": (PLAIN_COROUTINES, False),
    "optional_middleware": (FUNCTIONS, True),
    "optional_middleware_before_coroutines": (COROUTINES, True),
}


authenticator = cache(http_table.authenticator)


def configured(door: str, table: str) -> Any:
    routes, lets_strangers_through = DOORS[door]
    middleware = settings.MIDDLEWARE
    options: dict[str, Any] = {"AUTH": authenticator(table)}
    if lets_strangers_through is not None:
        middleware = [*middleware, GATE]
        options["OPTIONAL"] = lets_strangers_through
    return override_settings(ROOT_URLCONF=routes, MIDDLEWARE=middleware, DOORWARD=options)


def repeats_a_credential(case: http_table.Case) -> bool:
    names = [name.lower() for name, _ in case["headers"]]
    return names.count("authorization") > 1


def rows(*, wsgi: bool) -> list[Any]:
    found = http_table.rows(*DOORS)
    # WSGI has one text for each name, so its servers join repeated fields (RFC 3875 §4.1.18), and
    # the engine never sees two. What comes of that is in test_django_servers.py.
    return [row for row in found if not (wsgi and repeats_a_credential(row.values[-1]))]


@pytest.mark.parametrize(("door", "table", "case"), rows(wsgi=True))
def test_row_by_wsgi(door: str, table: str, case: http_table.Case) -> None:
    with configured(door, table):
        answer = ask(
            Client(),
            case["method"],
            http_table.path(table, case),
            http_table.headers(table, case),
        )
    http_table.check(table, case, status=answer.status, headers=answer.headers, body=answer.body)


@pytest.mark.parametrize(("door", "table", "case"), rows(wsgi=False))
async def test_row_by_asgi(door: str, table: str, case: http_table.Case) -> None:
    with configured(door, table):
        answer = await aask(
            AsyncClient(),
            case["method"],
            http_table.path(table, case),
            http_table.headers(table, case),
        )
    http_table.check(table, case, status=answer.status, headers=answer.headers, body=answer.body)
