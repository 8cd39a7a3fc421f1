"""What the Flask door and the Quart door share: demands, who passes unasked, and refusals."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast, overload
from weakref import WeakKeyDictionary

from blinker import Namespace

# A folder without `__init__`, which keeps type checkers from seeing Flask's `py.typed`.
from flask.sansio.app import App  # pyright: ignore[reportMissingTypeStubs]
from flask.sansio.blueprints import Blueprint  # pyright: ignore[reportMissingTypeStubs]
from markupsafe import escape
from werkzeug import exceptions
from werkzeug.datastructures import WWWAuthenticate

from ._doorward import REASONS, Identity, Policy
from ._reason import Reason
from ._rejection import ConfigError, Rejection
from ._settings import authenticator
from ._verdict import permitted

if TYPE_CHECKING:
    from typing_extensions import Never
    from werkzeug.sansio.request import Request

    from ._authenticator import Authenticator
    from ._types import TokenKind

AppT = TypeVar("AppT", bound=App)
BlueprintT = TypeVar("BlueprintT", bound=Blueprint)
T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])
Marked = TypeVar("Marked", bound="Callable[..., Any] | type")

_logger = logging.getLogger("doorward")

signals = Namespace()
#: Sent once per request, when its caller is known: `(app, *, identity)`.
authenticated = signals.signal("authenticated")
#: Sent for a request that is refused: `(app, *, rejection)`.
rejected = signals.signal("rejected")


class Extension(Generic[AppT, BlueprintT]):
    """Guards the views of an application.

        auth = Doorward(app)

        @app.get("/me")
        @auth.required
        def me(): ...

    `app`           the application; or call `init_app` later, for as many applications as you like.
    `auth`          the authenticator. Left out, it is made from the application's settings that
                    begin with `CLERK_` and `DOORWARD_`, and from the environment.
    `protect`       every view demands a caller, except those marked with `@public`,
                    named by `public` or guarded by `@auth.optional`, and static files. Setting
                    `DOORWARD_PROTECT`.
    `public`        names of endpoints that `protect` leaves open: `"health"`, `"webhooks.clerk"`,
                    or without the blueprint where there is only one of that name. Setting
                    `DOORWARD_PUBLIC`.
    `policy`        what `protect` demands besides.
    `check_origin`  refuses (403) what another site makes a browser send with the session cookie;
                    setting `DOORWARD_CHECK_ORIGIN`. On unless it is switched off.
    """

    def __init__(
        self,
        app: AppT | None = None,
        auth: Authenticator | None = None,
        *,
        protect: bool | None = None,
        public: str | Iterable[str] | None = None,
        policy: Policy | None = None,
        check_origin: bool | None = None,
        **unknown: Never,
    ) -> None:
        for name in unknown:
            raise TypeError(f"{type(self).__name__}: no argument {name!r}{_near(name, _ARGUMENTS)}")
        self._auth = auth
        self._protect = protect
        self._public = None if public is None else _names("public", public)
        self._policy = policy
        self._check_origin = check_origin
        self._protected: WeakKeyDictionary[Blueprint, Protection] = WeakKeyDictionary()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: AppT, auth: Authenticator | None = None) -> None:
        """Guards this application too; `auth` is its authenticator, if not the extension's. Raises
        `ConfigError`.
        """
        if not isinstance(app, App):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"{type(self).__name__}: expected an application, found {type(app).__name__}; an "
                "authenticator is given by name: auth=…"
            )
        if _EXTENSION in app.extensions:
            raise ConfigError(
                f"the application {app.name!r} is guarded already; one authenticator may trust "
                "several issuers, and `requires` tells them apart"
            )
        auth = self._auth if auth is None else auth
        settings = _Settings(app.config)
        protect = settings.flag(_PROTECT, self._protect, False)
        names = settings.names(_PUBLIC_NAMES, self._public)
        if names and not protect:
            raise ConfigError(
                f"{_PUBLIC_NAMES}: nothing is protected, so nothing can be left open; "
                f"protect=True or {_PROTECT} protects all views"
            )
        if self._policy is not None and not protect:
            raise ConfigError("policy: nothing is protected; protect=True protects all views")
        state = State(
            self,
            app,
            settings.authenticator() if auth is None else auth,
            settings.flag(_CHECK_ORIGIN, self._check_origin, True),
        )
        demand = Demand(policy=self._policy) if protect else None
        state.gates[None] = Gate(app, (demand, names))
        app.extensions[_EXTENSION] = state
        self._install(app, state)

    @overload
    def required(self, view: View, /) -> View: ...
    @overload
    def required(self, /) -> Callable[[View], View]: ...
    def required(self, view: Callable[..., Any] | None = None, /) -> Any:
        """Lets only identified callers in: `@auth.required`, below the route."""
        return self._guard(view, REQUIRED)

    @overload
    def optional(self, view: View, /) -> View: ...
    @overload
    def optional(self, /) -> Callable[[View], View]: ...
    def optional(self, view: Callable[..., Any] | None = None, /) -> Any:
        """Lets callers without credentials in as well. Bad credentials are refused all the same."""
        return self._guard(view, OPTIONAL)

    @overload
    def requires(self, view: View, /) -> View: ...
    @overload
    def requires(
        self,
        /,
        *,
        accepts: TokenKind | Sequence[TokenKind] | None = None,
        scopes: str | Sequence[str] = (),
        any_scope: Sequence[str] = (),
        role: str | None = None,
        permission: str | None = None,
        permissions: Sequence[str] = (),
        feature: str | None = None,
        plan: str | None = None,
        reverification: str | Mapping[str, Any] | tuple[str, int] | None = None,
        organization: bool | str = False,
        deny_impersonation: bool = False,
    ) -> Callable[[View], View]: ...
    def requires(self, view: Callable[..., Any] | None = None, /, **demands: Any) -> Any:
        """Demands more of the caller; the arguments are those of `Policy`."""
        for name in demands:
            if name not in _DEMANDS:
                raise TypeError(f"requires: no argument {name!r}{_near(name, _DEMANDS)}")
        if not demands:
            return self._guard(view, REQUIRED)
        return self._guard(view, Demand(policy=Policy(**demands)))

    def permits(self, policy: Policy) -> Callable[[View], View]:
        """Like `requires`, for a policy that is already there."""
        return self._guard(None, Demand(policy=policy))

    def protect(
        self,
        blueprint: BlueprintT,
        *,
        public: str | Iterable[str] = (),
        policy: Policy | None = None,
    ) -> None:
        """Every view of a blueprint, and of those nested in it, demands a caller. `public` names
        its open endpoints, with or without the blueprint's name.
        """
        if blueprint in self._protected:
            raise ConfigError(f"the blueprint {blueprint.name!r} is protected already")
        self._protected[blueprint] = Demand(policy=policy), _names("public", public)
        self._install_on(blueprint)

    def check(self, app: AppT) -> None:
        """Raises the `ConfigError` that the first request would meet: call it when all views are
        there.
        """
        state = self._state(app)
        protected = [one for one in app.blueprints.values() if one in self._protected]
        for blueprint in (None, *protected):
            state.gate(blueprint).opened()

    @property
    def identity(self) -> Identity | None:
        """The caller of the current request; `None` where nobody was asked or the caller is
        anonymous.
        """
        raise NotImplementedError

    def _install(self, app: AppT, state: State) -> None:
        """Has every request of an application go through its gate."""
        raise NotImplementedError

    def _install_on(self, blueprint: BlueprintT) -> None:
        """Has every request of a blueprint go through its gate."""
        raise NotImplementedError

    def _wrapped(self, view: Callable[..., Any], demand: Demand) -> Callable[..., Any]:
        """A view that makes a demand before it calls `view`."""
        raise NotImplementedError

    def _guard(self, view: Callable[..., Any] | None, demand: Demand) -> Any:
        if view is None:
            return partial(self._guard, demand=demand)
        if isinstance(view, type):
            raise TypeError(
                f"{view.__name__}: a class is guarded by `decorators = [auth.required]` in it"
            )
        if not callable(view):
            raise TypeError(
                f"expected a view, found {view!r}; demands have names, such as "
                'requires(permission="org:posts:delete")'
            )
        wrapper = self._wrapped(view, demand)
        # functools.wraps copied what was demanded of the view elsewhere.
        setattr(wrapper, _ABOVE, ())
        if demand.optional:
            setattr(wrapper, _MARK, wrapper)
        # Whoever writes the guard above the route registers the bare view. So it bears in mind what
        # was demanded of it, and the gate asks on its behalf, wherever it is registered.
        own = getattr(view, "__func__", view)
        if hasattr(own, "__dict__"):
            setattr(own, _ABOVE, tuple({**dict.fromkeys(getattr(own, _ABOVE, ())), demand: None}))
        return wrapper

    def _state(self, app: App) -> State:
        state = app.extensions.get(_EXTENSION)
        if state is None or state.door is not self:
            raise RuntimeError(
                f"this {type(self).__name__} does not guard the application {app.name!r}: call its "
                "init_app(app)"
            )
        return cast("State", state)


def public(view: Marked) -> Marked:
    """Marks a view, or a class of views, that `protect` leaves open.

    It is heard at the top, next to the route: under another decorator, which may do anything, it
    opens nothing. Guards such as `@auth.required` keep guarding.
    """
    own = getattr(view, "__func__", view)
    setattr(own, _MARK, own)
    return view


class AuthState:
    """`g.auth_state`: whether the request is signed in, and as whom."""

    __slots__ = ("identity",)

    def __init__(self, identity: Identity | None) -> None:
        self.identity = identity

    @property
    def is_signed_in(self) -> bool:
        return self.identity is not None

    @property
    def user_id(self) -> str | None:
        return None if self.identity is None else self.identity.user_id

    @property
    def payload(self) -> dict[str, Any]:
        """A copy of the claims; empty for an anonymous request.

        `org_id`, `org_slug`, `org_role` and `org_permissions` are the verified organization's,
        whatever the token calls them, and are absent without one.
        """
        if self.identity is None:
            return {}
        identity = self.identity
        payload = dict(identity.claims)
        organization = {
            "org_id": identity.organization_id,
            "org_slug": identity.organization_slug,
            "org_role": identity.raw_role,
            "org_permissions": list(identity.permissions) or None,
        }
        for name, value in organization.items():
            payload.pop(name, None)
            if value is not None:
                payload[name] = value
        return payload

    def __repr__(self) -> str:
        return f"AuthState({self.identity!r})"


#: What `g` says of a request whose caller is not known.
NOBODY = {"auth_state": AuthState(None), "user_id": None}


class Demand(NamedTuple):
    """What is asked of a request."""

    optional: bool = False
    policy: Policy | None = None


REQUIRED = Demand()
OPTIONAL = Demand(optional=True)


#: What a gate demands, if anything, and the names of the endpoints it leaves open.
Protection = tuple["Demand | None", tuple[str, ...]]
Plan = tuple["Demand | None", tuple["Demand", ...]]


class State:
    """What `app.extensions["doorward"]` holds: one application, its authenticator and its gates."""

    __slots__ = ("app", "auth", "check_origin", "door", "gates")

    def __init__(
        self, door: Extension[Any, Any], app: App, auth: Authenticator, check_origin: bool
    ) -> None:
        self.door = door
        self.app = app
        self.auth = auth
        self.check_origin = check_origin
        self.gates: dict[Blueprint | None, Gate] = {}

    def gate(self, blueprint: Blueprint | None) -> Gate:
        """The gate in front of a blueprint, or of the whole application."""
        gate = self.gates.get(blueprint)
        if gate is None:
            assert blueprint is not None
            protection = self.door._protected[blueprint]  # pyright: ignore[reportPrivateUsage]
            gate = self.gates[blueprint] = Gate(self.app, protection, blueprint)
        return gate

    def asks(self, blueprint: Blueprint | None, request: Request) -> tuple[Demand, ...]:
        """What a gate asks of a request before its view is called."""
        rule = cast("Any", request).url_rule
        if rule is None:
            # 404, 405 or a redirect: there is no view to guard.
            return ()
        demand, above = self.gate(blueprint).demands(rule.endpoint)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            # Fetch §3.2.2: a preflight carries no credentials.
            if getattr(rule, "provide_automatic_options", False):
                return ()
            if self.answers_preflights(rule):
                return above
        return above if demand is None else (demand, *above)

    def judge(
        self,
        demand: Demand,
        found: Identity | Rejection,
        memo: MutableMapping[str, Any],
        request: Request,
        namespace: dict[str, Any],
    ) -> Refused | None:
        """Why a request may not pass, `None` where it may. Notes its caller, also in `g`, whose
        `namespace` this is.
        """
        if isinstance(found, Rejection):
            if demand.optional and found.absent:
                return None
            return refusal(found, request)
        if memo.get(CALLER) is not found:
            memo[CALLER] = found
            namespace["auth_state"] = AuthState(found)
            namespace["user_id"] = found.user_id
        if demand.policy is not None:
            lacking = permitted(self.auth, demand.policy, found)
            if lacking is not None:
                return refusal(lacking, request)
        return None

    def answers_preflights(self, rule: Any) -> bool:
        """Whether the view of a rule is called for preflights to answer them itself, with the
        guards of its own. Any other view that lists `OPTIONS` among its methods would take one for
        a request it may act upon.
        """
        view = self.app.view_functions.get(rule.endpoint)
        # What Flask has decorators say that answer `OPTIONS` in the place of a view.
        if getattr(view, "provide_automatic_options", None) is False:
            return True
        kind = getattr(view, "view_class", None)
        return rule.methods == {"OPTIONS"} or hasattr(kind, "options")


class Gate:
    """What is asked before a view is called: of an application, or of one of its blueprints."""

    def __init__(
        self, app: App, protection: Protection, blueprint: Blueprint | None = None
    ) -> None:
        self._app = app
        self._demand, self._names = protection
        self._blueprint = blueprint
        self._opened: frozenset[str] | None = None
        self._plans: dict[str, tuple[object, Plan]] = {}

    def demands(self, endpoint: str) -> Plan:
        """What the gate demands of an endpoint's callers, and what the view's own guards do."""
        view = self._app.view_functions.get(endpoint)
        known = self._plans.get(endpoint)
        # Tests put other views in the place of registered ones.
        if known is None or known[0] is not view:
            known = self._plans[endpoint] = view, self._plan(endpoint, view)
        return known[1]

    def opened(self) -> frozenset[str]:
        """The endpoints that `public` names. Raises `ConfigError` for a name that is none."""
        if self._opened is None:
            self._opened = frozenset(
                endpoint for name in self._names for endpoint in self._endpoints(name)
            )
        return self._opened

    def _plan(self, endpoint: str, view: object) -> Plan:
        opened = self.opened()
        above: tuple[Demand, ...] = getattr(view, _ABOVE, ())
        is_optional = above == (OPTIONAL,) and not self._is_wrapped(view)
        if self._blueprint is not None:
            # It stands behind the application's gate, which has asked these.
            above = ()
        if endpoint in opened or is_optional or self._is_open(endpoint, view):
            return None, above
        return self._demand, above

    def _is_wrapped(self, view: object) -> bool:
        """Whether the guards of a bare view are registered elsewhere, and so not meant for it."""
        for one in self._app.view_functions.values():
            inner: object = one
            while inner is not None:
                inner = getattr(inner, "__wrapped__", None)
                if inner is view:
                    return True
        return False

    def _is_open(self, endpoint: str, view: object) -> bool:
        """Whether the view itself says that it is open, or serves static files."""
        owner, _, name = endpoint.rpartition(".")
        if name == "static":
            scaffold = self._app.blueprints.get(owner) if owner else self._app
            if scaffold is not None and scaffold.has_static_folder:
                return True
        for one in (getattr(view, "__func__", view), getattr(view, "view_class", None)):
            mark = getattr(one, _MARK, None)
            if mark is not None and mark is one:
                return True
            if mark is not None:
                _logger.warning(
                    "the endpoint %r is not public: @public stands under another decorator, or on "
                    "a base class; put it next to the route",
                    endpoint,
                )
        return False

    def _endpoints(self, name: str) -> list[str]:
        endpoints = list(self._app.view_functions)
        if self._blueprint is not None:
            registered = self._app.blueprints.items()
            owners = [own for own, blueprint in registered if blueprint is self._blueprint]
            endpoints = [
                one for one in endpoints if any(one.startswith(f"{own}.") for own in owners)
            ]
            # Its own names need no prefix, and mean the same wherever it is registered.
            found = [one for one in endpoints if one in {f"{own}.{name}" for own in owners}]
            if found:
                return found
        if name in endpoints:
            return [name]
        found = [one for one in endpoints if one.endswith(f".{name}")]
        if len(found) > 1:
            raise ConfigError(f"public: {name!r} is ambiguous, it may be {' or '.join(found)}")
        if not found and name != "static":
            raise ConfigError(f"public: no endpoint is named {name!r}{self._hint(name, endpoints)}")
        return found

    def _hint(self, name: str, endpoints: list[str]) -> str:
        if name.startswith("/"):
            named = [rule.endpoint for rule in self._app.url_map.iter_rules() if rule.rule == name]
            named = [one for one in named if one in endpoints]
            return f"; a path is not a name, did you mean {named[0]!r}?" if named else ""
        short = {one.rpartition(".")[2]: one for one in endpoints}
        near = _nearest(name, [*endpoints, *short])
        return "" if near is None else f"; did you mean {short.get(near, near)!r}?"


class _Answer(exceptions.HTTPException):
    """An answer that is JSON, or Werkzeug's page for a browser that would rather have HTML.

    Which one is settled beforehand: Quart renders exceptions without their request.
    """

    def __init__(
        self, description: str, html: bool, body: bytes, content_type: str, headers: Headers
    ) -> None:
        # Werkzeug's own subclasses would set what is set below.
        exceptions.HTTPException.__init__(self, description)
        self._html = html
        self._body = body
        self._content_type = content_type
        self._headers = headers

    def get_body(self, environ: Any = None, scope: Any = None) -> str:
        return super().get_body(environ, scope) if self._html else self._body.decode()

    def get_headers(self, environ: Any = None, scope: Any = None) -> list[tuple[str, str]]:
        content_type = "text/html; charset=utf-8" if self._html else self._content_type
        return [("Content-Type", content_type), *self._headers]


Headers = Sequence[tuple[str, str]]


class Refused(_Answer):
    """A refusal, as Werkzeug knows one: error handlers for its code, for Werkzeug's class of that
    code, for `HTTPException` and for `Refused` see it.

    `description` is the code of the reason.
    """

    #: For handlers that write answers of their own.
    www_authenticate: Any
    retry_after: Any

    def __init__(self, rejection: Rejection, *, html: bool = False) -> None:
        super().__init__(
            rejection.reason.value,
            html,
            rejection.body,
            rejection.content_type,
            rejection.headers,
        )
        self.rejection = rejection
        self.code = rejection.status
        fields = rejection.headers
        challenges = [text for name, text in fields if name.lower() == "www-authenticate"]
        parsed = [WWWAuthenticate.from_header(text) for text in challenges]
        self.www_authenticate = [one for one in parsed if one is not None] or None
        retries = [int(text) for name, text in fields if name.lower() == "retry-after"]
        self.retry_after = retries[0] if retries else None

    @property
    def reason(self) -> Reason:
        return self.rejection.reason

    def get_description(self, environ: Any = None, scope: Any = None) -> str:
        """For the page: the sentence that goes with the code."""
        return f"<p>{escape(_SENTENCES[self.rejection.reason.value])}</p>"


class BadRequest(Refused, exceptions.BadRequest):
    """The request is malformed."""


class Unauthorized(Refused, exceptions.Unauthorized):
    """The credentials are missing or bad."""


class Forbidden(Refused, exceptions.Forbidden):
    """The caller is known and may not do this."""


class ServiceUnavailable(Refused, exceptions.ServiceUnavailable):
    """Trouble on our side of the door."""


class CrossOrigin(Forbidden):
    """Another site made the browser send the session cookie. Nothing is wrong with the caller."""


def behind(proxy: T) -> Callable[[], T]:
    """What a proxy of the framework's stands for. Each attribute read through the proxy costs as
    much as a cached verdict.
    """
    return cast("Any", proxy)._get_current_object


def refusal(rejection: Rejection, request: Request) -> Refused:
    """The exception that makes Flask and Quart answer `rejection`."""
    kind = _KINDS.get(rejection.status, Refused)
    if rejection.reason is Reason.CROSS_ORIGIN:
        kind = CrossOrigin
    return kind(rejection, html=_prefers_html(request))


def _prefers_html(request: Request) -> bool:
    """Whether a page is asked for rather than data. Whoever does not care gets data."""
    accept = request.accept_mimetypes
    data = max(accept.quality("application/json"), accept.quality("application/problem+json"))
    return accept.quality("text/html") > data


class _Settings:
    """An application's settings, filled up from the environment."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._environ = os.environ
        for name in (*config, *self._environ):
            known = not name.startswith("DOORWARD_") or name in _SETTINGS
            near = None if known else _nearest(name.removeprefix("DOORWARD_"), _SHORT, 0.77)
            # Other names are the engine's, which knows its own. An authenticator that is given
            # leaves them unread.
            if near is not None:
                raise ConfigError(f"{name}: no such setting; did you mean 'DOORWARD_{near}'?")

    def flag(self, name: str, argument: bool | None, default: bool) -> bool:
        value = self._value(name) if argument is None else argument
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise ConfigError(f"{name}: expected True or False, found {value!r}")

    def names(self, name: str, argument: tuple[str, ...] | None) -> tuple[str, ...]:
        if argument is not None:
            return argument
        value = self._value(name)
        return () if value is None else _names(name, value)

    def authenticator(self) -> Authenticator:
        return authenticator(
            {name: value for name, value in self._config.items() if name not in _SETTINGS},
            environ={name: text for name, text in self._environ.items() if name not in _SETTINGS},
        )

    def _value(self, name: str) -> object:
        value = self._config.get(name)
        return self._environ.get(name) if value is None else value


def _names(setting: str, value: object) -> tuple[str, ...]:
    """Names of endpoints: a list of them, or one text with commas between."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        found = list(cast("Iterable[object]", value))
        names = [name.strip() for name in found if isinstance(name, str)]
        if len(names) == len(found) and all(names):
            return tuple(names)
    raise ConfigError(f"{setting}: expected names of endpoints, found {value!r}")


def _near(word: str, known: Iterable[str]) -> str:
    near = _nearest(word, known)
    return "" if near is None else f"; did you mean {near!r}?"


def _nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


_EXTENSION = "doorward"
#: Where a request remembers its caller, once a guard let it in.
CALLER = "doorward.caller"
#: On a view: `@public`, or a guard that lets strangers in. It names the object it is meant for, so
#: a decorator that copies it onto something else copies nothing.
_MARK = "__doorward_public__"
#: On a view: what was demanded of it by guards that wrap it.
_ABOVE = "__doorward_demands__"

_PROTECT, _PUBLIC_NAMES = "DOORWARD_PROTECT", "DOORWARD_PUBLIC"
_CHECK_ORIGIN = "DOORWARD_CHECK_ORIGIN"
_SETTINGS = (_PROTECT, _PUBLIC_NAMES, _CHECK_ORIGIN)
_SHORT = tuple(name.removeprefix("DOORWARD_") for name in _SETTINGS)
_ARGUMENTS = ("app", "auth", "protect", "public", "policy", "check_origin")
_DEMANDS = (
    "accepts",
    "scopes",
    "any_scope",
    "role",
    "permission",
    "permissions",
    "feature",
    "plan",
    "reverification",
    "organization",
    "deny_impersonation",
)
_KINDS: dict[int, type[Refused]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    503: ServiceUnavailable,
}
_SENTENCES = {row[0]: row[4] for row in REASONS}
