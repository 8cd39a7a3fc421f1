"""`DOORWARD`, and what the system checks say about it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from mysite.configure import CSRF, GATE, site
from support import ISSUER, PARTY, Signer, bearer, signer

from doorward import ANY, Authenticator, ConfigError, Policy
from doorward.django import AuthMiddleware, authenticator, required
from doorward.django.checks import check
from doorward.django.conf import current

CLERK = {
    "PRESET": "clerk",
    "ISSUER": ISSUER,
    "KEYS": signer().pem(),
    "AUTHORIZED_PARTIES": [PARTY],
}
made = Authenticator.clerk(issuer=ISSUER, jwt_key=signer().jwks(), authorized_parties=PARTY)


def make() -> Authenticator:
    return made


def nonsense() -> str:
    return "nonsense"


class TestAuthenticator:
    def verifies(self, keys: Signer) -> bool:
        return authenticator().verify(keys.session(now=time.time())).subject == "user_1"

    def test_from_names_in_capitals(self, keys: Signer) -> None:
        with override_settings(DOORWARD=CLERK):
            assert self.verifies(keys)
            assert authenticator().authorized_parties == (PARTY,)
            assert authenticator() is authenticator()

    def test_from_a_list_of_issuers(self, keys: Signer) -> None:
        other = {
            "ISSUER": "https://other.example",
            "AUDIENCE": ANY,
            "KEYS": [signer("other").pem()],
            # What stands inside is not in capitals: claims have names of their own.
            "REQUIRED_VALUES": {"tokenUse": "access"},
        }
        with override_settings(DOORWARD={"ISSUER": (CLERK, other), "LEEWAY": 10.0}):
            assert self.verifies(keys)
            claims = {"iss": "https://other.example", "azp": None, "tokenUse": "access"}
            token = signer("other").session(now=time.time(), **claims)
            assert authenticator().verify(token).issuer == "https://other.example"

    @pytest.mark.parametrize("auth", [made, make, f"{__name__}.made", f"{__name__}.make"])
    def test_from_an_authenticator(self, auth: Any) -> None:
        with override_settings(DOORWARD={"AUTH": auth}):
            assert authenticator() is made

    def test_from_the_environment(self, keys: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLERK_JWT_KEY", keys.pem())
        monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", "http://one.example,http://two.example")
        for given in ({}, {"OPTIONAL": True}):
            with override_settings(DOORWARD=given):
                parties = authenticator().authorized_parties
                assert parties == ("http://one.example", "http://two.example")

    def test_from_settings_of_other_packages_names(self, keys: Signer) -> None:
        """As guides have them in `settings.py`."""
        named = {"CLERK_JWT_KEY": keys.pem(), "CLERK_AUTHORIZED_PARTIES": [PARTY]}
        with override_settings(DOORWARD={}, **named):
            assert self.verifies(keys)
            assert authenticator().authorized_parties == (PARTY,)

    def test_settings_are_read_again_when_they_change(self, keys: Signer) -> None:
        with override_settings(DOORWARD=CLERK):
            first = authenticator()
            with override_settings(DOORWARD={**CLERK, "AUTHORIZED_PARTIES": "https://b.example"}):
                assert authenticator() is not first
                assert authenticator().authorized_parties == ("https://b.example",)
            assert authenticator().authorized_parties == (PARTY,)

    def test_a_running_site_notices(self, auth: Authenticator, keys: Signer) -> None:
        with site(auth, path("", lambda request: HttpResponse())):
            client = Client()
            assert client.get("/", headers=bearer(keys.session())).status_code == 200
            with override_settings(DOORWARD={**CLERK, "OPTIONAL": True}):
                assert client.get("/").status_code == 200
                # That one goes by the time of the machine.
                assert client.get("/", headers=bearer(keys.session(now=0))).status_code == 401
            assert client.get("/").status_code == 401

    def test_threads_get_one(self) -> None:
        found: list[Authenticator] = []
        other = threading.Thread(target=lambda: found.append(authenticator()))
        made_by: list[str] = []

        def slowly() -> Authenticator:
            made_by.append(threading.current_thread().name)
            if len(made_by) == 1:
                other.start()
                # It must wait for this one, so there is nothing to wait for here.
                other.join(0.1)
            return make()

        with override_settings(DOORWARD={"AUTH": slowly}):
            found.append(authenticator())
            other.join()
        assert found == [made, made]
        assert made_by == [threading.current_thread().name]

    def test_nothing_is_made_before_it_is_needed(self) -> None:
        def never() -> Authenticator:
            raise AssertionError

        with override_settings(DOORWARD={"AUTH": never, "PREFER_TOKEN": True}):
            assert current().prefer_token
            own = required(auth=made)(lambda request: HttpResponse())
            with override_settings(ROOT_URLCONF=(path("", own),)):
                assert Client().get("/").status_code == 401


WRONG: dict[str, tuple[Any, str]] = {
    "nothing": ({}, "issuer"),
    "no dict": (["clerk"], "DOORWARD: a dict is expected, found list"),
    "a typo": (
        {"PRESET": "clerk", "PUBLISHABLE_KEE": "pk_test_x"},
        "DOORWARD: 'PUBLISHABLE_KEE' is unknown; did you mean 'PUBLISHABLE_KEY'?",
    ),
    "a typo of ours": (
        {**CLERK, "EXCLUDES": ["/health"]},
        "DOORWARD: 'EXCLUDES' is unknown; did you mean 'EXCLUDE'?",
    ),
    "a typo in an issuer": (
        {"ISSUER": [{**CLERK, "AUDIENSE": "x"}]},
        "DOORWARD: 'AUDIENSE' is unknown; did you mean 'AUDIENCE'?",
    ),
    "nothing like it": ({**CLERK, "COLOUR": "red"}, "DOORWARD: 'COLOUR' is unknown; known are"),
    "small letters": ({"preset": "clerk"}, "did you mean 'PRESET' instead of 'preset'?"),
    "small letters in an issuer": (
        {"ISSUER": [{"preset": "clerk"}]},
        "did you mean 'PRESET' instead of 'preset'?",
    ),
    "no name": ({1: "clerk"}, "names are written in capitals"),
    "a preset": ({"PRESET": "clerc"}, '"clerc" is unknown; did you mean "clerk"?'),
    "an issuer": ({"ISSUER": {"PRESET": "clerk"}}, "a list of dicts, found dict"),
    "an issuer in the list": ({"ISSUER": ["clerk"]}, "each issuer is a dict, found str"),
    "a path": ({**CLERK, "EXCLUDE": "/health"}, 'DOORWARD["EXCLUDE"]: a list of paths is expected'),
    "paths": ({**CLERK, "EXCLUDE": [1]}, 'DOORWARD["EXCLUDE"]: a list of paths is expected'),
    "a relative path": ({**CLERK, "EXCLUDE": ["health"]}, "a path starts with '/'"),
    "a truth": ({**CLERK, "OPTIONAL": "true"}, 'DOORWARD["OPTIONAL"]: True or False is expected'),
    "a number": ({**CLERK, "PREFER_TOKEN": 1}, "True or False is expected, found int"),
    "a field": ({**CLERK, "USER_FIELD": ""}, 'DOORWARD["USER_FIELD"]: the name of a field'),
    "a policy": ({**CLERK, "POLICY": "admin"}, 'DOORWARD["POLICY"]: a Policy'),
    "a demand": ({**CLERK, "POLICY": {"ROLLE": "x"}}, 'DOORWARD["POLICY"]: '),
    "an import": ({"AUTH": f"{__name__}.nowhere"}, 'DOORWARD["AUTH"]: '),
    "a module": ({"AUTH": "nowhere.auth"}, 'DOORWARD["AUTH"]: '),
    "what is imported": (
        {"AUTH": f"{__name__}.nonsense"},
        "an Authenticator is expected, or what returns one, found str",
    ),
    "an authenticator and more": ({"AUTH": made, **CLERK}, "leave out 'PRESET', 'ISSUER'"),
}


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
class TestMistakes:
    def test_stop_the_start_up(self, given: Any, message: str) -> None:
        with override_settings(DOORWARD=given), pytest.raises(ConfigError) as error:
            AuthMiddleware(lambda request: HttpResponse())
        assert message in str(error.value)

    def test_are_found_by_the_checks(self, given: Any, message: str) -> None:
        with override_settings(DOORWARD=given):
            found = checks.run_checks(tags=["security"])
        errors = [one for one in found if one.id == "doorward.E001"]
        assert len(errors) == 1
        assert message in errors[0].msg


def test_mistakes_show_no_secret() -> None:
    secret = "sk_test_do_not_show_me"
    for given in (
        {"PRESET": "clerk", "SECRET_KEY": secret, "KEYS": secret},
        {"ISSUER": "https://a.example", "AUDIENCE": "*", "SHARED_SECRET": secret},
        {"ISSUER": [{"PRESET": "clerk", "SECRET_KEY": [secret]}]},
    ):
        with override_settings(DOORWARD=given), pytest.raises(ConfigError) as error:
            authenticator()
        assert secret not in str(error.value)
        assert secret not in repr(error.value)


def found(**changes: Any) -> set[str]:
    """The ids of what the checks say about `DOORWARD`."""
    changes.setdefault("DOORWARD", CLERK)
    with override_settings(**changes):
        messages = checks.run_checks()
    return {one.id for one in messages if one.id.startswith("doorward.")}


REST: dict[str, Any] = settings.REST_FRAMEWORK


class TestChecks:
    def test_nothing_to_say(self) -> None:
        assert found() == set()
        assert found(MIDDLEWARE=[*settings.MIDDLEWARE, GATE]) == set()

    @pytest.mark.parametrize("before", range(4))
    def test_the_order_of_the_middleware(self, before: int) -> None:
        middleware = [*settings.MIDDLEWARE[:before], GATE, *settings.MIDDLEWARE[before:]]
        assert found(MIDDLEWARE=middleware) == {"doorward.E002"}

    def test_the_order_does_not_matter_without_them(self) -> None:
        assert found(MIDDLEWARE=[GATE, CSRF]) == set()

    def test_cookies_for_everybody(self) -> None:
        anybody = {name: value for name, value in CLERK.items() if name != "AUTHORIZED_PARTIES"}
        assert found(DOORWARD=anybody) == {"doorward.W001"}
        assert found(DOORWARD=anybody, DEBUG=True) == set()
        other = {"ISSUER": "https://a.example", "AUDIENCE": "api", "KEYS": signer().pem()}
        assert found(DOORWARD=other) == set()
        for cookies in ("a, access", ["access"]):
            assert found(DOORWARD={**other, "COOKIES": cookies}) == {"doorward.W001"}
        issuers = [{**other, "COOKIES": ["access"]}]
        assert found(DOORWARD={"ISSUER": issuers}) == {"doorward.W001"}

    def test_cookies_without_a_csrf_check(self) -> None:
        middleware = [one for one in settings.MIDDLEWARE if one != CSRF]
        assert found(MIDDLEWARE=middleware) == {"doorward.W002"}

    def test_cookies_in_error_reports(self) -> None:
        mailed = {"ADMINS": [("Ada", "ada@example.com")]}
        assert found(**mailed) == {"doorward.W008"}
        ours = "doorward.django.reports.SafeReporterFilter"
        assert found(**mailed, DEFAULT_EXCEPTION_REPORTER_FILTER=ours) == set()
        assert found(**mailed, MIDDLEWARE=[*settings.MIDDLEWARE, GATE]) == set()

    @pytest.mark.parametrize(
        "option", [{"EXCLUDE": ["/a"]}, {"OPTIONAL": True}, {"POLICY": Policy()}]
    )
    def test_settings_of_a_middleware_that_is_not_there(self, option: Any) -> None:
        assert found(DOORWARD={**CLERK, **option}) == {"doorward.W003"}
        middleware = [*settings.MIDDLEWARE, GATE]
        assert found(DOORWARD={**CLERK, **option}, MIDDLEWARE=middleware) == set()

    def test_rest_framework_without_us(self) -> None:
        others = ["rest_framework.authentication.SessionAuthentication"]
        rest = {**REST, "DEFAULT_AUTHENTICATION_CLASSES": others}
        assert found(REST_FRAMEWORK=rest) == {"doorward.W004"}
        ours = [*others, *REST["DEFAULT_AUTHENTICATION_CLASSES"]]
        rest = {**REST, "DEFAULT_AUTHENTICATION_CLASSES": ours}
        assert found(REST_FRAMEWORK=rest) == {"doorward.W005"}

    def test_rest_framework_open_to_all(self) -> None:
        rest = {**REST, "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]}
        assert found(REST_FRAMEWORK=rest) == {"doorward.W006"}
        gate = [*settings.MIDDLEWARE, GATE]
        assert found(REST_FRAMEWORK=rest, MIDDLEWARE=gate) == set()
        optional = {**CLERK, "OPTIONAL": True}
        assert found(REST_FRAMEWORK=rest, MIDDLEWARE=gate, DOORWARD=optional) == {"doorward.W006"}

    def test_a_project_of_nothing_but_doors(self) -> None:
        alone = {"INSTALLED_APPS": ["doorward.django"], "MIDDLEWARE": [GATE]}
        with override_settings(DOORWARD=CLERK, **alone):
            assert {one.id for one in check()} == {"doorward.W002"}


class TestBackendChecks:
    BACKENDS = ("doorward.django.backends.DoorwardBackend",)

    def found(self, **options: Any) -> set[str]:
        model = options.pop("model", "auth.User")
        options = {**CLERK, **options}
        changes = {"AUTHENTICATION_BACKENDS": self.BACKENDS, "AUTH_USER_MODEL": model}
        with override_settings(DOORWARD=options, **changes):
            messages = checks.run_checks(tags=["security"])
        return {one.id for one in messages if one.id.startswith("doorward.")}

    def test_the_field(self) -> None:
        assert self.found() == {"doorward.E003"}
        assert self.found(USER_FIELD="nickname") == {"doorward.E003"}
        assert self.found(USER_FIELD="username") == set()
        assert self.found(USER_FIELD="username", USER_ISSUER_FIELD="iss") == {"doorward.E003"}

    def test_unique_fields(self) -> None:
        assert self.found(USER_FIELD="first_name") == {"doorward.W007"}
        member = {"model": "mysite.Member"}
        assert self.found(**member, USER_FIELD="name") == {"doorward.W007"}
        assert self.found(**member, USER_FIELD="name", USER_ISSUER_FIELD="issuer") == set()

    @pytest.mark.parametrize(
        "issuers",
        [
            {"ISSUER": [CLERK, {**CLERK, "ISSUER": "https://b.example"}]},
            {
                "ISSUER": "https://login.example/{tenant}/v2",
                "TENANTS": ["one", "two"],
                "AUDIENCE": "x",
            },
        ],
        ids=["several", "tenants"],
    )
    def test_several_issuers(self, issuers: Any) -> None:
        def ids(**options: Any) -> set[str]:
            changes = {"AUTHENTICATION_BACKENDS": self.BACKENDS, "AUTH_USER_MODEL": "mysite.Member"}
            with override_settings(DOORWARD={**issuers, **options}, **changes):
                messages = checks.run_checks(tags=["security"])
            return {one.id for one in messages if one.id.startswith("doorward.E")}

        assert ids(USER_FIELD="name") == {"doorward.E003"}
        assert ids(USER_FIELD="name", USER_ISSUER_FIELD="issuer") == set()

    def test_settings_of_a_backend_that_is_not_there(self) -> None:
        for option in ({"USER_FIELD": "username"}, {"CREATE_UNKNOWN_USER": True}):
            assert found(DOORWARD={**CLERK, **option}) == {"doorward.W003"}
