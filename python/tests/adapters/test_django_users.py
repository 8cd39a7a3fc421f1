"""`request.user`: whose it is, and what Django and its neighbours do with one no table knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.test import AsyncClient, Client
from django.urls import path
from mysite.configure import GATE, site
from support import PARTY, Clock, Signer, bearer

from doorward import ANY, Authenticator, Issuer
from doorward.django import TokenUser, public, required
from doorward.testing import DevIssuer

clients = pytest.mark.parametrize("client", [Client, AsyncClient])


@pytest.fixture(autouse=True)
def _tables() -> Iterator[None]:
    from mysite.database import tables

    with tables():
        yield


@pytest.fixture
def grace() -> Any:
    """Somebody with a password here."""
    from django.contrib.auth.models import User

    return User.objects.create_user("grace", is_staff=True, is_superuser=True)


def who(request: Any) -> JsonResponse:
    caller = request.identity
    return JsonResponse([caller and caller.subject, str(request.user)], safe=False)


async def awho(request: Any) -> JsonResponse:
    caller, user = request.identity, await request.auser()
    return JsonResponse([caller and caller.subject, str(user)], safe=False)


VIEWS = path("", lambda request: who(request)), path("async", awho)


def got(client: Any, path: str = "/", headers: dict[str, str] | None = None) -> Any:
    get = async_to_sync(client.get) if isinstance(client, AsyncClient) else client.get
    return get(path, headers=headers or {})


class TestSessions:
    @clients
    @pytest.mark.parametrize("name", ["/", "/async"])
    def test_a_user_who_signed_in_here_stays(
        self, auth: Authenticator, keys: Signer, grace: Any, client: Any, name: str
    ) -> None:
        with site(auth, *VIEWS, OPTIONAL=True):
            browser = client()
            browser.force_login(grace)
            assert got(browser, name).json() == [None, "grace"]
            assert got(browser, name, bearer(keys.session())).json() == ["user_1", "grace"]
            assert got(client(), name, bearer(keys.session())).json() == ["user_1", "user_1"]

    @clients
    @pytest.mark.parametrize("name", ["/", "/async"])
    def test_unless_the_token_is_preferred(
        self, auth: Authenticator, keys: Signer, grace: Any, client: Any, name: str
    ) -> None:
        with site(auth, *VIEWS, OPTIONAL=True, PREFER_TOKEN=True):
            browser = client()
            browser.force_login(grace)
            assert got(browser, name).json() == [None, "grace"]
            assert got(browser, name, bearer(keys.session())).json() == ["user_1", "user_1"]

    def test_a_session_is_no_token(self, auth: Authenticator, grace: Any) -> None:
        with site(auth, *VIEWS):
            browser = Client()
            browser.force_login(grace)
            assert got(browser).status_code == 401

    def test_a_session_excuses_no_bad_token(self, auth: Authenticator, grace: Any) -> None:
        with site(auth, *VIEWS, OPTIONAL=True):
            browser = Client()
            browser.force_login(grace)
            assert got(browser, headers=bearer("junk")).status_code == 401

    @clients
    def test_public_views_have_their_session(
        self, auth: Authenticator, keys: Signer, grace: Any, client: Any
    ) -> None:
        with site(auth, path("", public(lambda request: who(request)))):
            browser = client()
            browser.force_login(grace)
            assert got(browser, headers=bearer(keys.session())).json() == [None, "grace"]

    def test_who_signs_in_during_a_request_stays(
        self, auth: Authenticator, keys: Signer, grace: Any
    ) -> None:
        from django.contrib.auth import login

        @required
        def inner(request: Any) -> HttpResponse:
            return who(request)

        def view(request: Any) -> HttpResponse:
            login(request, grace)
            # Another token from here on, and so another look.
            request.META["HTTP_AUTHORIZATION"] = f"Bearer {keys.session(sub='user_2')}"
            return inner(request)

        with site(auth, path("", view)):
            assert got(Client(), headers=bearer(keys.session())).json() == ["user_2", "grace"]


class TestNeighbours:
    @clients
    def test_login_required(self, auth: Authenticator, keys: Signer, client: Any) -> None:
        async def coroutine(request: Any) -> HttpResponse:
            return HttpResponse("in")

        views = (
            path("", login_required(lambda request: HttpResponse("in"))),
            path("async", login_required(coroutine)),
        )
        with site(auth, *views, OPTIONAL=True):
            for name in ("/", "/async"):
                assert got(client(), name).status_code == 302
                assert got(client(), name, bearer(keys.session())).content == b"in"

    @clients
    def test_permission_required(self, auth: Authenticator, keys: Signer, client: Any) -> None:
        async def coroutine(request: Any) -> HttpResponse:
            return HttpResponse("in")

        def views(permission: str) -> Any:
            guard = permission_required(permission, raise_exception=True)
            return (
                path("", guard(lambda request: HttpResponse("in"))),
                path("async", guard(coroutine)),
            )

        good = bearer(keys.session())
        for name in ("/", "/async"):
            with site(auth, *views("org:posts:read")):
                assert got(client(), name, good).content == b"in"
            with site(auth, *views("org:posts:publish")):
                assert got(client(), name, good).status_code == 403

    def test_guarded_views_are_not_sent_to_the_login_page(
        self, auth: Authenticator, keys: Signer
    ) -> None:
        from django.conf import settings

        everybody = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        views = (
            path("", required(lambda request: who(request))),
            path("page", lambda request: who(request)),
        )
        for middleware in ([GATE, everybody], [everybody, GATE]):
            middleware = [*settings.MIDDLEWARE, *middleware]
            with site(auth, *views, middleware=middleware, OPTIONAL=True):
                assert got(Client()).status_code == 401
                assert got(Client(), "/page").status_code == 302
                assert got(Client(), "/page", bearer(keys.session())).json() == ["user_1"] * 2

    def test_the_admin_is_unaffected_where_it_is_excluded(
        self, auth: Authenticator, keys: Signer, grace: Any
    ) -> None:
        with site(auth, path("admin/", admin.site.urls), EXCLUDE=["/admin/*"]):
            browser = Client()
            for headers in ({}, bearer("junk"), {"Cookie": "__session=junk"}):
                assert got(browser, "/admin/login/", headers).status_code == 200
                assert got(browser, "/admin/", headers).status_code == 302
            browser.force_login(grace)
            assert got(browser, "/admin/").status_code == 200

    def test_no_token_opens_the_admin(self, auth: Authenticator, keys: Signer) -> None:
        with site(auth, path("admin/", admin.site.urls), OPTIONAL=True):
            answer = got(Client(), "/admin/", bearer(keys.session()))
            assert answer.status_code == 302
            assert (
                got(Client(), answer.headers["Location"], bearer(keys.session())).status_code == 200
            )

    def test_templates(self, auth: Authenticator, keys: Signer) -> None:
        text = (
            "{{ user }} {{ user.is_authenticated }} {{ perms.app.change }} "
            "{{ request.identity.role }}"
        )

        def page(request: Any) -> HttpResponse:
            return HttpResponse(engines["django"].from_string(text).render({}, request))

        with site(auth, path("", page), OPTIONAL=True):
            answer = got(Client(), headers=bearer(keys.session()))
            assert answer.content.decode() == "user_1 True False org:admin"
            assert got(Client()).content.decode() == "AnonymousUser False False "

    @clients
    def test_without_djangos_users(self, auth: Authenticator, keys: Signer, client: Any) -> None:
        def anybody(request: Any) -> HttpResponse:
            user = request.user
            assert user.is_anonymous is not user.is_authenticated
            assert not user.is_staff
            assert not user.is_superuser
            return JsonResponse([user.pk, user.is_authenticated, user.has_perm("a")], safe=False)

        apps = {"INSTALLED_APPS": ["doorward.django"]}
        with site(auth, path("", anybody), middleware=[GATE], more=apps, OPTIONAL=True):
            assert got(client()).json() == [None, False, False]
            assert got(client(), headers=bearer(keys.session())).json() == ["user_1", True, False]


class TestTokenUser:
    @pytest.fixture
    def make(self, clock: Clock) -> Callable[..., TokenUser]:
        def make(iss: str = "https://one.example", **claims: Any) -> TokenUser:
            issuer = DevIssuer(issuer=iss, clock=clock)
            trusted = Issuer(issuer=iss, keys=issuer.jwks(), audience=ANY)
            token = issuer.mint(azp=PARTY, **claims)
            return TokenUser(Authenticator([trusted], clock=clock).verify(token))

        return make

    def test_who_it_is(self, make: Callable[..., TokenUser]) -> None:
        user = make(sub="ada")
        assert user.pk == user.id == user.username == user.get_username() == str(user) == "ada"
        assert user.natural_key() == ("ada",)
        assert user.is_authenticated
        assert not user.is_anonymous
        assert user.is_active
        assert not user.is_staff
        assert not user.is_superuser

    def test_the_same_subject_of_the_same_issuer_is_the_same(
        self, make: Callable[..., TokenUser]
    ) -> None:
        assert make(sub="ada") == make(sub="ada")
        assert hash(make(sub="ada")) == hash(make(sub="ada"))
        assert make(sub="ada") != make(sub="bob")
        assert make(sub="ada") != make("https://two.example", sub="ada")
        assert make(sub="ada") != "ada"

    def test_its_key_names_the_issuer_where_several_are_trusted(self, clock: Clock) -> None:
        """Throttles count by it, and two issuers may give one subject to two people."""
        minting = DevIssuer(issuer="https://one.example", clock=clock)
        token = minting.mint(sub="ada")

        def auth(*others: str) -> Authenticator:
            trusted = [
                Issuer(issuer=one, audience=ANY, keys=minting.jwks())
                for one in ("https://one.example", *others)
            ]
            return Authenticator(trusted, clock=clock)

        alone, several = auth(), auth("https://two.example")
        user = TokenUser.of(alone, alone.verify(token))
        assert (user.pk, user.id, user.username) == ("ada", "ada", "ada")
        among = TokenUser.of(several, several.verify(token))
        assert among.pk == among.id == "https://one.example|ada"
        assert among.username == str(among) == among.get_username() == "ada"
        assert among == user
        assert hash(among) == hash(user)

    async def test_permissions_are_the_tokens(self, make: Callable[..., TokenUser]) -> None:
        organization = {"id": "org_1", "role": "admin", "permissions": ["org:posts:read"]}
        user = make(kind="session", org=organization)
        identity = user.identity
        allowed = set(identity.permissions)
        assert user.get_all_permissions() == user.get_user_permissions() == allowed
        assert await user.aget_all_permissions() == await user.aget_user_permissions() == allowed
        assert user.get_group_permissions() == await user.aget_group_permissions() == set()
        for permission in allowed:
            assert user.has_perm(permission)
            assert await user.ahas_perm(permission)
            # None on a single object, as in Django's own backend.
            assert not user.has_perm(permission, object())
        assert user.has_perms(allowed)
        assert not user.has_perms([*allowed, "app.other"])
        assert not await user.ahas_perms(["app.other"])
        assert not user.has_module_perms("org")
        assert not await user.ahas_module_perms("org")
        with pytest.raises(ValueError, match="iterable"):
            user.has_perms("app.other")

    def test_it_shows_no_token(self, make: Callable[..., TokenUser]) -> None:
        assert repr(make(sub="ada")) == "<TokenUser: ada>"
        assert "eyJ" not in repr(vars(type(make()))) + repr(make().identity)

    def test_it_cannot_be_changed_into_somebody_else(self, make: Callable[..., TokenUser]) -> None:
        user = make()
        for name in ("pk", "id", "is_staff", "is_superuser", "is_active", "anything"):
            with pytest.raises(AttributeError):
                setattr(user, name, True)
