"""`as_user` with the clients of Django and Django REST framework.

Django has one configuration per process, so these tests run in a process of their own.
"""

from __future__ import annotations

import textwrap

import pytest

pytest_plugins = ["pytester"]

CONFIGURATION = """
    import django
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["rest_framework"],
        ROOT_URLCONF="site_under_test",
        SECRET_KEY="for tests",
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
    )
    django.setup()

    import pytest
    from doorward.testing import DevIssuer

    @pytest.fixture(scope="session")
    def issuer():
        return ISSUER

    ISSUER = DevIssuer()
"""

SITE = """
    from django.http import HttpResponse
    from django.urls import path
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.exceptions import AuthenticationFailed
    from rest_framework.permissions import BasePermission
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from conftest import ISSUER
    from doorward import Rejection

    auth = ISSUER.authenticator()

    class Authentication(BaseAuthentication):
        def authenticate(self, request):
            try:
                return auth.authenticate_blocking(request.META), None
            except Rejection as refused:
                if refused.absent:
                    return None
                raise AuthenticationFailed(str(refused.reason))

        def authenticate_header(self, request):
            return "Bearer"

    class SignedIn(BasePermission):
        def has_permission(self, request, view):
            return request.user is not None

    class Me(APIView):
        authentication_classes = [Authentication]
        permission_classes = [SignedIn]

        def get(self, request):
            return Response(request.user.subject)

    def answer(refused):
        return HttpResponse(refused.body, status=refused.status, headers=dict(refused.headers))

    def me(request):
        try:
            return HttpResponse(auth.authenticate_blocking(request.META).subject)
        except Rejection as refused:
            return answer(refused)

    async def ame(request):
        try:
            return HttpResponse((await auth.authenticate(request)).subject)
        except Rejection as refused:
            return answer(refused)

    urlpatterns = [path("me", me), path("ame", ame), path("api/me", Me.as_view())]
"""

TESTS = """
    import asyncio
    import json
    import pytest
    from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory
    from rest_framework.test import APIClient, APIRequestFactory

    from doorward.testing import as_user, assert_challenge, signed_in
    from site_under_test import Me, ame, me

    def through(client, path="/me"):
        answer = client.get(path)
        return answer.status_code, answer.content.decode().strip('"')

    def asynchronously(client):
        answer = asyncio.run(client.get("/ame"))
        return answer.status_code, answer.content.decode()

    def with_factory(factory):
        answer = me(factory.get("/"))
        return answer.status_code, answer.content.decode()

    def with_async_factory(factory):
        answer = asyncio.run(ame(factory.get("/")))
        return answer.status_code, answer.content.decode()

    def with_drf_factory(factory):
        answer = Me.as_view()(factory.get("/")).render()
        return answer.status_code, json.loads(answer.content)

    DOORS = [
        (Client, through),
        (AsyncClient, asynchronously),
        (RequestFactory, with_factory),
        (AsyncRequestFactory, with_async_factory),
        (APIClient, lambda client: through(client, "/api/me")),
        (APIRequestFactory, with_drf_factory),
    ]
    everywhere = pytest.mark.parametrize(("make", "ask"), DOORS)
    both_ways = pytest.mark.parametrize("via", ["header", "cookie"])

    @everywhere
    @both_ways
    def test_the_same_client_is_somebody(issuer, make, ask, via):
        client = make()
        assert ask(client)[0] == 401
        assert as_user(client, issuer.mint(sub="ada"), via=via) is client
        assert ask(client) == (200, "ada")
        as_user(client, issuer.mint(sub="bob"), via=via)
        assert ask(client) == (200, "bob")

    @everywhere
    @both_ways
    @pytest.mark.parametrize("inner", ["header", "cookie"])
    def test_a_block_gives_back_what_was_there(issuer, make, ask, via, inner):
        client = make()
        client.cookies["theme"] = "dark"
        with signed_in(client, issuer.mint(sub="ada"), via=via):
            with signed_in(client, issuer.mint(sub="bob"), via=inner):
                assert ask(client) == (200, "bob")
            assert ask(client) == (200, "ada")
        assert ask(client)[0] == 401
        assert {key: one.value for key, one in client.cookies.items()} == {"theme": "dark"}
        assert client.defaults == {}

    def test_credentials_of_drf_step_aside(issuer):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION="Bearer mine", HTTP_X_MINE="1")
        with signed_in(client, issuer.mint(sub="ada")):
            assert through(client, "/api/me") == (200, "ada")
        assert through(client, "/api/me")[0] == 401
        assert client._credentials == {"HTTP_AUTHORIZATION": "Bearer mine", "HTTP_X_MINE": "1"}

    def test_responses_carry_challenges(issuer):
        assert_challenge(Client().get("/me"), None)
        client = as_user(Client(), issuer.mint.expired())
        assert_challenge(client.get("/me"), "invalid_token")
        assert_challenge(APIClient().get("/api/me"), None)
        with pytest.raises(AssertionError, match="token_expired"):
            assert_challenge(client.get("/me"), "insufficient_scope")

    @pytest.mark.parametrize("spelling", ["AUTHORIZATION", "authorization", "Authorization"])
    def test_an_asynchronous_client_sends_one_header(issuer, spelling):
        client = AsyncClient()
        client.defaults[spelling] = "Bearer mine"
        with signed_in(client, issuer.mint(sub="ada")):
            assert asynchronously(client) == (200, "ada")
        assert client.defaults == {spelling: "Bearer mine"}
"""


def test_django(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name, text in (
        ("conftest", CONFIGURATION),
        ("site_under_test", SITE),
        ("test_django", TESTS),
    ):
        pytester.makepyfile(**{name: textwrap.dedent(text)})
    pytester.makeini("[pytest]\nfilterwarnings = error\npythonpath = .\n")
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(passed=41)
