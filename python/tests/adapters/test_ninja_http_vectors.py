"""Every row of `vectors/http/`, through sync and async operations of Ninja, by WSGI and by ASGI."""

from __future__ import annotations

from functools import cache
from typing import Any

import http_table
import pytest
from django.http import HttpRequest
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from mysite.requests import aask, ask
from ninja import NinjaAPI

from doorward.ninja import DoorwardAuth

auth = DoorwardAuth()
sync_api = NinjaAPI(auth=auth, urls_namespace="table", docs_url=None, openapi_url=None)
async_api = NinjaAPI(auth=auth, urls_namespace="atable", docs_url=None, openapi_url=None)
GUARDS = {
    "/public": auth.optional,
    "/posts/{post}": auth.requires(permission="org:posts:delete"),
    "/admin": auth.requires(role="admin"),
    "/scoped": auth.requires(scopes="posts:read"),
}


@sync_api.get("/public", auth=GUARDS["/public"])
def public(request: HttpRequest) -> Any:
    return {"hello": "stranger" if request.auth is None else request.auth.subject}


@sync_api.get("/me")
def me(request: HttpRequest) -> Any:
    return {
        "subject": request.auth.subject,
        "kind": request.auth.kind,
        "organization": request.auth.organization_id,
        "role": request.auth.role,
    }


@sync_api.delete("/posts/{post}", auth=GUARDS["/posts/{post}"])
def delete(request: HttpRequest, post: int) -> Any:
    return {"deleted": post, "by": request.auth.subject}


@sync_api.get("/admin", auth=GUARDS["/admin"])
def admin(request: HttpRequest) -> Any:
    return {"admin": request.auth.subject}


@sync_api.get("/scoped", auth=GUARDS["/scoped"])
def scoped(request: HttpRequest) -> Any:
    return {"scopes": request.auth.scopes}


@async_api.get("/public", auth=GUARDS["/public"])
async def apublic(request: HttpRequest) -> Any:
    return public(request)


@async_api.get("/me")
async def ame(request: HttpRequest) -> Any:
    return me(request)


@async_api.delete("/posts/{post}", auth=GUARDS["/posts/{post}"])
async def adelete(request: HttpRequest, post: int) -> Any:
    return delete(request, post)


@async_api.get("/admin", auth=GUARDS["/admin"])
async def aadmin(request: HttpRequest) -> Any:
    return admin(request)


@async_api.get("/scoped", auth=GUARDS["/scoped"])
async def ascoped(request: HttpRequest) -> Any:
    return scoped(request)


DOORS = {"sync": (path("", sync_api.urls),), "async": (path("", async_api.urls),)}
authenticator = cache(http_table.authenticator)


def configured(door: str, table: str) -> Any:
    return override_settings(ROOT_URLCONF=DOORS[door], DOORWARD={"AUTH": authenticator(table)})


def repeats_a_credential(case: http_table.Case) -> bool:
    names = [name.lower() for name, _ in case["headers"]]
    return names.count("authorization") > 1


def rows(*, wsgi: bool) -> list[Any]:
    found = http_table.rows(*DOORS, in_front=False)
    # WSGI has one text for each name; see test_django_http_vectors.py.
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
    check(table, case, answer)


@pytest.mark.parametrize(("door", "table", "case"), rows(wsgi=False))
async def test_row_by_asgi(door: str, table: str, case: http_table.Case) -> None:
    with configured(door, table):
        answer = await aask(
            AsyncClient(),
            case["method"],
            http_table.path(table, case),
            http_table.headers(table, case),
        )
    check(table, case, answer)


def check(table: str, case: http_table.Case, answer: Any) -> None:
    status, headers, body = answer
    http_table.check(table, case, status=status, headers=headers, body=body)
