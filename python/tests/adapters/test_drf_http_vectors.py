"""Every row of `vectors/http/`, through REST framework's own test client, and under ASGI."""

from __future__ import annotations

from functools import cache
from typing import Any

import http_table
import pytest
from django.test import AsyncClient, override_settings
from django.urls import path
from mysite.requests import aask, ask
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from doorward.drf import HasPermission, HasRole, HasScope, Requires


class Hello(APIView):
    http_method_names = ("get",)
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        return Response({"hello": "stranger" if request.auth is None else request.auth.subject})


class Me(APIView):
    http_method_names = ("get",)
    permission_classes = (Requires(),)

    def get(self, request: Request) -> Response:
        caller = request.auth
        return Response(
            {
                "subject": caller.subject,
                "kind": caller.kind,
                "organization": caller.organization_id,
                "role": caller.role,
            }
        )


class Post(APIView):
    http_method_names = ("delete",)
    permission_classes = (HasPermission("org:posts:delete"),)

    def delete(self, request: Request, post: int) -> Response:
        return Response({"deleted": post, "by": request.auth.subject})


class Admin(APIView):
    http_method_names = ("get",)
    permission_classes = (HasRole("admin"),)

    def get(self, request: Request) -> Response:
        return Response({"admin": request.auth.subject})


class Scoped(APIView):
    http_method_names = ("get",)
    permission_classes = (HasScope("posts:read"),)

    def get(self, request: Request) -> Response:
        return Response({"scopes": request.auth.scopes})


VIEWS = (
    path("public", Hello.as_view()),
    path("me", Me.as_view()),
    path("posts/<int:post>", Post.as_view()),
    path("admin", Admin.as_view()),
    path("scoped", Scoped.as_view()),
)
authenticator = cache(http_table.authenticator)


def configured(table: str) -> Any:
    return override_settings(ROOT_URLCONF=VIEWS, DOORWARD={"AUTH": authenticator(table)})


def repeats_a_credential(case: http_table.Case) -> bool:
    names = [name.lower() for name, _ in case["headers"]]
    return names.count("authorization") > 1


@pytest.mark.parametrize(
    ("table", "case"),
    # WSGI has one text for each name; see test_django_http_vectors.py.
    [row for row in http_table.rows() if not repeats_a_credential(row.values[-1])],
)
def test_row(table: str, case: http_table.Case) -> None:
    with configured(table):
        answer = ask(
            APIClient(),
            case["method"],
            http_table.path(table, case),
            http_table.headers(table, case),
        )
    http_table.check(table, case, status=answer.status, headers=answer.headers, body=answer.body)


@pytest.mark.parametrize(("table", "case"), http_table.rows())
async def test_row_by_asgi(table: str, case: http_table.Case) -> None:
    with configured(table):
        answer = await aask(
            AsyncClient(),
            case["method"],
            http_table.path(table, case),
            http_table.headers(table, case),
        )
    http_table.check(table, case, status=answer.status, headers=answer.headers, body=answer.body)
