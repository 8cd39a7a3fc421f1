"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# A run in this process forgets the modules it was the first to import; the tests after it would
# have them twice.
import fastapi.testclient  # noqa: F401
import pytest
import starlette.testclient  # noqa: F401

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "testing.md"
EXAMPLE = ROOT / "python" / "examples" / "test_with_doorward.py"

INI = """
[pytest]
addopts = -p doorward.pytest_plugin --strict-markers --strict-config
filterwarnings = error
"""

APPLICATION = """
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from doorward import Authenticator, Reason, Rejection
from doorward.testing import DevIssuer, assert_challenge


def create_app(auth):
    async def me(request):
        try:
            return Response((await auth.authenticate(request.scope)).subject)
        except Rejection as refused:
            return Response(refused.body, refused.status, dict(refused.headers))

    return Starlette(routes=[Route("/me", me)])


@pytest.fixture
def client(doorward_auth):
    return TestClient(create_app(doorward_auth))
"""


class Run:
    """Runs tests with the plugin and nothing else, whether or not it is installed as one."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makeini(INI)
        pytester.makepyfile(conftest=APPLICATION)

    def __call__(self, tests: str, *arguments: str, apart: bool = False) -> pytest.RunResult:
        text = "from conftest import *\n" + textwrap.dedent(tests)
        self.pytester.makepyfile(test_it=text)
        run = self.pytester.runpytest_subprocess if apart else self.pytester.runpytest_inprocess
        return run("-p", "no:cacheprovider", *arguments)


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.syspath_prepend(pytester.path)
    return Run(pytester)


def modules_after(statements: str) -> set[str]:
    code = f"import json, sys\n{statements}\nprint(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-I", "-c", code]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return set(json.loads(told.stdout))


# What it costs those who do not use it.


def test_importing_it_imports_nothing() -> None:
    before = modules_after("import doorward, pytest")
    assert modules_after("import doorward, pytest, doorward.pytest_plugin") - before == {
        "doorward.pytest_plugin"
    }


def test_a_run_without_its_fixtures_imports_nothing(run: Run) -> None:
    tests = """
    import sys

    def test_one():
        heavy = {
            "doorward.testing", "doorward.fastapi", "doorward.asgi", "fastapi", "starlette",
            "flask", "werkzeug", "django", "rest_framework", "litestar", "httpx", "httpx2", "anyio",
        }
        assert not heavy & set(sys.modules)
    """
    run.pytester.makepyfile(conftest="")
    run(tests, apart=True).assert_outcomes(passed=1)


def test_every_fixture_says_whose_it_is(run: Run) -> None:
    run.pytester.makepyfile(conftest="")
    listed = run("", "--fixtures", "-v").outlines
    listed = listed[
        listed.index(next(line for line in listed if "doorward.pytest_plugin" in line)) :
    ]
    ours = [line.split(" ")[0] for line in listed if "doorward/pytest_plugin.py:" in line]
    assert sorted(ours) == [
        "doorward_as_user",
        "doorward_auth",
        "doorward_clock",
        "doorward_conformance",
        "doorward_headers",
        "doorward_http_issuer",
        "doorward_issuer",
        "doorward_mint",
        "doorward_token",
    ]
    assert not [line for line in listed if "no docstring available" in line]


def test_no_fixture_is_autouse(run: Run) -> None:
    tests = """
    def test_one(request):
        assert not [name for name in request.fixturenames if name.startswith("doorward")]
    """
    run(tests).assert_outcomes(passed=1)


def test_it_is_found_by_its_entry_point(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pytest finds it where the package is installed."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    installed = run.pytester.path / "site" / "doorward_plugin-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: doorward-plugin\nVersion: 1\n"
    )
    entry_point = "[pytest11]\ndoorward = doorward.pytest_plugin\n"
    (installed / "entry_points.txt").write_text(entry_point)
    monkeypatch.setenv("PYTHONPATH", str(installed.parent))
    run.pytester.makeini("[pytest]\naddopts = --strict-markers -p no:asyncio\n")
    tests = """
    @pytest.mark.doorward(user="ada")
    def test_one(client, doorward_headers):
        assert client.get("/me", headers=doorward_headers).text == "ada"
    """
    result = run(tests, "-W", "error", apart=True)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["plugins:*doorward*"])


# The fixtures.


def test_fixtures_fit_together(run: Run) -> None:
    tests = """
    def test_one(client, doorward_mint, doorward_as_user, doorward_auth, doorward_issuer):
        assert_challenge(client.get("/me"), None)
        assert doorward_as_user(client, sub="ada") is client
        assert client.get("/me").text == "ada"
        assert client.get("/me", headers=doorward_mint.headers(sub="bob")).text == "bob"
        with doorward_as_user.signed_in(client, doorward_mint.expired()):
            assert_challenge(client.get("/me"))
        assert client.get("/me").text == "ada"
        assert doorward_auth.verify(doorward_issuer.mint(sub="eve")).subject == "eve"
        assert doorward_issuer.mint is doorward_mint
    """
    run(tests).assert_outcomes(passed=1)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
def test_only_the_served_issuer_has_a_socket(run: Run) -> None:
    tests = """
    import os

    def sockets():
        found = set()
        for descriptor in os.listdir("/proc/self/fd"):
            try:
                found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
            except FileNotFoundError:
                pass  # the one that listed them
        return {one for one in found if one.startswith("socket:")}

    def test_one(request):
        before = sockets()
        auth = request.getfixturevalue("doorward_auth")
        assert auth.verify(request.getfixturevalue("doorward_token"))
        assert sockets() == before
        request.getfixturevalue("doorward_http_issuer")
        assert sockets() > before
    """
    run(tests).assert_outcomes(passed=1)


def test_the_clock_is_the_engines_alone(run: Run) -> None:
    tests = """
    import time

    def test_one(client, doorward_as_user, doorward_clock):
        before = time.time()
        assert before - 60 < doorward_clock.now <= before
        doorward_as_user(client, sub="ada", ttl=60)
        doorward_clock.advance(64)
        assert client.get("/me").text == "ada"
        doorward_clock.advance(2)
        assert client.get("/me").json() == {"detail": "token_expired"}
        assert time.time() - before < 60

    def test_set(client, doorward_as_user, doorward_clock):
        doorward_clock.set(1_800_000_000)
        assert doorward_as_user(client, sub="ada").get("/me").text == "ada"
        doorward_clock.set(1_700_000_000)
        assert client.get("/me").json() == {"detail": "token_not_yet_valid"}

    def test_over_http(doorward_http_issuer, doorward_clock):
        auth = doorward_http_issuer.authenticator()
        token = doorward_http_issuer.mint(ttl=60)
        assert auth.verify(token)
        doorward_clock.advance(66)
        with pytest.raises(Rejection) as refused:
            auth.verify(token)
        assert refused.value.reason is Reason.TOKEN_EXPIRED
    """
    run(tests).assert_outcomes(passed=3)


def test_nothing_leaks_from_one_test_to_the_next(run: Run) -> None:
    tests = """
    issuers = []

    @pytest.fixture(scope="session")
    def shared():
        return TestClient(Starlette())

    def test_harm(shared, doorward_issuer, doorward_http_issuer, doorward_clock, doorward_as_user):
        issuers.append((doorward_issuer.jwks(), doorward_http_issuer.jwks()))
        doorward_clock.set(5)
        doorward_http_issuer.authenticator().refresh()
        doorward_http_issuer.down()
        doorward_as_user(shared, sub="ada")
        doorward_as_user(shared, sub="bob", via="cookie")
        assert list(shared.cookies) == ["__session"]

    def test_no_harm_was_done(shared, doorward_issuer, doorward_http_issuer, doorward_clock):
        assert doorward_clock.now > 1_700_000_000
        assert "authorization" not in shared.headers and not shared.cookies
        for issuer in (doorward_issuer, doorward_http_issuer):
            assert issuer.jwks_fetches == 0
            assert issuer.authenticator().verify(issuer.mint(sub="ada")).subject == "ada"
        # But for the time it takes to make keys.
        issuers.append((doorward_issuer.jwks(), doorward_http_issuer.jwks()))
        assert issuers[0] == issuers[1]
        doorward_issuer.rotate()
        doorward_http_issuer.rotate()

    def test_keys_that_changed_are_thrown_away(doorward_issuer, doorward_http_issuer):
        for issuer, before in zip((doorward_issuer, doorward_http_issuer), issuers[0]):
            assert issuer.jwks() != before
            assert issuer.authenticator().verify(issuer.mint(sub="ada")).subject == "ada"
    """
    run(tests).assert_outcomes(passed=3)


def test_servers_end_with_the_run(run: Run) -> None:
    tests = """
    def test_one(doorward_http_issuer):
        print("served at", doorward_http_issuer.issuer)
        auth = doorward_http_issuer.authenticator()
        assert auth.verify(doorward_http_issuer.mint(sub="ada")).subject == "ada"
    """
    result = run(tests, "-s")
    result.assert_outcomes(passed=1)
    line = next(line for line in result.outlines if "served at" in line)
    port = urlsplit(line.rsplit("served at ", 1)[1]).port
    assert port is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_an_issuer_of_ones_own(run: Run) -> None:
    tests = """
    @pytest.fixture(scope="session")
    def doorward_issuer():
        return DevIssuer(issuer="https://mine.example")

    @pytest.fixture(scope="session")
    def client(doorward_issuer):
        return TestClient(create_app(doorward_issuer.authenticator()))

    @pytest.mark.doorward(user="ada")
    def test_one(client, doorward_as_user, doorward_headers, doorward_auth, doorward_token):
        assert client.get("/me", headers=doorward_headers).text == "ada"
        assert doorward_auth.verify(doorward_token).issuer == "https://mine.example"
        assert doorward_as_user(client).get("/me").text == "ada"
    """
    run(tests).assert_outcomes(passed=1)


def test_an_application_that_configures_itself(run: Run) -> None:
    tests = """
    def test_one(doorward_issuer, doorward_mint, monkeypatch):
        monkeypatch.setenv("CLERK_SECRET_KEY", "sk_test_the_machines_own")
        monkeypatch.setenv("DOORWARD_ISSUER", "https://the.machines.own")
        for name, value in doorward_issuer.environment().items():
            monkeypatch.setenv(name, value)
        client = TestClient(create_app(Authenticator.from_env()))
        assert client.get("/me", headers=doorward_mint.headers(sub="ada")).text == "ada"
    """
    run(tests).assert_outcomes(passed=1)


def test_a_failed_challenge_points_at_the_test(run: Run) -> None:
    tests = """
    def test_one(client):
        assert_challenge(client.get("/me"))
    """
    result = run(tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       assert_challenge(client.get(?/me?))",
            "E         error: expected 'invalid_token', found none",
            "E         WWW-Authenticate: Bearer",
            'E         {"detail":"credentials_missing"}',
        ]
    )
    result.stdout.no_fnmatch_line("*__tracebackhide__*")


def test_no_token_stands_in_a_report(run: Run) -> None:
    """Values of fixtures are shown with `-l`; those that know how to mint keep it to themselves."""
    tests = """
    def test_one(doorward_mint, doorward_as_user, doorward_issuer, doorward_auth, client):
        doorward_as_user(client, sub="ada")
        assert False
    """
    result = run(tests, "-l")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*eyJ*")
    result.stdout.no_fnmatch_line("*PRIVATE KEY*")


# The marker.


def test_a_marker_says_who_it_is(run: Run) -> None:
    tests = """
    pytestmark = pytest.mark.doorward(org="org_1")

    @pytest.mark.doorward(user="eve", role="admin", permissions=["org:posts:read"])
    class TestMarked:
        @pytest.mark.doorward(user="ada")
        def test_merged(self, doorward_auth, doorward_token, doorward_headers):
            identity = doorward_auth.verify(doorward_token)
            assert identity.subject == "ada"
            assert identity.organization_id == "org_1"
            assert identity.role == "org:admin"
            assert identity.permissions == ("org:posts:read",)
            assert doorward_headers == {"Authorization": f"Bearer {doorward_token}"}

        @pytest.mark.doorward(sub="bob", role="member", ttl=5)
        def test_the_closer_one_wins(self, doorward_auth, doorward_token, client, doorward_as_user):
            identity = doorward_auth.verify(doorward_token)
            assert (identity.subject, identity.role) == ("bob", "org:member")
            assert doorward_as_user(client).get("/me").text == "bob"
            assert doorward_as_user(client, sub="eve").get("/me").text == "eve"

        @pytest.mark.doorward(defect="expired")
        def test_a_defect(self, client, doorward_headers):
            assert client.get("/me", headers=doorward_headers).json() == {"detail": "token_expired"}

    def test_module(doorward_auth, doorward_token):
        identity = doorward_auth.verify(doorward_token)
        assert identity.organization_id == "org_1"
        assert identity.subject.startswith("user_")
    """
    run(tests).assert_outcomes(passed=4)


def test_a_marker_says_what_is_accepted(run: Run) -> None:
    tests = """
    pytestmark = pytest.mark.doorward(accepts=["session_token", "api_key", "m2m_token"])

    @pytest.mark.doorward(kind="api_key", user="org_1", scopes=["posts:read"])
    class TestKeys:
        def test_a_key(self, doorward_auth, doorward_token, doorward_issuer):
            identity = doorward_auth.verify(doorward_token)
            assert (identity.kind, identity.organization_id) == ("api_key", "org_1")
            assert identity.scopes == ("posts:read",)
            assert doorward_issuer.requests("verify") == 1

        @pytest.mark.doorward(defect="revoked")
        def test_a_revoked_key(self, client, doorward_headers):
            assert_challenge(client.get("/me", headers=doorward_headers))

        def test_revoked_later(self, client, doorward_headers, doorward_token, doorward_issuer):
            assert doorward_issuer.revoke(doorward_token) == 1
            assert_challenge(client.get("/me", headers=doorward_headers))

        def test_the_next_one(self, client, doorward_as_user, doorward_issuer):
            assert doorward_issuer.requests("verify") == 0
            assert doorward_as_user(client).get("/me").text == "org_1"

        @pytest.mark.doorward(accepts="session_token")
        def test_elsewhere(self, client, doorward_headers, doorward_issuer):
            refused = client.get("/me", headers=doorward_headers)
            assert refused.json() == {"detail": "token_kind_not_accepted"}
            with pytest.raises(RuntimeError):
                doorward_issuer.api_url

    def test_machines_and_people(client, doorward_mint, doorward_headers):
        machine = doorward_mint.headers(kind="m2m_opaque", sub="mch_1")
        assert client.get("/me", headers=machine).text == "mch_1"
        assert client.get("/me", headers=doorward_headers).text.startswith("user_")
        unknown = doorward_mint.headers(kind="oauth_opaque")
        assert client.get("/me", headers=unknown).json() == {"detail": "token_kind_not_accepted"}
    """
    run(tests).assert_outcomes(passed=6)


def test_no_marker_is_a_plain_session(run: Run) -> None:
    tests = """
    def test_one(client, doorward_headers):
        assert client.get("/me", headers=doorward_headers).text.startswith("user_")
    """
    run(tests).assert_outcomes(passed=1)


def test_the_marker_is_registered(run: Run) -> None:
    result = run("", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.doorward(user=..., org=..., role=*"])


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("usr='ada'", "@pytest.mark.doorward got an unexpected 'usr'; did you mean 'user'[?]"),
        (
            "permision=['a']",
            "@pytest.mark.doorward got an unexpected 'permision'; did you mean 'permissions'[?]",
        ),
        ("zzz=1", "@pytest.mark.doorward got an unexpected 'zzz'"),
        ("'ada'", "@pytest.mark.doorward takes keywords: user='user_1', …"),
        ("user='ada', sub='bob'", "@pytest.mark.doorward: user and sub are the same; say one"),
        ("scopes=['a']", "mint(): a token of kind 'session' carries no scopes; *"),
        ("kind='api_key', role='a'", "mint(): a token of kind 'api_key' carries no role; *"),
        (
            "accepts='apikey'",
            "@pytest.mark.doorward: accepts takes kinds of token (*, api_key, *), found 'apikey'",
        ),
        ("accepts=5", "@pytest.mark.doorward: accepts takes kinds of token (*), found 5"),
        ("accepts=[]", "@pytest.mark.doorward: accepts takes kinds of token (*), found none"),
    ],
)
@pytest.mark.parametrize("parameters", ["", "doorward_token"])
def test_a_mistake_in_a_marker_is_an_error(
    run: Run, marker: str, said: str, parameters: str
) -> None:
    tests = f"""
    @pytest.mark.doorward({marker})
    def test_one({parameters}):
        pass

    def test_other():
        pass
    """
    result = run(tests)
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_value_in_a_marker_that_the_engine_refuses(run: Run) -> None:
    tests = """
    @pytest.mark.doorward(permissions=["posts:read"])
    def test_one(doorward_token):
        pass
    """
    result = run(tests)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*expected `org:<feature>:<permission>`*"])


# What the documents say.


def test_the_guide(run: Run) -> None:
    """Each section with the application of the first one, as a module of tests."""
    application, *sections = GUIDE.read_text("utf-8").split("\n## ")[1:]
    modules = {"test_0": blocks(application)}
    above = blocks(application)[0].partition("def test_")[0]
    for number, section in enumerate(sections, 1):
        modules[f"test_{number}"] = [above, *blocks(section)]
    run.pytester.makepyfile(
        conftest="", **{name: "\n\n".join(parts) for name, parts in modules.items()}
    )
    result = run.pytester.runpytest_subprocess("-p", "no:cacheprovider")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] > 30


def blocks(markdown: str) -> list[str]:
    return re.findall(r"^```python\n(.+?)^```$", markdown, re.DOTALL | re.MULTILINE)


def test_the_example(run: Run) -> None:
    run.pytester.makepyfile(conftest="")
    shutil.copy(EXAMPLE, run.pytester.path)
    result = run.pytester.runpytest_subprocess("-p", "no:cacheprovider", EXAMPLE.name)
    outcomes: dict[str, Any] = result.parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] > 20
