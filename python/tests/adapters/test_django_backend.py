"""`DoorwardBackend`: the token's user as a row of the local table."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth as django_auth
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from mysite.configure import site
from ninja import NinjaAPI
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from support import Clock, Signer, bearer, signer

from doorward import ANY, Authenticator, Identity, Issuer
from doorward.django import optional, required
from doorward.django.backends import DoorwardBackend
from doorward.ninja import DoorwardAuth
from doorward.testing import DevIssuer

clients = pytest.mark.parametrize("client", [Client, AsyncClient])
BACKEND = "doorward.django.backends.DoorwardBackend"


@pytest.fixture(autouse=True)
def _tables() -> Iterator[None]:
    from mysite.database import tables

    with tables():
        yield


@pytest.fixture
def users() -> Any:
    from django.contrib.auth.models import User

    return User.objects


@pytest.fixture
def members() -> Any:
    from mysite.models import Member

    return Member.objects


def who(request: Any) -> JsonResponse:
    user = request.user
    return JsonResponse([user.__class__.__name__, user.pk, str(user)], safe=False)


async def awho(request: Any) -> JsonResponse:
    user = await request.auser()
    return JsonResponse([user.__class__.__name__, user.pk, str(user)], safe=False)


def mapped(auth: Authenticator, *routes: Any, backend: str = BACKEND, **options: Any) -> Any:
    more = {
        "AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.ModelBackend", backend],
        "AUTH_USER_MODEL": options.pop("model", "auth.User"),
    }
    options = {"USER_FIELD": "username", "OPTIONAL": True, **options}
    if not routes:
        routes = path("", lambda request: who(request)), path("async", awho)
    return site(auth, *routes, more=more, **options)


def got(client: Any, path: str = "/", headers: dict[str, str] | None = None) -> Any:
    get = async_to_sync(client.get) if isinstance(client, AsyncClient) else client.get
    return get(path, headers=headers or {})


class TestLookup:
    @clients
    @pytest.mark.parametrize("name", ["/", "/async"])
    def test_a_user_of_the_table(
        self, auth: Authenticator, keys: Signer, users: Any, client: Any, name: str
    ) -> None:
        ada = users.create_user("user_1")
        with mapped(auth):
            answer = got(client(), name, bearer(keys.session()))
            assert answer.json() == ["User", ada.pk, "user_1"]
            assert got(client(), name).json()[0] == "AnonymousUser"

    @clients
    @pytest.mark.parametrize("name", ["/", "/async"])
    @pytest.mark.parametrize("known", [False, True], ids=["unknown", "inactive"])
    def test_without_an_active_account_there_is_no_way_in(
        self, auth: Authenticator, keys: Signer, users: Any, client: Any, name: str, known: bool
    ) -> None:
        if known:
            users.create_user("user_1", is_active=False)
        # The middleware sees to it, and so does each guard without it.
        with mapped(auth):
            assert got(client(), name, bearer(keys.session())).status_code == 403
        with mapped(auth, OPTIONAL=False):
            assert got(client(), name, bearer(keys.session())).status_code == 403
        assert users.count() == known

    @clients
    @pytest.mark.parametrize("guard", [required, optional])
    def test_guards_ask_for_the_account(
        self, auth: Authenticator, keys: Signer, users: Any, client: Any, guard: Any
    ) -> None:
        async def coroutine(request: Any) -> HttpResponse:
            return await awho(request)

        routes = path("", guard(lambda request: who(request))), path("async", guard(coroutine))
        with mapped(auth, *routes, OPTIONAL=False), override_settings(MIDDLEWARE=[]):
            for name in ("/", "/async"):
                assert got(client(), name, bearer(keys.session())).status_code == 403
                ada = users.create_user("user_1")
                answer = got(client(), name, bearer(keys.session()))
                assert answer.json() == ["User", ada.pk, "user_1"]
                ada.delete()

    @clients
    def test_machines_need_no_account(self, clock: Clock, users: Any, client: Any) -> None:
        issuer = DevIssuer(clock=clock)
        auth = issuer.authenticator(accepts=["session_token", "m2m_token"])
        with mapped(auth, OPTIONAL=False, CREATE_UNKNOWN_USER=True):
            answer = got(client(), headers=bearer(issuer.mint(kind="m2m", sub="mch_1")))
            assert answer.json() == ["TokenUser", "mch_1", "mch_1"]
        assert not users.exists()

    def test_one_query_however_many_ask(
        self, auth: Authenticator, keys: Signer, users: Any
    ) -> None:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        users.create_user("user_1")

        @required
        def view(request: Any) -> HttpResponse:
            assert request.user.pk == request.user.pk
            return HttpResponse()

        with mapped(auth, path("", view)), CaptureQueriesContext(connection) as queries:
            assert got(Client(), headers=bearer(keys.session())).status_code == 200
        assert len(queries) == 1

    def test_the_session_can_be_started_with_it(
        self, auth: Authenticator, keys: Signer, users: Any
    ) -> None:
        users.create_user("user_1")

        def login(request: Any) -> HttpResponse:
            django_auth.login(request, request.user)
            return HttpResponse()

        with mapped(auth, path("login", login), path("", lambda request: who(request))):
            browser = Client()
            assert got(browser, "/login", bearer(keys.session())).status_code == 200
            assert got(browser).json()[2] == "user_1"

    def test_django_asks_it_too(self, auth: Authenticator, keys: Signer, users: Any) -> None:
        ada = users.create_user("user_1", password="secret")
        with mapped(auth):
            identity = auth.verify(keys.session())
            assert django_auth.authenticate(None, identity=identity) == ada
            assert async_to_sync(django_auth.aauthenticate)(None, identity=identity) == ada
            # Passwords are other backends' business.
            assert django_auth.authenticate(None, username="user_1", password="wrong") is None
            found = django_auth.authenticate(None, username="user_1", password="secret")
            assert found.backend == "django.contrib.auth.backends.ModelBackend"
            with pytest.raises(TypeError):
                DoorwardBackend().authenticate(None, username="user_1")  # type: ignore[call-arg]

    def test_without_a_field_it_says_so(self, auth: Authenticator, keys: Signer) -> None:
        with (
            mapped(auth, USER_FIELD=None),
            pytest.raises(ImproperlyConfigured, match="USER_FIELD"),
        ):
            got(Client(), headers=bearer(keys.session()))


class TestFields:
    """Another subject is another user, whatever the database makes of it."""

    def names(self, auth: Authenticator, keys: Signer, sub: str, **options: Any) -> int:
        with mapped(auth, model="mysite.Member", **options):
            return got(Client(), headers=bearer(keys.session(sub=sub))).status_code

    def test_letter_case(self, auth: Authenticator, keys: Signer, members: Any) -> None:
        members.create(name="ada", loose="user_A")
        assert members.filter(loose="USER_a").exists()
        for sub, status in (("user_A", 200), ("user_a", 403), ("USER_A", 403)):
            assert self.names(auth, keys, sub, USER_FIELD="loose") == status

    def test_numbers(self, auth: Authenticator, keys: Signer, members: Any) -> None:
        members.create(name="ada", number=12)
        for sub in (" 12", "012", "+12", "1_2", "12.0", "١٢", "twelve"):
            assert self.names(auth, keys, sub, USER_FIELD="number") == 403, sub
        assert self.names(auth, keys, "12", USER_FIELD="number") == 200

    def test_uuids(self, auth: Authenticator, keys: Signer, members: Any) -> None:
        key = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
        members.create(name="ada", key=key)
        for sub in (key.upper(), key.replace("-", ""), f"{{{key}}}", "ada"):
            assert self.names(auth, keys, sub, USER_FIELD="key") == 403, sub
        assert self.names(auth, keys, key, USER_FIELD="key") == 200

    @pytest.mark.parametrize("sub", ["a" * 41, "nul\0nul"], ids=["long", "nul"])
    def test_what_no_field_can_hold(
        self, auth: Authenticator, keys: Signer, members: Any, sub: str
    ) -> None:
        assert self.names(auth, keys, sub, USER_FIELD="name", CREATE_UNKNOWN_USER=True) == 403
        assert not members.exists()

    def test_several_issuers(self, clock: Clock, keys: Signer, members: Any) -> None:
        """One issuer cannot speak for another's user of the same name."""
        issuers = {"https://a.example": signer("a"), "https://b.example": signer("b")}
        auth = Authenticator(
            [Issuer(issuer=one, audience=ANY, keys=key.jwks()) for one, key in issuers.items()],
            clock=clock,
        )
        ada = members.create(name="user_1", issuer="https://a.example")
        options = {"USER_FIELD": "name", "USER_ISSUER_FIELD": "issuer"}
        with mapped(auth, model="mysite.Member", **options):
            of_a = signer("a").session(iss="https://a.example")
            of_b = signer("b").session(iss="https://b.example")
            assert got(Client(), headers=bearer(of_a)).json() == ["Member", ada.pk, "user_1"]
            assert got(Client(), headers=bearer(of_b)).status_code == 403
            with mapped(auth, model="mysite.Member", **options, CREATE_UNKNOWN_USER=True):
                assert got(Client(), headers=bearer(of_b)).json()[1] != ada.pk
        assert set(members.values_list("name", "issuer")) == {
            ("user_1", "https://a.example"),
            ("user_1", "https://b.example"),
        }


class WithEmail(DoorwardBackend):
    def user_defaults(self, identity: Identity) -> dict[str, Any]:
        return {"email": f"{identity.subject}@example.com", "username": "not yours to choose"}


class AtTheSameTime(DoorwardBackend):
    """Between the look and the making of the user, another process makes the same."""

    def user_defaults(self, identity: Identity) -> dict[str, Any]:
        def email() -> str:
            # Django calls it in the last moment.
            rival = threading.Thread(target=insert, args=(identity.subject,))
            rival.start()
            rival.join()
            return "late@example.com"

        return {"email": email}


def insert(name: str) -> None:
    from django.conf import settings

    database = sqlite3.connect(settings.DATABASES["default"]["NAME"], uri=True)
    with database:
        database.execute(
            "insert into auth_user (password, is_superuser, username, first_name, last_name, email,"
            " is_staff, is_active, date_joined) values ('!', 0, ?, '', '', 'first@example.com', 0,"
            " 1, '2027-01-15')",
            (name,),
        )
    database.close()


class TestCreation:
    @clients
    @pytest.mark.parametrize("name", ["/", "/async"])
    def test_the_first_visit_makes_a_user(
        self, auth: Authenticator, keys: Signer, users: Any, client: Any, name: str
    ) -> None:
        with mapped(auth, CREATE_UNKNOWN_USER=True):
            for _ in range(2):
                answer = got(client(), name, bearer(keys.session()))
                ada = users.get()
                assert answer.json() == ["User", ada.pk, "user_1"]
        assert not ada.has_usable_password()
        assert ada.is_active
        assert not ada.is_staff
        assert not ada.is_superuser

    def test_nobody_is_made_of_bad_tokens(
        self, auth: Authenticator, keys: Signer, users: Any
    ) -> None:
        with mapped(auth, CREATE_UNKNOWN_USER=True):
            assert got(Client(), headers=bearer(keys.session(exp=1))).status_code == 401
            assert got(Client()).json()[0] == "AnonymousUser"
        assert not users.exists()

    def test_who_was_made_inactive_stays_so(
        self, auth: Authenticator, keys: Signer, users: Any
    ) -> None:
        users.create_user("user_1", is_active=False)
        with mapped(auth, CREATE_UNKNOWN_USER=True):
            assert got(Client(), headers=bearer(keys.session())).status_code == 403
        assert users.count() == 1

    def test_what_else_a_new_user_gets(self, auth: Authenticator, keys: Signer, users: Any) -> None:
        with mapped(auth, backend=f"{__name__}.WithEmail", CREATE_UNKNOWN_USER=True):
            assert got(Client(), headers=bearer(keys.session())).status_code == 200
        ada = users.get()
        assert (ada.username, ada.email) == ("user_1", "user_1@example.com")

    def test_another_field(self, auth: Authenticator, keys: Signer, users: Any) -> None:
        with mapped(auth, USER_FIELD="last_name", CREATE_UNKNOWN_USER=True):
            for sub in ("user_1", "user_2"):
                answer = got(Client(), headers=bearer(keys.session(sub=sub)))
                assert answer.status_code == 200
        assert set(users.values_list("last_name", "username")) == {
            ("user_1", "user_1"),
            ("user_2", "user_2"),
        }

    @clients
    def test_two_first_visits_at_once(
        self, auth: Authenticator, keys: Signer, users: Any, client: Any
    ) -> None:
        with mapped(auth, backend=f"{__name__}.AtTheSameTime", CREATE_UNKNOWN_USER=True):
            answer = got(client(), headers=bearer(keys.session()))
        ada = users.get()
        assert ada.email == "first@example.com"
        assert answer.json() == ["User", ada.pk, "user_1"]


class Me(APIView):
    permission_classes = (IsAuthenticated,)

    def get(self, request: Any) -> Response:
        assert request.auth.subject == "user_1"
        return Response([request.user.__class__.__name__, request.user.pk])


class TestOtherDoors:
    def test_rest_framework(self, auth: Authenticator, keys: Signer, users: Any) -> None:
        with mapped(auth, path("", Me.as_view())), override_settings(MIDDLEWARE=[]):
            refused = got(Client(), headers=bearer(keys.session()))
            assert refused.status_code == 403
            ada = users.create_user("user_1")
            assert got(Client(), headers=bearer(keys.session())).json() == ["User", ada.pk]

    def test_rest_framework_asks_even_where_it_is_open(
        self, auth: Authenticator, keys: Signer, users: Any
    ) -> None:
        users.create_user("user_1", is_active=False)
        view = type("Open", (Me,), {"permission_classes": (AllowAny,)})
        with mapped(auth, path("", view.as_view())), override_settings(MIDDLEWARE=[]):
            assert got(Client(), headers=bearer(keys.session())).status_code == 403

    @clients
    def test_ninja(self, auth: Authenticator, keys: Signer, users: Any, client: Any) -> None:
        name = f"backend_{client.__name__}"
        api = NinjaAPI(auth=DoorwardAuth(), urls_namespace=name, docs_url=None, openapi_url=None)

        @api.get("/sync")
        def sync(request: Any) -> Any:
            return [request.user.__class__.__name__, request.user.pk]

        @api.get("/async")
        async def coroutine(request: Any) -> Any:
            user = await request.auser()
            return [user.__class__.__name__, user.pk]

        with mapped(auth, path("", api.urls)), override_settings(MIDDLEWARE=[]):
            for name in ("/sync", "/async"):
                refused = got(client(), name, bearer(keys.session()))
                assert refused.status_code == 403
                assert refused.json() == {"detail": "There is no active account for this caller."}
                ada = users.create_user("user_1")
                assert got(client(), name, bearer(keys.session())).json() == ["User", ada.pk]
                ada.delete()
