"""`Doorward` for Flask: decorators, the gate in front of all views, refusals, signals, settings."""

from __future__ import annotations

import gc
import json
import logging
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from flask.testing import FlaskClient
from flask.views import MethodView, View
from support import ISSUER, NOW, PARTY, Clock, Signer, bearer, session_claims
from test_docs import ROOT, run
from werkzeug.exceptions import HTTPException, Unauthorized
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from doorward import Authenticator, ConfigError, Identity, Policy, Rejection
from doorward.flask import (
    AuthState,
    CrossOrigin,
    Doorward,
    Refused,
    authenticated,
    current_identity,
    public,
    rejected,
)
from doorward.testing import DevIssuer

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Counting(Authenticator):
    """Counts verifications."""

    calls = 0

    def authenticate_blocking(self, head: Any) -> Any:
        type(self).calls += 1
        return super().authenticate_blocking(head)


@pytest.fixture
def counting(clock: Clock, keys: Signer) -> Counting:
    Counting.calls = 0
    return Counting.clerk(jwt_key=keys.jwks(), issuer=ISSUER, authorized_parties=PARTY, clock=clock)


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.testing = True
    return app


@pytest.fixture
def door(app: Flask, counting: Counting) -> Doorward:
    return Doorward(app, counting)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def user(keys: Signer) -> dict[str, str]:
    return bearer(keys.session())


@pytest.fixture
def member(keys: Signer) -> dict[str, str]:
    return bearer(keys.session(o={"id": "org_1", "rol": "member"}, fea=None))


def whoami() -> dict[str, Any]:
    return {"user": current_identity.subject if current_identity else None}


def page() -> Callable[..., dict[str, Any]]:
    """A view of its own, for guards leave marks on theirs."""

    def whoami_page() -> dict[str, Any]:
        return whoami()

    return whoami_page


def assert_refused(answer: TestResponse, status: int, reason: str) -> None:
    assert (answer.status_code, answer.get_json()) == (status, {"detail": reason})


# Decorators


def bare(door: Doorward, view: Callable[..., Any]) -> Callable[..., Any]:
    return door.required(view)


def with_parentheses(door: Doorward, view: Callable[..., Any]) -> Callable[..., Any]:
    return door.required()(view)


def bare_requires(door: Doorward, view: Callable[..., Any]) -> Callable[..., Any]:
    return door.requires(view)


def empty_requires(door: Doorward, view: Callable[..., Any]) -> Callable[..., Any]:
    return door.requires()(view)


@pytest.mark.parametrize("guard", [bare, with_parentheses, bare_requires, empty_requires])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_required(
    app: Flask,
    door: Doorward,
    client: FlaskClient,
    user: dict[str, str],
    guard: Callable[..., Any],
    asynchronous: bool,
) -> None:
    async def coroutine() -> dict[str, Any]:
        return whoami()

    app.add_url_rule("/", view_func=guard(door, coroutine if asynchronous else page()))
    assert client.get("/", headers=user).get_json() == {"user": "user_1"}
    answer = client.get("/")
    assert_refused(answer, 401, "credentials_missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert_refused(client.get("/", headers=bearer("junk")), 401, "token_malformed")


@pytest.mark.parametrize("parentheses", [False, True])
def test_optional_lets_only_absence_through(
    app: Flask, door: Doorward, client: FlaskClient, user: dict[str, str], parentheses: bool
) -> None:
    guard = door.optional() if parentheses else door.optional
    app.add_url_rule("/", view_func=guard(page()))
    assert client.get("/").get_json() == {"user": None}
    assert client.get("/", headers=user).get_json() == {"user": "user_1"}
    assert_refused(client.get("/", headers=bearer("junk")), 401, "token_malformed")
    basic = {"Authorization": "Bearer"}
    assert_refused(client.get("/", headers=basic), 400, "authorization_malformed")


def test_requires(
    app: Flask,
    door: Doorward,
    client: FlaskClient,
    user: dict[str, str],
    member: dict[str, str],
) -> None:
    @app.delete("/posts/<int:post>")
    @door.requires(permission="org:posts:delete")
    def delete(post: int) -> dict[str, int]:
        return {"deleted": post}

    app.add_url_rule("/admin", "admin", door.permits(Policy(role="org:admin"))(page()))
    assert client.delete("/posts/7", headers=user).get_json() == {"deleted": 7}
    assert client.get("/admin", headers=user).status_code == 200
    answer = client.delete("/posts/7", headers=member)
    assert_refused(answer, 403, "permission_required")
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert_refused(client.get("/admin", headers=member), 403, "role_required")
    assert_refused(client.delete("/posts/7"), 401, "credentials_missing")


def test_demands_add_up(
    app: Flask, door: Doorward, client: FlaskClient, user: dict[str, str], member: dict[str, str]
) -> None:
    @app.get("/")
    @door.required
    @door.requires(role="admin")
    @door.requires(permission="org:posts:publish")
    async def index() -> str:
        return "published"

    assert_refused(client.get("/", headers=member), 403, "role_required")
    assert_refused(client.get("/", headers=user), 403, "permission_required")


def test_the_view_keeps_its_name(door: Doorward) -> None:
    @door.required
    def index() -> None:
        """Shows the index."""

    assert (index.__name__, index.__doc__) == ("index", "Shows the index.")


def test_above_the_route_it_guards_as_well(
    app: Flask, door: Doorward, client: FlaskClient, user: dict[str, str], member: dict[str, str]
) -> None:
    """Flask has registered the bare view by then."""

    @door.required
    @app.get("/sync")
    def sync() -> dict[str, Any]:
        return whoami()

    @door.requires(role="admin")
    @app.get("/async")
    async def coroutine() -> dict[str, Any]:
        return whoami()

    @door.optional
    @app.get("/optional")
    def optional() -> dict[str, Any]:
        return whoami()

    @door.required
    @app.get("/both")
    @door.requires(role="admin")
    def both() -> dict[str, Any]:
        return whoami()

    for path in ("/sync", "/async", "/both"):
        assert_refused(client.get(path), 401, "credentials_missing")
        assert client.get(path, headers=user).get_json() == {"user": "user_1"}
    for path in ("/async", "/both"):
        assert_refused(client.get(path, headers=member), 403, "role_required")
    assert client.get("/optional").get_json() == {"user": None}
    assert_refused(client.get("/optional", headers=bearer("junk")), 401, "token_malformed")
    assert client.options("/sync").status_code == 401
    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "GET"}
    assert client.options("/sync", headers=preflight).status_code == 200


def logged(view: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as Flask's documentation writes it."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return current_app.ensure_sync(view)(*args, **kwargs)

    return wrapper


def logged_on_a_loop(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await view(*args, **kwargs)

    return wrapper


def test_between_other_decorators(
    app: Flask, door: Doorward, client: FlaskClient, user: dict[str, str]
) -> None:
    async def coroutine() -> dict[str, Any]:
        return whoami()

    chains = {
        "/1": logged(door.required(page())),
        "/2": logged(door.required(coroutine)),
        "/3": door.required(logged(coroutine)),
        "/4": logged(door.required(logged(page()))),
        "/5": logged_on_a_loop(door.required(coroutine)),
        "/6": door.required(logged_on_a_loop(coroutine)),
    }
    for path, view in chains.items():
        app.add_url_rule(path, path, view)
    for path in chains:
        assert client.get(path, headers=user).get_json() == {"user": "user_1"}, path
        assert_refused(client.get(path), 401, "credentials_missing")


def test_guarded_one_way_here_and_another_way_there(
    app: Flask, door: Doorward, client: FlaskClient, user: dict[str, str], member: dict[str, str]
) -> None:
    view = page()
    app.add_url_rule("/admin", "admin", door.requires(role="admin")(view))
    app.add_url_rule("/required", "required", door.required(view))
    app.add_url_rule("/optional", "optional", door.optional(view))
    assert client.get("/admin", headers=user).status_code == 200
    assert client.get("/admin", headers=member).status_code == 403
    assert client.get("/required", headers=member).status_code == 200
    assert client.get("/optional").status_code == 200


def test_class_based_views(
    app: Flask, door: Doorward, client: FlaskClient, user: dict[str, str], member: dict[str, str]
) -> None:
    class Posts(MethodView):
        def get(self) -> dict[str, Any]:
            return whoami()

        @door.required
        async def post(self) -> dict[str, Any]:
            return whoami()

        @door.requires(role="admin")
        def delete(self) -> dict[str, Any]:
            return whoami()

    class Admin(View):
        decorators = (door.requires(role="admin"),)

        def dispatch_request(self) -> dict[str, Any]:
            return whoami()

    app.add_url_rule("/posts", view_func=Posts.as_view("posts"))
    app.add_url_rule("/admin", view_func=Admin.as_view("admin"))
    assert client.get("/posts").get_json() == {"user": None}
    assert client.post("/posts").status_code == 401
    assert client.post("/posts", headers=member).get_json() == {"user": "user_1"}
    assert client.delete("/posts", headers=member).status_code == 403
    assert client.delete("/posts", headers=user).status_code == 200
    assert client.get("/admin", headers=member).status_code == 403
    assert client.get("/admin", headers=user).status_code == 200


def test_a_guarded_bound_method(
    app: Flask, door: Doorward, client: FlaskClient, user: dict[str, str]
) -> None:
    class Api:
        def me(self) -> dict[str, Any]:
            return whoami()

    app.add_url_rule("/", "me", door.required(Api().me))
    assert client.get("/").status_code == 401
    assert client.get("/", headers=user).status_code == 200


def test_one_verification_however_many_guards(
    app: Flask, counting: Counting, user: dict[str, str]
) -> None:
    door = Doorward(app, counting, protect=True)
    blueprint = Blueprint("api", __name__)
    door.protect(blueprint)

    @blueprint.get("/")
    @door.required
    @door.requires(role="admin")
    @door.optional
    def index() -> dict[str, Any]:
        return whoami()

    app.register_blueprint(blueprint)
    assert app.test_client().get("/", headers=user).status_code == 200
    assert Counting.calls == 1


def test_what_a_decorator_refuses_to_be_used_for(door: Doorward) -> None:
    with pytest.raises(TypeError, match=r"no argument 'permision'; did you mean 'permission'\?"):
        door.requires(permision="org:posts:delete")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="expected a view, found 'org:admin'"):
        door.requires("org:admin")  # type: ignore[type-var]
    with pytest.raises(TypeError, match=r"Api: a class is guarded by `decorators"):

        @door.required
        class Api(MethodView): ...


# The caller


def test_the_caller_is_where_people_look(
    app: Flask, door: Doorward, client: FlaskClient, user: dict[str, str]
) -> None:
    seen: list[Any] = []

    @app.get("/required")
    @door.required
    def required() -> str:
        seen.append((current_identity.user_id, door.identity, g.auth_state, g.user_id))
        assert isinstance(current_identity, Identity)
        assert current_identity == door.identity
        return repr(g.auth_state)

    @app.get("/open")
    def unguarded() -> str:
        seen.append((bool(current_identity), door.identity, g.auth_state, g.user_id))
        return ""

    assert "user_1" in client.get("/required", headers=user).text
    user_id, identity, state, g_user_id = seen.pop()
    assert user_id == g_user_id == identity.user_id == "user_1"
    assert state.identity is identity
    assert state.is_signed_in
    # Where nobody asks, nobody is known, whatever was sent.
    for headers in ({}, user, bearer("junk")):
        client.get("/open", headers=headers)
        known, identity, state, g_user_id = seen.pop()
        assert (known, identity, state.is_signed_in, g_user_id) == (False, None, False, None)


def test_nobody_is_left_over_from_an_earlier_request(
    app: Flask, door: Doorward, user: dict[str, str]
) -> None:
    """Tests like to push an application context, whose `g` then serves several requests."""
    app.add_url_rule("/required", "required", door.required(page()))

    @app.get("/open")
    def unguarded() -> dict[str, Any]:
        return {"user": g.user_id, "signed_in": g.auth_state.is_signed_in, **whoami()}

    client = app.test_client()
    with app.app_context():
        assert client.get("/required", headers=user).get_json() == {"user": "user_1"}
        assert client.get("/open").get_json() == {"user": None, "signed_in": False}
        assert_refused(client.get("/required"), 401, "credentials_missing")


def test_nobody_is_left_over_from_another_application(
    app: Flask, door: Doorward, client: FlaskClient, counting: Counting, user: dict[str, str]
) -> None:
    """Which hands its environ on."""
    inner = Flask(__name__)
    Doorward(inner, counting)
    inner.add_url_rule("/", "index", page())

    @app.get("/")
    @door.required
    def index() -> Response:
        return Response.from_app(inner.wsgi_app, request.environ)

    assert client.get("/", headers=user).get_json() == {"user": None}


def test_the_caller_of_a_forbidden_request_is_known(
    app: Flask, door: Doorward, client: FlaskClient, member: dict[str, str]
) -> None:
    app.add_url_rule("/", "index", door.requires(role="admin")(page()))

    @app.errorhandler(403)
    def forbidden(error: HTTPException) -> Any:
        return {"sorry": g.user_id}, 403

    @app.errorhandler(401)
    def unauthorized(error: HTTPException) -> Any:
        return {"sorry": str(bool(current_identity))}, 401

    assert client.get("/", headers=member).get_json() == {"sorry": "user_1"}
    assert client.get("/", headers=bearer("junk")).get_json() == {"sorry": "False"}


def test_outside_of_a_request_there_is_no_caller(door: Doorward) -> None:
    with pytest.raises(RuntimeError, match="outside of request context"):
        _ = current_identity.subject
    assert not current_identity
    with pytest.raises(RuntimeError, match="outside of request context"):
        _ = door.identity


def test_auth_state_has_the_claims_of_old(auth: Authenticator, keys: Signer) -> None:
    state = AuthState(auth.verify(keys.session()))
    assert state.user_id == "user_1"
    assert state.payload["sub"] == "user_1"
    assert state.payload["org_id"] == "org_1"
    assert state.payload["org_role"] == "admin"
    assert "org:posts:delete" in state.payload["org_permissions"]
    assert AuthState(None).payload == {}
    assert AuthState(None).user_id is None


def test_auth_state_grants_nothing_by_a_custom_claim(clock: Clock) -> None:
    with DevIssuer(clock=clock) as issuer:
        auth = Authenticator.clerk(
            issuer=issuer.issuer, jwt_key=issuer.jwks(), clock=clock, accepts="template_token"
        )
        claims = {"org_role": "admin", "org_permissions": ["org:posts:delete"]}
        identity = auth.verify(issuer.mint(kind="template", claims=claims))
    assert identity.claims["org_role"] == "admin"
    assert "org_permissions" not in AuthState(identity).payload
    assert "org_role" not in AuthState(identity).payload


# In front of all views


@pytest.fixture
def guarded(app: Flask, counting: Counting) -> Doorward:
    door = Doorward(app, counting, protect=True, public="health")
    app.add_url_rule("/", "index", page(), methods=["GET", "POST"])
    app.add_url_rule("/health", "health", page())
    return door


def test_every_view_is_guarded(
    guarded: Doorward, client: FlaskClient, user: dict[str, str]
) -> None:
    assert_refused(client.get("/"), 401, "credentials_missing")
    assert_refused(client.get("/", headers=bearer("junk")), 401, "token_malformed")
    assert client.get("/", headers=user).get_json() == {"user": "user_1"}


def test_public_endpoints_ask_nobody(guarded: Doorward, client: FlaskClient) -> None:
    assert client.get("/health").get_json() == {"user": None}
    assert client.get("/health", headers=bearer("junk")).get_json() == {"user": None}
    assert Counting.calls == 0


def test_what_has_no_view_stays_what_it_is(
    guarded: Doorward, client: FlaskClient, app: Flask
) -> None:
    app.add_url_rule("/folder/", "folder", page())
    assert client.get("/nowhere").status_code == 404
    assert client.put("/").status_code == 405
    assert client.get("/folder").status_code == 308
    assert client.get("/folder/").status_code == 401


def test_static_files_are_open(counting: Counting, tmp_path: Any) -> None:
    (tmp_path / "style.css").write_text("p {}", encoding="utf-8")
    app = Flask(__name__, static_folder=str(tmp_path), static_url_path="/static")
    Doorward(app, counting, protect=True, public={"static"})
    blueprint = Blueprint("shop", __name__, static_folder=str(tmp_path), url_prefix="/shop")
    app.register_blueprint(blueprint)
    client = app.test_client()
    for path in ("/static/style.css", f"/shop/{tmp_path.name}/style.css"):
        with client.get(path) as answer:
            assert (path, answer.status_code) == (path, 200)
    assert client.get("/static/nothing.css").status_code == 404


def test_a_view_named_static_is_none_of_flasks(counting: Counting) -> None:
    app = Flask(__name__, static_folder=None)
    Doorward(app, counting, protect=True)
    blueprint = Blueprint("shop", __name__)
    app.add_url_rule("/static", "static", page())
    blueprint.add_url_rule("/shop/static", "static", page())
    app.register_blueprint(blueprint)
    assert app.test_client().get("/static").status_code == 401
    assert app.test_client().get("/shop/static").status_code == 401


def test_preflights_pass(guarded: Doorward, client: FlaskClient) -> None:
    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "POST"}
    answer = client.options("/", headers=preflight)
    assert answer.status_code == 200
    assert "POST" in answer.headers["Allow"]
    assert client.options("/").status_code == 401
    assert client.get("/", headers=preflight).status_code == 401


def test_a_preflight_does_not_open_a_guarded_view(app: Flask, counting: Counting) -> None:
    """A view that handles OPTIONS itself is called by a preflight."""
    door = Doorward(app, counting, protect=True)
    app.add_url_rule("/below", "below", door.required(page()), methods=["GET", "OPTIONS"])

    @door.required
    @app.route("/above", methods=["GET", "OPTIONS"])
    def above() -> dict[str, Any]:
        return whoami()

    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "GET"}
    for path in ("/below", "/above"):
        assert app.test_client().options(path, headers=preflight).status_code == 401


def test_a_preflight_does_not_open_a_view_of_several_methods(
    app: Flask, counting: Counting
) -> None:
    """Only a view for `OPTIONS` alone, or one that says it answers `OPTIONS`, is called."""
    door = Doorward(app, counting, protect=True)
    several = ["GET", "OPTIONS"]
    app.add_url_rule("/function", "function", page(), methods=several)

    class Whole(View):
        methods = several

        def dispatch_request(self) -> dict[str, Any]:
            return whoami()

    class ByMethod(MethodView):
        def get(self) -> dict[str, Any]:
            return whoami()

        def options(self) -> str:
            return "answered"

    def decorated() -> str:
        return "answered"

    # Flask's word for decorators that answer in the place of a view; Flask-CORS has one.
    decorated.provide_automatic_options = False  # type: ignore[attr-defined]
    app.add_url_rule("/whole", view_func=Whole.as_view("whole"))
    app.add_url_rule("/by-method", view_func=ByMethod.as_view("by_method"))
    app.add_url_rule("/decorated", "decorated", decorated, methods=several)
    app.add_url_rule("/alone", "alone", lambda: "answered", methods=["OPTIONS"])
    blueprint = Blueprint("inner", __name__)
    door.protect(blueprint)
    blueprint.add_url_rule("/inner", "function", page(), methods=several)
    app.register_blueprint(blueprint)

    client = app.test_client()
    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "GET"}
    for path in ("/function", "/whole", "/inner"):
        assert client.options(path, headers=preflight).status_code == 401
    for path in ("/by-method", "/decorated", "/alone"):
        assert client.options(path, headers=preflight).text == "answered"
        assert client.options(path).status_code == 401


@pytest.mark.parametrize("name", ["clerk_webhook", "webhooks.clerk_webhook"])
def test_public_names_find_their_blueprint(app: Flask, counting: Counting, name: str) -> None:
    """The guard that guides print: with a bare name it would refuse every webhook."""
    Doorward(app, counting, protect=True, public=["static", "health", name])
    blueprint = Blueprint("webhooks", __name__)
    app.add_url_rule("/health", "health", page())
    blueprint.add_url_rule("/webhook", "clerk_webhook", page(), methods=["POST"])
    blueprint.add_url_rule("/other", "other", page())
    app.register_blueprint(blueprint)
    client = app.test_client()
    assert client.post("/webhook").status_code == 200
    assert client.get("/health").status_code == 200
    assert client.get("/other").status_code == 401
    assert (
        client.options("/webhook", headers={"Access-Control-Request-Method": "POST"}).status_code
        == 200
    )
    assert client.get("/nowhere").status_code == 404


def test_a_public_name_of_two_views_opens_neither(app: Flask, counting: Counting) -> None:
    door = Doorward(app, counting, protect=True, public=["index"])
    for name in ("shop", "admin"):
        blueprint = Blueprint(name, __name__, url_prefix=f"/{name}")
        blueprint.add_url_rule("/", "index", page())
        app.register_blueprint(blueprint)
    expected = "'index' is ambiguous, it may be shop.index or admin.index"
    with pytest.raises(ConfigError, match=expected):
        door.check(app)
    with pytest.raises(ConfigError, match=expected):
        app.test_client().get("/shop/")


def test_an_exact_name_is_not_ambiguous(app: Flask, counting: Counting) -> None:
    Doorward(app, counting, protect=True, public=["index"])
    app.add_url_rule("/", "index", page())
    blueprint = Blueprint("admin", __name__, url_prefix="/admin")
    blueprint.add_url_rule("/", "index", page())
    app.register_blueprint(blueprint)
    assert app.test_client().get("/").status_code == 200
    assert app.test_client().get("/admin/").status_code == 401


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("helth", r"; did you mean 'health'\?"),
        ("/health", r"; a path is not a name, did you mean 'health'\?"),
        ("clerk_webhok", r"; did you mean 'webhooks\.clerk_webhook'\?"),
        ("webhook.clerk_webhook", r"; did you mean 'webhooks\.clerk_webhook'\?"),
        ("/", ""),
    ],
)
def test_an_unknown_public_name_is_a_mistake(
    app: Flask, counting: Counting, name: str, hint: str
) -> None:
    app.testing = False
    door = Doorward(app, counting, protect=True, public=[name])
    app.add_url_rule("/health", "health", page())
    blueprint = Blueprint("webhooks", __name__)
    blueprint.add_url_rule("/webhook", "clerk_webhook", page())
    app.register_blueprint(blueprint)
    with pytest.raises(ConfigError, match=f"no endpoint is named '{name}'{hint}$"):
        door.check(app)
    # Whoever does not ask learns it from the first request, and from every other.
    assert app.test_client().get("/health").status_code == 500
    assert app.test_client().get("/health").status_code == 500


def test_public_marks_a_view(app: Flask, counting: Counting, user: dict[str, str]) -> None:
    door = Doorward(app, counting, protect=True)

    @app.get("/below")
    @public
    def below() -> dict[str, Any]:
        return whoami()

    @public
    @app.get("/above")
    async def above() -> dict[str, Any]:
        return whoami()

    @public
    class Class(MethodView):
        def get(self) -> dict[str, Any]:
            return whoami()

    class Heir(Class): ...

    class Api:
        @public
        def method(self) -> dict[str, Any]:
            return whoami()

    app.add_url_rule("/class", view_func=Class.as_view("class"))
    app.add_url_rule("/heir", view_func=Heir.as_view("heir"))
    app.add_url_rule("/method", "method", Api().method)
    app.add_url_rule("/partial", "partial", public(partial(page())))

    @app.get("/guarded")
    @public
    @door.requires(role="admin")
    def guarded() -> dict[str, Any]:
        return whoami()

    client = app.test_client()
    for path in ("/below", "/above", "/class", "/method", "/partial"):
        assert client.get(path).get_json() == {"user": None}, path
    assert client.get("/heir").status_code == 401
    assert client.get("/guarded").status_code == 401
    assert client.get("/guarded", headers=user).status_code == 200


def test_public_under_another_decorator_opens_nothing(
    app: Flask, counting: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    door = Doorward(app, counting, protect=True)

    @public
    def harmless() -> dict[str, Any]:
        return whoami()

    @wraps(harmless)
    def secret() -> str:
        return "secret"

    def forgetful(view: Callable[..., Any]) -> Callable[..., Any]:
        return lambda: view()

    app.add_url_rule("/logged", "logged", logged(harmless))
    app.add_url_rule("/secret", "secret", secret)
    app.add_url_rule("/forgetful", "forgetful", forgetful(harmless))
    app.add_url_rule("/required", "required", door.required(harmless))
    app.add_url_rule("/optional", "optional", logged(door.optional(lambda: "")))
    app.add_url_rule("/stacked", "stacked", door.required(door.optional(lambda: "")))
    client = app.test_client()
    with caplog.at_level(logging.WARNING, logger="doorward"):
        for path in ("/logged", "/secret", "/forgetful", "/required", "/optional", "/stacked"):
            assert_refused(client.get(path), 401, "credentials_missing")
    assert "the endpoint 'logged' is not public" in caplog.text
    assert "the endpoint 'secret' is not public" in caplog.text


def test_optional_views_stay_optional(app: Flask, counting: Counting, user: dict[str, str]) -> None:
    door = Doorward(app, counting, protect=True)
    app.add_url_rule("/below", "below", door.optional(page()))

    @door.optional
    @app.get("/above")
    def above() -> dict[str, Any]:
        return whoami()

    client = app.test_client()
    for path in ("/below", "/above"):
        assert client.get(path).get_json() == {"user": None}
        assert client.get(path, headers=user).get_json() == {"user": "user_1"}
        assert client.get(path, headers=bearer("junk")).status_code == 401


def test_optional_at_one_route_is_not_optional_at_another(app: Flask, counting: Counting) -> None:
    door = Doorward(app, counting, protect=True)
    view = page()
    app.add_url_rule("/guarded", "guarded", logged(door.optional(view)))
    app.add_url_rule("/optional", "optional", door.optional(view))
    app.add_url_rule("/bare", "bare", view)
    client = app.test_client()
    assert client.get("/optional").status_code == 200
    assert client.get("/guarded").status_code == 401
    assert client.get("/bare").status_code == 401


def test_a_rule_that_flask_did_not_make(app: Flask, counting: Counting) -> None:
    Doorward(app, counting, protect=True)
    app.url_map.add(Rule("/", endpoint="index", methods=["GET", "OPTIONS"]))
    app.endpoint("index")(page())
    client = app.test_client()
    assert client.get("/").status_code == 401
    assert client.options("/", headers={"Access-Control-Request-Method": "GET"}).status_code == 401


def test_a_policy_for_all_views(
    app: Flask, counting: Counting, user: dict[str, str], member: dict[str, str]
) -> None:
    door = Doorward(app, counting, protect=True, policy=Policy(role="admin"))
    app.add_url_rule("/", "index", page())
    app.add_url_rule("/required", "required", door.required(page()))
    for path in ("/", "/required"):
        assert app.test_client().get(path, headers=user).status_code == 200
        assert_refused(app.test_client().get(path, headers=member), 403, "role_required")


def test_a_view_put_in_the_place_of_a_public_one_is_not_public(
    app: Flask, counting: Counting
) -> None:
    Doorward(app, counting, protect=True)
    app.add_url_rule("/", "index", public(page()))
    client = app.test_client()
    assert client.get("/").status_code == 200
    app.view_functions["index"] = lambda: "secret"
    assert client.get("/").status_code == 401


# Blueprints


def test_one_blueprint_is_guarded(app: Flask, door: Doorward, user: dict[str, str]) -> None:
    api = Blueprint("api", __name__, url_prefix="/api")
    door.protect(api, public=["health"], policy=Policy(role="admin"))
    nested = Blueprint("nested", __name__, url_prefix="/nested")
    for blueprint in (api, nested):
        blueprint.add_url_rule("/", "index", page())
        blueprint.add_url_rule("/health", "health", page())
    api.register_blueprint(nested)
    app.register_blueprint(api)
    app.register_blueprint(api, name="v2", url_prefix="/v2")
    app.add_url_rule("/", "index", page())
    door.check(app)
    client = app.test_client()
    assert client.get("/").get_json() == {"user": None}
    for path in ("/api/", "/api/nested/", "/api/nested/health", "/v2/", "/v2/nested/"):
        assert_refused(client.get(path), 401, "credentials_missing")
        assert client.get(path, headers=user).status_code == 200
    assert client.get("/api/health").status_code == 200
    assert client.get("/v2/health").status_code == 200
    assert client.get("/api/nowhere").status_code == 404
    assert (
        client.options("/api/", headers={"Access-Control-Request-Method": "GET"}).status_code == 200
    )
    assert client.options("/api/").status_code == 401


def test_public_names_of_a_blueprint_are_its_own(app: Flask, door: Doorward) -> None:
    api = Blueprint("api", __name__, url_prefix="/api")
    door.protect(api, public=["api.health", "hello"])
    api.add_url_rule("/health", "health", page())
    api.add_url_rule("/", "hallo", page())
    app.register_blueprint(api)
    app.add_url_rule("/hello", "hello", page())
    with pytest.raises(
        ConfigError, match=r"no endpoint is named 'hello'; did you mean 'api.hallo'"
    ):
        door.check(app)


def test_a_blueprint_and_the_guards_of_its_views(app: Flask, door: Doorward) -> None:
    api = Blueprint("api", __name__)
    door.protect(api)
    api.add_url_rule("/optional", "optional", door.optional(page()))
    api.add_url_rule("/public", "public", public(lambda: "public"))

    @door.optional
    @api.get("/above")
    def above() -> dict[str, Any]:
        return whoami()

    app.register_blueprint(api)
    for path in ("/optional", "/public", "/above"):
        assert app.test_client().get(path).status_code == 200, path
    assert app.test_client().get("/above", headers=bearer("junk")).status_code == 401


def test_a_blueprint_is_protected_once(door: Doorward) -> None:
    api = Blueprint("api", __name__)
    door.protect(api)
    with pytest.raises(ConfigError, match="'api' is protected already"):
        door.protect(api, public=["index"])


def test_a_protected_blueprint_of_an_unguarded_application_is_closed(door: Doorward) -> None:
    api = Blueprint("api", __name__)
    door.protect(api)
    api.add_url_rule("/", "index", page())
    app = Flask(__name__)
    app.register_blueprint(api)
    assert app.test_client().get("/").status_code == 500


# Refusals


@pytest.fixture
def me(app: Flask, door: Doorward) -> None:
    app.add_url_rule("/", "me", door.required(page()))
    app.add_url_rule("/admin", "admin", door.requires(role="admin")(page()))


@pytest.mark.usefixtures("me")
@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (None, False),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/problem+json", False),
        ("application/json, text/html", False),
        ("text/html;q=0.5, application/json", False),
        ("image/png", False),
        ("text/html", True),
        ("text/*", True),
        (BROWSER, True),
    ],
)
def test_data_or_a_page(client: FlaskClient, accept: str | None, html: bool) -> None:
    answer = client.get("/", headers={} if accept is None else {"Accept": accept})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"
    if html:
        assert answer.content_type == "text/html; charset=utf-8"
        assert "<h1>Unauthorized</h1>" in answer.text
        assert "The request carries no credentials." in answer.text
    else:
        assert answer.content_type == "application/json"
        assert answer.data == b'{"detail":"credentials_missing"}'


def test_problem_details(app: Flask, keys: Signer, clock: Clock) -> None:
    auth = Authenticator.clerk(jwt_key=keys.jwks(), clock=clock, problem_details=True)
    Doorward(app, auth, protect=True)
    app.add_url_rule("/", "index", page())
    answer = app.test_client().get("/")
    assert answer.content_type == "application/problem+json"
    assert answer.get_json(force=True)["reason"] == "credentials_missing"


@pytest.mark.usefixtures("me")
def test_explains_in_development(keys: Signer, clock: Clock) -> None:
    app = Flask(__name__)
    Doorward(app, Authenticator.clerk(jwt_key=keys.jwks(), clock=clock, explain=True), protect=True)
    app.add_url_rule("/", "index", page())
    body = app.test_client().get("/", headers=bearer(keys.session(exp=NOW - 60))).get_json()
    assert body["detail"] == "token_expired"
    assert body["hint"]


@pytest.mark.usefixtures("me")
@pytest.mark.parametrize("key", [401, Unauthorized, HTTPException, Refused])
def test_error_handlers(app: Flask, client: FlaskClient, key: Any) -> None:
    @app.errorhandler(key)
    def handler(error: Refused) -> Any:
        assert isinstance(error, Refused)
        assert isinstance(error, Unauthorized)
        assert isinstance(error.rejection, Rejection)
        assert error.code == 401
        return {"error": str(error.reason), "said": error.description}, error.code

    answer = client.get("/", headers=bearer("junk"))
    assert answer.status_code == 401
    assert answer.get_json() == {"error": "token_malformed", "said": "token_malformed"}


@pytest.mark.usefixtures("me")
def test_an_error_handler_may_use_the_answer(app: Flask, client: FlaskClient) -> None:
    """As Flask's documentation has it for JSON."""

    @app.errorhandler(HTTPException)
    def handler(error: HTTPException) -> Any:
        response = error.get_response()
        response.data = json.dumps({"code": error.code, "description": error.description})
        response.content_type = "application/json"
        return response

    answer = client.get("/", headers={**bearer("junk"), "Accept": BROWSER})
    assert answer.get_json() == {"code": 401, "description": "token_malformed"}
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.usefixtures("me")
def test_the_challenge_is_there_to_be_read(app: Flask, client: FlaskClient) -> None:
    @app.errorhandler(401)
    def handler(error: Refused) -> Any:
        answer = jsonify(detail="mine")
        answer.status_code = 401
        answer.www_authenticate = error.www_authenticate
        return answer

    challenge = client.get("/", headers=bearer("junk")).www_authenticate
    assert challenge.type == "bearer"
    assert challenge["error"] == "invalid_token"


@pytest.mark.usefixtures("me")
def test_an_error_handler_of_a_blueprint(app: Flask, door: Doorward, client: FlaskClient) -> None:
    shop = Blueprint("shop", __name__, url_prefix="/shop")
    shop.add_url_rule("/", "index", door.required(page()))
    shop.register_error_handler(401, lambda error: ({"shop": error.description}, 401))
    app.register_blueprint(shop)
    assert client.get("/shop/").get_json() == {"shop": "credentials_missing"}
    assert client.get("/").get_json() == {"detail": "credentials_missing"}


def test_every_status_is_werkzeugs_class(
    app: Flask, door: Doorward, client: FlaskClient, member: dict[str, str]
) -> None:
    seen: list[str] = []

    @app.errorhandler(Refused)
    def handler(error: Refused) -> Any:
        seen.extend(one.__name__ for one in type(error).__mro__ if "werkzeug" in one.__module__)
        return error

    app.add_url_rule("/", "index", door.requires(role="admin")(page()))
    assert client.get("/", headers={"Authorization": "Bearer"}).status_code == 400
    assert client.get("/", headers=member).status_code == 403
    assert seen == ["BadRequest", "HTTPException", "Forbidden", "HTTPException"]


def test_keys_out_of_reach(app: Flask, keys: Signer, clock: Clock) -> None:
    auth = Authenticator.clerk(issuer=ISSUER, jwks_url="http://127.0.0.1:9/jwks.json", clock=clock)
    door = Doorward(app, auth)
    app.add_url_rule("/", "index", door.required(page()))
    seen: list[Any] = []

    @app.errorhandler(503)
    def handler(error: Refused) -> Any:
        seen.append(error.retry_after)
        return error

    answer = app.test_client().get("/", headers=bearer(keys.session()))
    assert_refused(answer, 503, "keys_unavailable")
    assert "WWW-Authenticate" not in answer.headers
    assert int(answer.headers["Retry-After"]) == seen[0] > 0


@pytest.mark.usefixtures("me")
def test_no_token_is_ever_shown(
    app: Flask, client: FlaskClient, keys: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    @app.errorhandler(Refused)
    def handler(error: Refused) -> Any:
        seen.extend((repr(error), str(error), repr(error.rejection), repr(g.auth_state)))
        return error

    token = keys.session(exp=NOW - 60)
    with caplog.at_level(logging.DEBUG):
        seen.append(client.get("/", headers=bearer(token)).text)
    for part in token.split("."):
        assert part not in "".join(seen) + caplog.text


# Cookies


def cookie(keys: Signer, **headers: str) -> dict[str, str]:
    return {"Cookie": f"__session={keys.session()}", **headers}


def crossed(**fields: str) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in fields.items()}


SAME = "http://localhost"
EVIL = "https://evil.example"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"Origin": SAME}, 200),
        ({"Origin": PARTY}, 200),
        ({"Origin": EVIL}, 403),
        ({"Origin": "http://localhost:8080"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://outside.example"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": PARTY}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": SAME}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": EVIL}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "whatever"}, 403),
    ],
)
def test_a_cookie_that_another_site_sends(
    app: Flask,
    door: Doorward,
    keys: Signer,
    fields: dict[str, str],
    status: int,
) -> None:
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app.add_url_rule("/", "index", door.required(page()), methods=methods)
    app.add_url_rule("/optional", "optional", door.optional(page()), methods=methods)
    client = app.test_client(use_cookies=False)
    for path in ("/", "/optional"):
        for method in methods:
            answer = client.open(path, method=method, headers=cookie(keys, **fields))
            if method == "GET":
                assert answer.status_code == 200
                continue
            assert answer.status_code == status
            if status == 403:
                assert answer.get_json() == {"detail": "cross_origin"}
                assert answer.headers["Cache-Control"] == "no-store"
                assert "WWW-Authenticate" not in answer.headers
        # A page of another site cannot write this header.
        bearing = {**bearer(keys.session()), **fields}
        assert client.post(path, headers=bearing).status_code == 200


def test_the_origin_is_asked_by_whichever_guard_is_first(
    app: Flask, counting: Counting, keys: Signer
) -> None:
    Doorward(app, counting, protect=True)
    app.add_url_rule("/", "index", page(), methods=["POST"])
    client = app.test_client(use_cookies=False)
    assert client.post("/", headers=cookie(keys, Origin=EVIL)).status_code == 403
    answer = client.post("/", headers=cookie(keys, Origin=EVIL, Accept=BROWSER))
    assert "<h1>Forbidden</h1>" in answer.text


def test_the_foreign_origin_is_told_to_the_operator(
    app: Flask, door: Doorward, keys: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    app.add_url_rule("/", "index", door.required(page()), methods=["POST"])
    app.register_error_handler(CrossOrigin, lambda error: ({"crossed": error.description}, 403))
    with caplog.at_level(logging.INFO, logger="doorward"):
        answer = app.test_client(use_cookies=False).post(
            "/", headers=cookie(keys, Origin="https://é.example")
        )
    assert answer.get_json() == {"crossed": "cross_origin"}
    assert r"'https://\xe9.example'" in caplog.text
    assert "authorized_parties" in caplog.text


def test_the_origin_check_can_be_switched_off(app: Flask, counting: Counting, keys: Signer) -> None:
    door = Doorward(app, counting, check_origin=False)
    app.add_url_rule("/", "index", door.required(page()), methods=["POST"])
    assert (
        app.test_client(use_cookies=False).post("/", headers=cookie(keys, Origin=EVIL)).status_code
        == 200
    )


# Signals


@pytest.fixture
def heard() -> Iterator[list[tuple[Any, ...]]]:
    events: list[tuple[Any, ...]] = []

    def on_authenticated(sender: Flask, identity: Identity) -> None:
        events.append((sender, identity.subject))

    def on_rejected(sender: Flask, rejection: Rejection) -> None:
        events.append((sender, str(rejection.reason)))

    with authenticated.connected_to(on_authenticated), rejected.connected_to(on_rejected):
        yield events


def test_signals(
    app: Flask,
    counting: Counting,
    heard: list[tuple[Any, ...]],
    user: dict[str, str],
    member: dict[str, str],
) -> None:
    door = Doorward(app, counting, protect=True)
    app.add_url_rule("/", "index", door.required(door.requires(role="admin")(page())))
    app.add_url_rule("/optional", "optional", door.optional(page()))
    client = app.test_client()
    client.get("/", headers=user)
    assert heard == [(app, "user_1")]
    client.get("/")
    client.get("/", headers=member)
    client.get("/optional")
    client.get("/optional", headers=bearer("junk"))
    assert heard[1:] == [
        (app, "credentials_missing"),
        (app, "user_1"),
        (app, "role_required"),
        (app, "token_malformed"),
    ]


@pytest.mark.usefixtures("me")
def test_a_receiver_may_be_a_coroutine(
    app: Flask, client: FlaskClient, user: dict[str, str]
) -> None:
    seen: list[str] = []

    async def receiver(sender: Flask, **kwargs: Any) -> None:
        seen.extend(kwargs)

    with authenticated.connected_to(receiver, app), rejected.connected_to(receiver, app):
        client.get("/", headers=user)
        client.get("/")
    assert seen == ["identity", "rejection"]


# Construction


SETTINGS = {
    "CLERK_AUTHORIZED_PARTIES": [PARTY],
    "DOORWARD_ISSUER": ISSUER,
    "DOORWARD_PRESET": "clerk",
}


def test_the_settings_of_the_application(keys: Signer) -> None:
    app = Flask(__name__)
    app.config.update(
        SETTINGS,
        CLERK_JWT_KEY=keys.pem(),
        CLERK_WEBHOOK_SIGNING_SECRET="whsec_not_ours",
        DOORWARD_PROTECT=True,
        DOORWARD_PUBLIC=["health"],
        DOORWARD_CHECK_ORIGIN=False,
    )
    Doorward(app)
    app.add_url_rule("/", "index", page(), methods=["POST"])
    app.add_url_rule("/health", "health", page())
    client = app.test_client(use_cookies=False)
    good = keys.session(now=time.time())
    assert client.post("/", headers=bearer(good)).status_code == 200
    evil = {"Cookie": f"__session={good}", "Origin": EVIL}
    assert client.post("/", headers=evil).status_code == 200
    assert client.post("/").status_code == 401
    assert client.get("/health").status_code == 200
    stranger = keys.session(now=time.time(), azp=EVIL)
    assert_refused(client.post("/", headers=bearer(stranger)), 401, "party_mismatch")


def test_the_environment_fills_what_settings_leave_open(
    keys: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLERK_JWT_KEY", keys.pem())
    monkeypatch.setenv("DOORWARD_PROTECT", "true")
    monkeypatch.setenv("DOORWARD_PUBLIC", "health, hello")
    app = Flask(__name__)
    app.config.update(SETTINGS, DOORWARD_PUBLIC=None)
    Doorward(app)
    for name in ("index", "health", "hello"):
        app.add_url_rule(f"/{name}", name, page())
    client = app.test_client()
    assert [client.get(f"/{one}").status_code for one in ("index", "health", "hello")] == [
        401,
        200,
        200,
    ]


def test_arguments_go_before_settings(counting: Counting) -> None:
    app = Flask(__name__)
    app.config.update(DOORWARD_PROTECT=True, DOORWARD_PUBLIC=["index"])
    Doorward(app, counting, protect=True, public=[])
    app.add_url_rule("/", "index", page())
    assert app.test_client().get("/").status_code == 401


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "names no issuer"),
        ({"DOORWARD_ISUER": ISSUER}, "DOORWARD_ISUER.*did you mean.*DOORWARD_ISSUER"),
        ({"DOORWARD_PROTCT": True}, "DOORWARD_PROTCT: .*did you mean 'DOORWARD_PROTECT'"),
        ({"DOORWARD_PUBLICS": []}, "DOORWARD_PUBLICS: .*did you mean 'DOORWARD_PUBLIC'"),
        ({"DOORWARD_PROTECT": "yes"}, "DOORWARD_PROTECT: expected True or False, found 'yes'"),
        ({"DOORWARD_PROTECT": 1}, "DOORWARD_PROTECT: expected True or False, found 1"),
        ({"DOORWARD_PROTECT": True, "DOORWARD_PUBLIC": 7}, "DOORWARD_PUBLIC: expected names"),
        ({"DOORWARD_PROTECT": True, "DOORWARD_PUBLIC": [7]}, "DOORWARD_PUBLIC: expected names"),
        ({"DOORWARD_PROTECT": True, "DOORWARD_PUBLIC": "a,"}, "DOORWARD_PUBLIC: expected names"),
        ({"DOORWARD_PUBLIC": ["index"]}, "DOORWARD_PUBLIC: nothing is protected"),
        ({**SETTINGS, "CLERK_AUTHORIZED_PARTIES": []}, "CLERK_AUTHORIZED_PARTIES.*empty"),
    ],
)
def test_wrong_settings_stop_the_start(settings: dict[str, Any], message: str) -> None:
    app = Flask(__name__)
    app.config.update(settings)
    with pytest.raises(ConfigError, match=message):
        Doorward(app)


@pytest.mark.parametrize("name", ["DOORWARD_PROTEC", "DOORWARD_PROTECTED", "DOORWARD_PUBLIK"])
def test_a_typo_is_found_beside_an_explicit_authenticator(counting: Counting, name: str) -> None:
    app = Flask(__name__)
    app.config[name] = True
    with pytest.raises(ConfigError, match=f"{name}: no such setting; did you mean"):
        Doorward(app, counting)


@pytest.mark.parametrize(
    "name", ["PRESET", "ISSUER", "KEYS", "AZP", "ACCEPTS", "COOKIES", "EXPLAIN", "CONFIG"]
)
def test_an_explicit_authenticator_leaves_its_settings_unread(
    counting: Counting, name: str
) -> None:
    app = Flask(__name__)
    app.config[f"DOORWARD_{name}"] = "whatever"
    Doorward(app, counting)


def test_wrong_arguments(app: Flask, counting: Counting) -> None:
    with pytest.raises(TypeError, match=r"no argument 'protekt'; did you mean 'protect'\?"):
        Doorward(app, counting, protekt=True)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="auth=…"):
        Doorward(counting)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="policy: nothing is protected"):
        Doorward(app, counting, policy=Policy(role="admin"))
    with pytest.raises(ConfigError, match="public: expected names of endpoints"):
        Doorward(app, counting, protect=True, public=[page()])  # type: ignore[list-item]


def test_an_application_is_guarded_once(app: Flask, door: Doorward, counting: Counting) -> None:
    with pytest.raises(ConfigError, match="guarded already"):
        door.init_app(app)
    with pytest.raises(ConfigError, match="guarded already"):
        Doorward(app, counting)


def test_several_applications(counting: Counting, keys: Signer, user: dict[str, str]) -> None:
    """One extension, two applications that trust different issuers, one blueprint in both."""
    door = Doorward()
    blueprint = Blueprint("api", __name__)
    door.protect(blueprint, public=["health"])
    blueprint.add_url_rule("/", "index", page())
    blueprint.add_url_rule("/health", "health", page())
    blueprint.add_url_rule("/me", "me", door.required(page()))
    other = Authenticator.clerk(
        issuer="https://clerk.other.test", jwt_key=keys.jwks(), clock=lambda: NOW
    )
    applications: list[Flask] = []
    for auth in (counting, other):
        app = Flask(__name__)
        door.init_app(app, auth)
        app.register_blueprint(blueprint)
        applications.append(app)
    stranger = bearer(keys.session(iss="https://clerk.other.test"))
    for path in ("/", "/me"):
        here, there = (app.test_client() for app in applications)
        assert here.get(path, headers=user).status_code == 200
        assert there.get(path, headers=stranger).status_code == 200
        assert_refused(here.get(path, headers=stranger), 401, "issuer_unknown")
        assert_refused(there.get(path, headers=user), 401, "issuer_unknown")
        assert here.get("/health").status_code == there.get("/health").status_code == 200
    assert applications[0].extensions["doorward"].auth is counting


def test_an_application_that_was_forgotten_is_closed(app: Flask, counting: Counting) -> None:
    door = Doorward(auth=counting)
    app.add_url_rule("/", "index", door.required(page()))
    with pytest.raises(RuntimeError, match=r"call its init_app\(app\)"):
        app.test_client().get("/")


def test_a_guard_of_another_extension_is_closed(
    app: Flask, door: Doorward, counting: Counting
) -> None:
    app.add_url_rule("/", "index", Doorward(auth=counting).required(page()))
    with pytest.raises(RuntimeError, match="does not guard the application"):
        app.test_client().get("/")


def test_nothing_keeps_an_application_alive(counting: Counting) -> None:
    door = Doorward(auth=counting)

    def create() -> weakref.ref[Flask]:
        app = Flask(__name__)
        blueprint = Blueprint("api", __name__)
        door.protect(blueprint)
        door.init_app(app)

        @blueprint.get("/")
        @door.required
        def index() -> dict[str, Any]:
            return {"app": app.name}

        app.register_blueprint(blueprint)
        assert app.test_client().get("/").status_code == 401
        return weakref.ref(app)

    dead = create()
    gc.collect()
    assert dead() is None


# Many threads


def test_threads_do_not_mix_callers_up(app: Flask, door: Doorward, keys: Signer) -> None:
    app.add_url_rule("/", "index", door.required(page()))
    tokens = {f"user_{n}": bearer(keys.session(sub=f"user_{n}")) for n in range(8)}

    def ask(subject: str) -> list[Any]:
        client = app.test_client()
        return [client.get("/", headers=tokens[subject]).get_json() for _ in range(25)]

    with ThreadPoolExecutor(8) as pool:
        for subject, answers in zip(tokens, pool.map(ask, tokens), strict=True):
            assert answers == [{"user": subject}] * 25


# What guides print


def test_recipe_of_a_decorator(app: Flask, keys: Signer, clock: Clock) -> None:
    """`clerk_required`, with the one change that async views need: `ensure_sync`."""
    from doorward.compat.clerk_backend_api import AuthenticateRequestOptions, authenticate_request

    app.config.update(CLERK_JWT_KEY=keys.pem(), CLERK_AUTHORIZED_PARTIES=[PARTY])

    def clerk_required(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            options = AuthenticateRequestOptions(
                jwt_key=current_app.config.get("CLERK_JWT_KEY"),
                authorized_parties=current_app.config["CLERK_AUTHORIZED_PARTIES"],
                accepts_token=["session_token"],
            )
            state = authenticate_request(request, options)
            if not state.is_signed_in:
                from flask import abort

                abort(401, description=state.reason or "unauthorized")
            g.auth_state = state
            g.user_id = (state.payload or {})["sub"]
            return current_app.ensure_sync(view)(*args, **kwargs)

        return wrapper

    assert_recipe(app, clerk_required, keys)


def test_recipe_of_a_decorator_is_required(app: Flask, keys: Signer) -> None:
    """`clerk_required = auth.required` does what the recipe does."""
    app.config.update(CLERK_JWT_KEY=keys.pem(), CLERK_AUTHORIZED_PARTIES=[PARTY])
    assert_recipe(app, Doorward(app).required, keys)


def assert_recipe(app: Flask, clerk_required: Callable[..., Any], keys: Signer) -> None:
    from flask import abort

    def require_permission(permission: str) -> Callable[..., Any]:
        def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                org_permissions = g.auth_state.payload.get("org_permissions") or []
                if permission not in org_permissions:
                    abort(403, description=f"missing permission: {permission}")
                return view(*args, **kwargs)

            return wrapper

        return decorator

    @app.get("/sync")
    @clerk_required
    def sync() -> Any:
        return jsonify({"user_id": g.user_id, "sub": g.auth_state.payload["sub"]})

    @app.get("/async")
    @clerk_required
    async def coroutine() -> Any:
        return jsonify({"user_id": g.user_id, "sub": g.auth_state.payload["sub"]})

    @app.get("/posts")
    @clerk_required
    @require_permission("org:posts:delete")
    def posts() -> Any:
        return jsonify({"posts": []})

    @app.errorhandler(HTTPException)
    def json_errors(exc: HTTPException) -> Any:
        error = {401: "unauthorized", 403: "forbidden"}.get(exc.code or 0, exc.name)
        return jsonify({"error": error, "reason": exc.description}), exc.code

    client = app.test_client()
    good = bearer(keys.session(now=time.time()))
    for path in ("/sync", "/async"):
        answer = client.get(path, headers=good)
        assert answer.get_json() == {"user_id": "user_1", "sub": "user_1"}
        refused = client.get(path)
        assert refused.status_code == 401
        body = refused.get_json()
        assert body["error"] == "unauthorized"
        assert isinstance(body["reason"], str)
    assert client.get("/posts", headers=good).get_json() == {"posts": []}
    claims = {**session_claims(time.time()), "o": {"id": "org_1", "rol": "member"}}
    member = bearer(keys.sign({name: value for name, value in claims.items() if name != "fea"}))
    assert client.get("/posts", headers=member).status_code == 403


def test_recipe_of_an_error_handler(app: Flask, door: Doorward, client: FlaskClient) -> None:
    @app.errorhandler(Refused)
    def uniform(error: Refused) -> Any:
        return jsonify({"error": "unauthorized", "reason": str(error.reason)}), error.code

    app.add_url_rule("/", "index", door.required(page()))
    answer = client.get("/")
    assert answer.status_code == 401
    assert answer.get_json() == {"error": "unauthorized", "reason": "credentials_missing"}
    # A `Reason` is text, so JSON has no trouble with it.
    app.config["TRAP_HTTP_EXCEPTIONS"] = False
    with app.test_request_context():
        assert jsonify(
            reason=Rejection("token_expired", 401, [], b"", "", "").reason
        ).get_json() == {"reason": "token_expired"}


# The guide


@pytest.fixture
def guide(monkeypatch: pytest.MonkeyPatch, keys: Signer) -> dict[str, Any]:
    monkeypatch.setenv("CLERK_JWT_KEY", keys.pem())
    monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", PARTY)
    return run(ROOT / "docs" / "guides" / "flask.md")


def test_the_guide_guards_an_api(guide: dict[str, Any], keys: Signer) -> None:
    client = guide["app"].test_client(use_cookies=False)
    good = bearer(keys.session(now=time.time()))
    assert client.get("/me", headers=good).get_json()["user_id"] == "user_1"
    assert client.get("/hello").get_json() == {"hello": "stranger"}
    assert client.delete("/posts/7", headers=good).get_json() == {"deleted": 7}
    assert client.get("/reports", headers=good).status_code == 403
    answer = client.get("/me")
    assert answer.status_code == 401
    assert answer.get_json() == {"error": "unauthorized", "reason": "credentials_missing"}
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_guide_guards_all_views(guide: dict[str, Any]) -> None:
    client = guide["guarded"].test_client()
    assert client.post("/webhooks/clerk").status_code == 204
    assert client.get("/health").status_code == 200
    assert client.get("/about").status_code == 200


def test_the_guides_test_passes(
    guide: dict[str, Any], doorward_auth: Authenticator, doorward_as_user: Any
) -> None:
    guide["test_me"](doorward_auth, doorward_as_user)
