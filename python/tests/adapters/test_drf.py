"""`DoorwardAuthentication` and the permissions, in every place REST framework has for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mysite.configure
import pytest
from django.core.cache import cache
from django.middleware.csrf import get_token
from django.urls import include, path
from django.views.decorators.cache import cache_page
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework import exceptions
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import AllowAny, BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle
from rest_framework.views import APIView, exception_handler
from rest_framework.viewsets import ViewSet
from support import ISSUER, NOW, PARTY, Clock, Signer, bearer

from doorward import Authenticator, Identity, Policy, Reason
from doorward.django import TokenUser, public
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
from doorward.testing import DevIssuer

site = mysite.configure.site


@pytest.fixture(autouse=True)
def _tables() -> Iterator[None]:
    from mysite.database import tables

    with tables():
        yield


class Who(APIView):
    """Says who the caller is."""

    def get(self, request: Any) -> Response:
        caller = request.auth
        return Response([caller and caller.subject, str(request.user)])

    post = get


def view(*permissions: Any, base: Any = Who, **members: Any) -> Any:
    """A view with these permissions, or the settings'."""
    if permissions:
        members["permission_classes"] = permissions
    return type("View", (base,), members).as_view()


def api(auth: Authenticator, *permissions: Any, gate: bool = False, **members: Any) -> Any:
    """A site of one such view."""
    return site(auth, path("", view(*permissions, **members)), gate=gate)


def get(headers: dict[str, str] | None = None, client: Any = APIClient, **extra: Any) -> Any:
    return client().get("/", headers=headers or {}, **extra)


NOBODY, ADA = [None, "AnonymousUser"], ["user_1", "user_1"]


@pytest.fixture
def boss(keys: Signer) -> dict[str, str]:
    """An admin who may read and delete posts."""
    return bearer(keys.session())


@pytest.fixture
def member(keys: Signer) -> dict[str, str]:
    """A member who may do nothing in particular."""
    return bearer(keys.session(o={"id": "org_1", "rol": "member"}, fea=None))


class TestAuthentication:
    def test_the_caller(self, auth: Authenticator, boss: dict[str, str]) -> None:
        class Look(APIView):
            def get(self, request: Any) -> Response:
                assert isinstance(request.auth, Identity)
                assert isinstance(request.user, TokenUser)
                assert request.user.identity is request.auth
                assert isinstance(request.successful_authenticator, DoorwardAuthentication)
                return Response()

        with site(auth, path("", Look.as_view()), gate=False):
            assert get(boss).status_code == 200

    def test_a_stranger(self, auth: Authenticator) -> None:
        with api(auth):
            answer = get()
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"

    def test_absent_credentials_are_not_bad_credentials(
        self, auth: Authenticator, keys: Signer, boss: dict[str, str]
    ) -> None:
        with api(auth, AllowAny):
            assert get().json() == NOBODY
            assert get(boss).json() == ADA
            for bad in (
                "junk",
                keys.session(exp=NOW - 60),
                keys.session(azp="https://evil.example"),
            ):
                answer = get(bearer(bad))
                assert answer.status_code == 401
                assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    def test_other_classes_get_their_turn(self, auth: Authenticator, boss: dict[str, str]) -> None:
        from django.contrib.auth.models import User

        User.objects.create_user("grace", password="secret")
        basic = {"Authorization": "Basic Z3JhY2U6c2VjcmV0"}
        classes = [DoorwardAuthentication, BasicAuthentication]
        with api(auth, authentication_classes=classes):
            assert get(basic).json() == [None, "grace"]
            assert get(boss).json() == ADA
            # Bad ones are refused and not passed on.
            assert get(bearer("junk")).json() == {"detail": "token_malformed"}

    @pytest.mark.parametrize("first", [SessionAuthentication, BasicAuthentication])
    def test_refusals_stay_what_they_are_behind_other_classes(
        self, auth: Authenticator, keys: Signer, member: dict[str, str], first: Any
    ) -> None:
        """REST framework asks its first class for the challenge, and answers 403 without one."""
        classes = [first, DoorwardAuthentication]
        with api(auth, HasRole("admin"), authentication_classes=classes):
            for headers, status, error in (
                ({}, 401, "Bearer"),
                (bearer(keys.session(exp=NOW - 60)), 401, 'error="invalid_token"'),
                ({"Authorization": "Bearer"}, 400, 'error="invalid_request"'),
                (member, 403, 'error="insufficient_scope"'),
            ):
                answer = get(headers)
                assert answer.status_code == status
                assert error in answer.headers["www-authenticate"]

    def test_an_authenticator_of_its_own(self, auth: Authenticator, clock: Clock) -> None:
        other = DevIssuer(issuer="https://other.example", clock=clock)

        class Theirs(DoorwardAuthentication):
            auth = other.authenticator()

        with api(auth, Requires(), authentication_classes=[Theirs]):
            assert get(bearer(other.mint(sub="ada"))).json() == ["ada", "ada"]
            assert get().status_code == 401

    def test_one_verification(self, clock: Clock, keys: Signer, boss: dict[str, str]) -> None:
        asked: list[object] = []

        class Counting(Authenticator):
            def authenticate_blocking(self, head: Any) -> Any:
                asked.append(head)
                return super().authenticate_blocking(head)

        counting = Counting.clerk(
            issuer=ISSUER, jwt_key=keys.jwks(), authorized_parties=PARTY, clock=clock
        )
        with api(counting, HasRole("admin") & HasPermission("org:posts:read"), gate=True):
            assert get(boss).json() == ADA
            assert len(asked) == 1
            asked.clear()
            # The challenge is asked for after the refusal.
            assert get(bearer("junk")).status_code == 401
            assert len(asked) == 1

    def test_keys_out_of_reach_are_our_trouble(self) -> None:
        with DevIssuer() as issuer:
            issuer.down()
            with api(issuer.authenticator(), AllowAny):
                answer = get(bearer(issuer.mint()))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Cache-Control"] == "no-store"
        assert "www-authenticate" not in answer.headers
        assert answer.json() == {"detail": "keys_unavailable"}

    def test_answers_to_browsers_vary(self, auth: Authenticator, keys: Signer) -> None:
        with api(auth, AllowAny):
            browser = APIClient()
            browser.cookies["__session"] = keys.session()
            assert browser.get("/").headers["Vary"] == "Accept, Authorization, Cookie"

    @pytest.mark.parametrize("renderers", [[JSONRenderer], [JSONRenderer, BrowsableAPIRenderer]])
    def test_no_caller_gets_what_was_cached_for_another(
        self, auth: Authenticator, keys: Signer, boss: dict[str, str], renderers: Any
    ) -> None:
        cache.clear()
        cached = cache_page(60)(view(AllowAny, renderer_classes=renderers))
        two = bearer(keys.session(sub="user_2"))
        with site(auth, path("", cached), gate=False):
            for _ in range(2):
                assert get(boss).json() == ADA
                assert get(two).json() == ["user_2", "user_2"]
                assert get().json() == NOBODY

            # Nor a stranger's: what Django keeps must depend on cookies even where there were none.
            stranger = APIRequestFactory().get("/other")
            # The factory sends the field all the same.
            del stranger.META["HTTP_COOKIE"]
            assert json.loads(cached(stranger).render().content) == NOBODY
            known = APIRequestFactory().get("/other", HTTP_COOKIE=f"__session={keys.session()}")
            assert json.loads(cached(known).render().content) == ADA
        cache.clear()

    def test_pages_are_pages(self, auth: Authenticator) -> None:
        renderers = [JSONRenderer, BrowsableAPIRenderer]
        with api(auth, Requires(), renderer_classes=renderers):
            answer = get({"Accept": "text/html"})
        assert answer.status_code == 401
        assert answer.headers["Content-Type"].startswith("text/html")
        assert b"credentials_missing" in answer.content


class TestRefusals:
    def test_are_exceptions_that_handlers_see(
        self, auth: Authenticator, member: dict[str, str]
    ) -> None:
        seen: list[Any] = []

        def handler(error: Exception, context: Any) -> Any:
            seen.append(error)
            answer = exception_handler(error, context)
            assert answer is not None
            answer.data = {"error": answer.data}
            return answer

        class Enveloped(Who):
            def get_exception_handler(self) -> Any:
                return handler

        with api(auth, HasRole("admin"), base=Enveloped):
            bad, lacking, none = get(bearer("junk")), get(member), get()
        assert bad.json() == {"error": {"detail": "token_malformed"}}
        assert lacking.json() == {"error": {"detail": "role_required"}}
        assert none.json() == {"error": {"detail": "credentials_missing"}}
        assert isinstance(seen[0], BadCredentials)
        assert isinstance(seen[0], exceptions.AuthenticationFailed)
        assert isinstance(seen[1], Refused)
        assert not isinstance(seen[1], exceptions.AuthenticationFailed)
        assert seen[1].status_code == 403
        assert seen[1].reason is Reason.ROLE_REQUIRED
        assert seen[1].get_codes() == "role_required"
        assert seen[1].get_full_details() == {
            "message": {"detail": "role_required"},
            "code": "role_required",
        }
        for one in (bad, lacking, none):
            assert one.headers["Cache-Control"] == "no-store"

    def test_numbers_stay_numbers(self, keys: Signer, clock: Clock) -> None:
        wordy = Authenticator.clerk(
            issuer=ISSUER, jwt_key=keys.jwks(), clock=clock, problem_details=True
        )
        with api(wordy):
            answer = get(bearer("junk"))
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == 401

    def test_show_no_token(self, auth: Authenticator, keys: Signer) -> None:
        token = keys.session(azp="https://evil.example")
        seen: list[str] = []

        class Watching(Who):
            def handle_exception(self, exc: Exception) -> Response:
                seen.append(f"{exc} {exc!r} {vars(exc)}")
                return super().handle_exception(exc)

        with api(auth, base=Watching):
            assert get(bearer(token)).status_code == 401
        assert "party_mismatch" in seen[0]
        assert not any(part in seen[0] for part in token.split("."))


class TestPermissions:
    def test_are_classes_and_equal_ones_are_the_same(self) -> None:
        one = HasPermission("org:posts:read")
        assert issubclass(one, BasePermission)
        assert one is HasPermission("org:posts:read")
        assert one is Requires(permission="org:posts:read")
        assert one is not HasPermission("org:posts:write")
        assert HasPermission("a:b:c", "d:e:f") is HasPermission("a:b:c", "d:e:f")
        assert HasScope("a", "b") is Requires(scopes=["a", "b"])
        assert HasRole("admin") is Requires(role="admin")
        assert Requires() is Requires()
        assert one() is not one()

    def test_typos_are_errors(self) -> None:
        with pytest.raises(TypeError, match="rolle"):
            Requires(rolle="admin")  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            HasPermission()  # type: ignore[call-arg]

    @pytest.mark.parametrize(
        ("permission", "reason"),
        [
            (HasPermission("org:posts:publish"), "permission_required"),
            (HasPermission("org:posts:read", "org:posts:publish"), "permission_required"),
            (HasRole("owner"), "role_required"),
            (HasScope("posts:read"), "insufficient_scope"),
            (Requires(organization="org_2"), "organization_required"),
        ],
    )
    def test_refuse_with_a_challenge(
        self, auth: Authenticator, boss: dict[str, str], permission: Any, reason: str
    ) -> None:
        with api(auth, permission):
            answer = get(boss)
            assert answer.status_code == 403
            assert answer.json() == {"detail": reason}
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
            nobody = get()
            assert nobody.status_code == 401
            assert nobody.json() == {"detail": "credentials_missing"}
            assert nobody.headers["www-authenticate"] == "Bearer"

    def test_permit(self, auth: Authenticator, boss: dict[str, str]) -> None:
        both = HasPermission("org:posts:read", "org:posts:delete")
        for permission in (HasPermission("org:posts:read"), both, HasRole("admin"), Requires()):
            with api(auth, permission):
                assert get(boss).json() == ADA

    def test_a_policy_that_is_already_there(
        self, auth: Authenticator, boss: dict[str, str], member: dict[str, str]
    ) -> None:
        class Admins(RequiresPolicy):
            policy = Policy(role="admin")

        with api(auth, Admins):
            assert get(boss).status_code == 200
            assert get(member).status_code == 403

    def test_views_that_choose(
        self, auth: Authenticator, boss: dict[str, str], member: dict[str, str]
    ) -> None:
        class Posts(ViewSet):
            def get_permissions(self) -> list[Any]:
                if self.action == "destroy":
                    return [HasPermission("org:posts:delete")()]
                return [Requires()()]

            def list(self, request: Any) -> Response:
                return Response(request.auth.subject)

            def destroy(self, request: Any, pk: str) -> Response:
                return Response(pk)

        router = SimpleRouter()
        router.register("posts", Posts, basename="posts")
        with site(auth, path("", include(router.urls)), gate=False):
            assert APIClient().get("/posts/", headers=member).json() == "user_1"
            assert APIClient().delete("/posts/7/", headers=boss).json() == "7"
            refused = APIClient().delete("/posts/7/", headers=member)
            assert refused.status_code == 403
            assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]

    def test_function_views(self, auth: Authenticator, boss: dict[str, str]) -> None:
        @api_view(["GET"])
        @authentication_classes([DoorwardAuthentication])
        @permission_classes([HasRole("owner") | HasRole("admin")])
        def me(request: Any) -> Response:
            return Response(request.auth.subject)

        with site(auth, path("", me), gate=False):
            assert get(boss).json() == "user_1"
            assert get().status_code == 401

    def test_somebody_elses_auth_is_no_caller(self, auth: Authenticator) -> None:
        """A token of another package, or none: `request.auth` is what its class says."""
        for theirs in (None, "a token", object()):
            request = APIRequestFactory().get("/")
            force_authenticate(request, user=TokenLess(), token=theirs)
            with api(auth):
                answer = view(HasPermission("org:posts:read"))(request)
            assert answer.status_code == 401
            assert answer.data == {"detail": "credentials_missing"}

    def test_forced_callers(self, auth: Authenticator, keys: Signer) -> None:
        caller = auth.verify(keys.session())
        client = APIClient()
        client.force_authenticate(user=TokenUser(caller), token=caller)
        with api(auth, HasRole("admin")):
            assert client.get("/").json() == ADA
        with api(auth, HasRole("owner")):
            assert client.get("/").status_code == 403

    def test_the_middlewares_user_in_the_place_of_a_sessions(
        self, auth: Authenticator, boss: dict[str, str], member: dict[str, str]
    ) -> None:
        """`SessionAuthentication` takes any active `request.user` for its own."""
        classes = [SessionAuthentication, DoorwardAuthentication]
        with api(auth, HasRole("admin"), gate=True, authentication_classes=classes):
            assert get(boss).status_code == 200
            assert get(member).status_code == 403


class TokenLess:
    pk = 1
    is_active = is_authenticated = True


#: What becomes of a boss, a member and nobody.
GRANTED, LACKING, ABSENT = 200, 403, 401
BOSS, OWNER = HasRole("admin"), HasRole("owner")
READER, PUBLISHER = HasPermission("org:posts:read"), HasPermission("org:posts:publish")


class TestComposition:
    @pytest.mark.parametrize(
        ("permission", "expected"),
        [
            (BOSS & READER, (200, 403, 401)),
            (BOSS & PUBLISHER, (403, 403, 401)),
            (BOSS | PUBLISHER, (200, 403, 401)),
            (OWNER | PUBLISHER, (403, 403, 401)),
            (OWNER | PUBLISHER | BOSS, (200, 403, 401)),
            (IsAuthenticated & BOSS, (200, 403, 401)),
            (BOSS & IsAuthenticated, (200, 403, 401)),
            (IsAdminUser | BOSS, (200, 403, 401)),
            (BOSS | IsAdminUser, (200, 403, 401)),
            (AllowAny | BOSS, (200, 200, 200)),
            (BOSS | AllowAny, (200, 200, 200)),
            (~BOSS, (403, 200, 401)),
            (~(BOSS & READER), (403, 200, 401)),
            (~(BOSS | OWNER), (403, 200, 401)),
            (~BOSS & IsAuthenticated, (403, 200, 401)),
            (~BOSS | BOSS, (200, 200, 401)),
            (~~BOSS, (200, 403, 401)),
            ((BOSS & READER) | (OWNER & PUBLISHER), (200, 403, 401)),
            ((IsAuthenticated & IsAuthenticated) & BOSS, (200, 403, 401)),
            ((IsAdminUser | IsAdminUser) | BOSS, (200, 403, 401)),
        ],
    )
    def test_says_who_may(
        self,
        auth: Authenticator,
        boss: dict[str, str],
        member: dict[str, str],
        permission: Any,
        expected: tuple[int, ...],
    ) -> None:
        with api(auth, permission):
            answers = get(boss), get(member), get()
        assert tuple(answer.status_code for answer in answers) == expected
        for answer in answers:
            if answer.status_code == 401:
                assert answer.headers["www-authenticate"] == "Bearer"
            if answer.status_code == 200:
                assert "www-authenticate" not in answer.headers
                assert "Cache-Control" not in answer.headers

    @pytest.mark.parametrize(
        ("permission", "reason"),
        [
            (BOSS & PUBLISHER, "permission_required"),
            (OWNER & READER, "role_required"),
            (IsAuthenticated & OWNER, "role_required"),
            (OWNER & IsAuthenticated, "role_required"),
            (OWNER | IsAdminUser, "role_required"),
            (IsAdminUser | PUBLISHER, "permission_required"),
            (OWNER | PUBLISHER, "role_required"),
            ((BOSS & PUBLISHER) | OWNER, "permission_required"),
        ],
    )
    def test_says_why_not(
        self, auth: Authenticator, boss: dict[str, str], permission: Any, reason: str
    ) -> None:
        with api(auth, permission):
            answer = get(boss)
        assert answer.status_code == 403
        assert answer.json() == {"detail": reason}
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]

    def test_on_objects(
        self, auth: Authenticator, boss: dict[str, str], member: dict[str, str]
    ) -> None:
        class One(Who):
            def get(self, request: Any) -> Response:
                self.check_object_permissions(request, object())
                return Response()

        for permission, expected in (
            (BOSS, (200, 403)),
            (~BOSS, (403, 200)),
            (~BOSS & IsAuthenticated, (403, 200)),
            (BOSS | OWNER, (200, 403)),
        ):
            with api(auth, permission, base=One):
                assert (get(boss).status_code, get(member).status_code) == expected

    def test_equal_compositions_are_equal(self) -> None:
        assert (HasRole("admin") & HasPermission("org:posts:read")) == (BOSS & READER)
        assert len({BOSS & READER, BOSS & READER}) == 1


def hand_out(request: Any) -> Any:
    from django.http import HttpResponse

    return HttpResponse(get_token(request))


class TestCookies:
    @pytest.mark.parametrize("gate", [False, True])
    def test_need_the_csrf_token(self, auth: Authenticator, keys: Signer, gate: bool) -> None:
        routes = path("", view()), path("token", public(hand_out))
        with site(auth, *routes, gate=gate):
            browser = APIClient(enforce_csrf_checks=True)
            browser.cookies["__session"] = keys.session()
            assert browser.get("/").json() == ADA
            refused = browser.post("/")
            assert refused.status_code == 403
            assert refused.json()["detail"].startswith("CSRF Failed")
            token = browser.get("/token").content.decode()
            assert browser.post("/", headers={"X-CSRFToken": token}).json() == ADA
            elsewhere = {"X-CSRFToken": token, "Origin": "https://evil.example"}
            assert browser.post("/", headers=elsewhere).status_code == 403

    @pytest.mark.parametrize("gate", [False, True])
    def test_headers_do_not(self, auth: Authenticator, boss: dict[str, str], gate: bool) -> None:
        with api(auth, gate=gate):
            assert APIClient(enforce_csrf_checks=True).post("/", headers=boss).json() == ADA

    def test_a_bad_cookie_is_told_that_it_is_bad(self, auth: Authenticator, keys: Signer) -> None:
        with api(auth):
            browser = APIClient(enforce_csrf_checks=True)
            browser.cookies["__session"] = keys.session(exp=NOW - 60)
            assert browser.post("/").json() == {"detail": "token_expired"}


class TestThrottles:
    @pytest.fixture(autouse=True)
    def _empty(self) -> Iterator[None]:
        cache.clear()
        yield
        cache.clear()

    def test_count_callers_by_their_subject(self, auth: Authenticator, keys: Signer) -> None:
        class Twice(UserRateThrottle):
            rate = "2/day"

        one, two = bearer(keys.session()), bearer(keys.session(sub="user_2"))
        with api(auth, throttle_classes=[Twice]):
            assert [get(one).status_code for _ in range(3)] == [200, 200, 429]
            # The same user with another token is still the same.
            assert get(bearer(keys.session(jti="jti_2"))).status_code == 429
            assert get(two).status_code == 200

    def test_strangers_are_counted_apart(self, auth: Authenticator, boss: dict[str, str]) -> None:
        class Once(AnonRateThrottle):
            rate = "1/day"

        with api(auth, AllowAny, throttle_classes=[Once]):
            assert [get().status_code for _ in range(2)] == [200, 429]
            assert [get(boss).status_code for _ in range(2)] == [200, 200]


class TestMiddleware:
    def test_guards_rest_framework_too(self, auth: Authenticator, boss: dict[str, str]) -> None:
        """REST framework marks all its views as open to Django's `LoginRequiredMiddleware`."""
        with api(auth, AllowAny, gate=True):
            assert get().status_code == 401
            assert get(boss).json() == ADA

    def test_public_views(self, auth: Authenticator, boss: dict[str, str]) -> None:
        opened = public(type("Open", (Who,), {"permission_classes": (AllowAny,)}))
        # The middleware asks nobody. The view's own authentication does.
        with site(auth, path("", opened.as_view())):
            assert get().json() == NOBODY
            assert get(boss).json() == ADA
            assert get(bearer("junk")).status_code == 401


class TestPreflights:
    HEADERS = (("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST"))

    def options(self, **more: str) -> Any:
        return APIClient().options("/", headers={**dict(self.HEADERS), **more})

    def test_learn_nothing(self, auth: Authenticator) -> None:
        with api(auth, Requires()):
            for headers in ({}, bearer("junk")):
                answer = self.options(**headers)
                assert answer.status_code == 405
                assert "www-authenticate" not in answer.headers
            # It is no preflight without the field.
            assert APIClient().options("/").status_code == 401

    def test_of_open_views(self, auth: Authenticator) -> None:
        with api(auth, AllowAny):
            assert self.options(**bearer("junk")).status_code == 200

    def test_who_is_known_may_ask_for_options(
        self, auth: Authenticator, boss: dict[str, str]
    ) -> None:
        with api(auth, Requires()):
            answer = APIClient().options("/", headers=boss)
            assert answer.status_code == 200
            assert answer.json()["renders"] == ["application/json", "text/html"]


class TestSchema:
    def test_has_the_security_scheme(self, auth: Authenticator) -> None:
        class Ours(DoorwardAuthentication):
            """What is made from it has the same scheme."""

        @api_view(["GET"])
        @authentication_classes([Ours])
        @permission_classes([HasRole("admin")])
        def mine(request: Any) -> Response:
            return Response()

        @api_view(["GET"])
        @permission_classes([AllowAny])
        def hello(request: Any) -> Response:
            return Response()

        with site(auth, gate=False):
            routes = [path("me", mine), path("hello", hello)]
            document = SchemaGenerator(patterns=routes).get_schema(request=None, public=True)
        validate_schema(document)
        assert document["components"]["securitySchemes"] == {
            "Doorward": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A bearer token, or the session cookie where this API reads one.",
            }
        }
        assert document["paths"]["/me"]["get"]["security"] == [{"Doorward": []}]
        assert document["paths"]["/hello"]["get"]["security"] == [{"Doorward": []}, {}]


@dataclass(frozen=True)
class ClerkUser:
    """`request.user`, as guides make one; `pk` is what throttles count by."""

    id: str
    claims: dict[str, Any]
    is_authenticated: bool = True
    is_anonymous: bool = False
    is_active: bool = True

    @property
    def pk(self) -> str:
        return self.id


class ClerkAuthentication(DoorwardAuthentication):
    def user(self, request: Any, identity: Identity) -> ClerkUser:
        if identity.user_id is None:
            raise exceptions.PermissionDenied("machines have no business here")
        return ClerkUser(identity.user_id, identity.claims)


def HasClerkPermission(permission: str) -> Any:
    return IsAuthenticated & HasPermission(permission)


class TestRecipes:
    def test_a_user_of_ones_own(
        self, auth: Authenticator, boss: dict[str, str], member: dict[str, str]
    ) -> None:
        class Me(APIView):
            authentication_classes = (ClerkAuthentication,)
            permission_classes = (HasClerkPermission("org:posts:delete"),)

            def get(self, request: Any) -> Response:
                return Response([request.user.pk, request.user.claims["sid"]])

        class Twice(UserRateThrottle):
            rate = "2/day"

        cache.clear()
        throttled = type("Throttled", (Me,), {"throttle_classes": (Twice,)})
        with site(auth, path("", Me.as_view()), path("few", throttled.as_view()), gate=False):
            assert get(boss).json() == ["user_1", "sess_1"]
            refused = get(member)
            assert refused.status_code == 403
            assert refused.json() == {"detail": "permission_required"}
            assert get().status_code == 401
            assert get(bearer("junk")).json() == {"detail": "token_malformed"}
            few = [APIClient().get("/few", headers=boss).status_code for _ in range(3)]
            assert few == [200, 200, 429]
        cache.clear()

    def test_that_refuses_machines(self, clock: Clock) -> None:
        issuer = DevIssuer(clock=clock)
        auth = issuer.authenticator(accepts=["session_token", "m2m_token"])
        with api(auth, AllowAny, authentication_classes=[ClerkAuthentication]):
            assert get(bearer(issuer.mint(kind="m2m"))).status_code == 403
            assert get(bearer(issuer.mint(sub="user_7"))).json()[0] == "user_7"
