"""`check` with Django's client: routes from the URLconf, views of every kind.

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
        SECURE_SSL_REDIRECT=True,
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware"],
        REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
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
    from django.urls import include, path, re_path
    from django.views import View
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.decorators import api_view
    from rest_framework.exceptions import AuthenticationFailed
    from rest_framework.permissions import BasePermission
    from rest_framework.response import Response
    from rest_framework.routers import SimpleRouter
    from rest_framework.views import APIView
    from rest_framework.viewsets import ViewSet

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

    class Guarded:
        authentication_classes = [Authentication]
        permission_classes = [SignedIn]

    class Me(Guarded, APIView):
        def get(self, request, tenant):
            return Response(request.user.subject)

        def put(self, request, tenant):
            return Response()

    class Posts(Guarded, ViewSet):
        def list(self, request):
            return Response([])

        def destroy(self, request, pk):
            return Response()

    @api_view(["GET"])
    def forgotten(request):
        return Response("welcome")

    def health(request):
        return HttpResponse("well")

    def breaks(request):
        raise ValueError(request.META.get("HTTP_AUTHORIZATION"))

    class Session(View):
        def get(self, request, year):
            if request.COOKIES.get("seen") != "yes":
                try:
                    auth.authenticate_blocking(request.META)
                except Rejection as refused:
                    answer = HttpResponse(refused.body, status=refused.status)
                    for name, value in refused.headers:
                        answer[name] = value
                    return answer
            answer = HttpResponse()
            answer.set_cookie("seen", "yes")
            return answer

    posts = SimpleRouter()
    posts.register("posts", Posts, basename="post")

    urlpatterns = [
        path("health", health),
        path("breaks", breaks),
        path("api/<uuid:tenant>/", include([path("me", Me.as_view())])),
        path("api/", include(posts.urls)),
        path("forgotten", forgotten),
        re_path(r"^years/(?P<year>[0-9]+)/$", Session.as_view()),
    ]
"""

TESTS = """
    import pytest
    from django.test import AsyncClient, Client
    from doorward.conformance import check

    def odd(report, route):
        return {
            one.attack: one.code
            for one in report.findings
            if one.route == route and one.state != "pass"
        }

    def test_every_view_of_the_urlconf_is_checked(issuer):
        client = Client(headers={"authorization": f"Bearer {issuer.mint()}"})
        client.cookies["seen"] = "yes"
        report = check(client, issuer=issuer, public="/health")
        assert {one.route: one.state for one in report.routes} == {
            "GET /health": "pass",
            "GET /breaks": "fail",
            "GET /api/{tenant}/me": "pass",
            "PUT /api/{tenant}/me": "pass",
            "GET /api/posts/": "pass",
            "DELETE /api/posts/{pk}/": "pass",
            "GET /forgotten": "fail",
            "GET /years/{year}/": "pass",
        }, str(report)
        assert odd(report, "GET /forgotten")["no_credentials"] == "let_in"
        assert set(odd(report, "GET /breaks").values()) == {"server_error"}
        # The client is as it was.
        assert client.cookies["seen"].value == "yes"
        assert client.get("/years/1/", secure=True).status_code == 200

    def test_an_asynchronous_client_says_so(issuer):
        with pytest.raises(TypeError, match="asynchronous"):
            check(AsyncClient())
"""


def test_django(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(textwrap.dedent(CONFIGURATION))
    pytester.makepyfile(site_under_test=textwrap.dedent(SITE), test_it=textwrap.dedent(TESTS))
    result = pytester.runpytest_subprocess("-q", "-p", "no:django", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)
