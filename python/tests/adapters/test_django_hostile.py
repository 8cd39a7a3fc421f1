"""What a hostile reader found in the Django doors, and would find again."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_page
from mysite.configure import GATE, site

from doorward import Authenticator, ConfigError, Policy
from doorward.django import OptionalMixin, RequiredMixin, public, required, requires
from doorward.django.conf import trusts_several
from doorward.drf import HasPermission, HasRole, HasScope
from doorward.testing import DevIssuer

PARTY = "http://localhost:3000"


@pytest.fixture
def issuer() -> DevIssuer:
    return DevIssuer()


@pytest.fixture
def auth(issuer: DevIssuer) -> Authenticator:
    return issuer.authenticator(cookies=["__session"])


def secret(request: Any) -> HttpResponse:
    caller = request.identity
    return HttpResponse(f"secret of {caller and caller.subject}")


@pytest.mark.parametrize(
    "view",
    [cache_page(600)(secret), cache_page(600)(required(secret)), required(cache_page(600)(secret))],
)
@pytest.mark.parametrize("place", ["HTTP_AUTHORIZATION", "HTTP_COOKIE"])
def test_no_cache_keeps_what_was_made_for_a_caller(
    auth: Authenticator, issuer: DevIssuer, view: Any, place: str
) -> None:
    cache.clear()
    with site(auth, path("", view)):
        for subject in ("user_1", "user_2"):
            token = issuer.mint(azp=PARTY, sub=subject)
            shown = f"Bearer {token}" if place == "HTTP_AUTHORIZATION" else f"__session={token}"
            answer = Client().get("/", **{place: shown})
            assert answer.content.decode() == f"secret of {subject}"
        assert Client().get("/").status_code == 401


def test_the_cache_in_front_of_the_views_neither(auth: Authenticator, issuer: DevIssuer) -> None:
    cache.clear()
    middleware = [
        GATE,
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    with site(auth, path("", secret), middleware=middleware):
        token = issuer.mint(azp=PARTY, sub="user_1")
        assert Client().get("/", HTTP_COOKIE=f"__session={token}").status_code == 200
        assert Client().get("/").status_code == 401
        assert Client().get("/", HTTP_COOKIE="__session=junk").status_code == 401


@pytest.mark.parametrize("mixin", [RequiredMixin, OptionalMixin])
def test_a_mixin_behind_the_view_is_refused(mixin: Any) -> None:
    with pytest.raises(TypeError, match="must stand before the view class"):
        type("Late", (View, mixin), {})


def test_a_policy_for_as_view_is_asked(auth: Authenticator, issuer: DevIssuer) -> None:
    class Page(RequiredMixin, View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("in")

    view = Page.as_view(policy=Policy(role="org:admin"))
    with site(auth, path("", view), gate=False):
        token = issuer.mint(azp=PARTY)
        answer = Client().get("/", HTTP_AUTHORIZATION=f"Bearer {token}")
        assert answer.json() == {"detail": "role_required"}
    with pytest.raises(TypeError, match="a Policy is expected"):
        Page.as_view(policy={"role": "org:admin"})


def test_public_is_not_inherited(auth: Authenticator) -> None:
    @public
    class Feed:
        def __call__(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("open")

    class PrivateFeed(Feed):
        pass

    @method_decorator(public, name="dispatch")
    class Open(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("open")

    class Private(Open):
        pass

    views = {
        "feed": (Feed(), 200),
        "private-feed": (PrivateFeed(), 401),
        "open": (Open.as_view(), 200),
        "private": (Private.as_view(), 401),
        "opened": (public(Private.as_view()), 200),
    }
    with site(auth, *(path(name, view) for name, (view, _) in views.items())):
        for name, (_, status) in views.items():
            assert Client().get(f"/{name}").status_code == status, name


@pytest.mark.parametrize("demand", [None, "", 1])
def test_a_demand_that_is_none_opens_nothing(demand: Any) -> None:
    for permission in (HasPermission, HasRole, HasScope):
        with pytest.raises(ConfigError, match="non-empty text"):
            permission(demand)
    if not demand:
        with pytest.raises(ConfigError, match="demands nothing"):
            requires(role=None)


def test_several_issuers_are_noticed_wherever_they_come_from(auth: Authenticator) -> None:
    assert not trusts_several(auth)
    one = {"issuer": "https://a.example", "audience": "x"}
    assert trusts_several(
        Authenticator.from_config({"issuer": [one, {**one, "issuer": "https://b.example"}]})
    )
    template = {**one, "issuer": "https://a.example/{tenant}", "tenants": "*"}
    assert trusts_several(Authenticator.from_config(template))
