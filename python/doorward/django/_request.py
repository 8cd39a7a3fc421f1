"""A request's caller: found out once, when somebody asks, and put where Django's people look."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import PermissionDenied, SynchronousOnlyOperation
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject

from doorward._doorward import Identity, Pending
from doorward._rejection import Rejection
from doorward._verdict import first_try, permitted, report, verdict, verdict_blocking

from .conf import Setup, current
from .reports import SafeReporterFilter
from .users import TokenUser, anonymous

if TYPE_CHECKING:
    from collections.abc import Iterable

    from doorward._authenticator import Authenticator
    from doorward._doorward import Policy
    from doorward._reason import Reason

Head = dict[str, Any]


class AuthState:
    """`request.auth_state`: what there is to say about the caller. Nothing is verified before
    somebody asks.

    `identity` is `None` for absent and for bad credentials alike, `rejection` tells them apart.
    Views need not: bad credentials are refused before a view runs.
    """

    __slots__ = ("_account", "_found", "auth", "head", "nobody", "setup", "waived")

    def __init__(self, auth: Authenticator, head: Head, setup: Setup) -> None:
        self.auth = auth
        #: The ASGI scope, or what matters of the WSGI environ.
        self.head = head
        self.setup = setup
        #: Whether nobody is identified here, whatever was presented.
        self.nobody = False
        #: Whether Django's CSRF check was told to stand back.
        self.waived = False
        self._found: Identity | Rejection | None = None
        self._account: Any = None

    @property
    def verdict(self) -> Identity | Rejection:
        """The caller, or why there is none. On an event loop, await `reach` first."""
        if self.nobody:
            return absent(self.auth)
        if self._found is None:
            self._found = reach(self.auth, self.head)
        return self._found

    async def reach(self) -> Identity | Rejection:
        """Like `verdict`, for an event loop."""
        if self.nobody:
            return absent(self.auth)
        if self._found is None:
            self._found = await areach(self.auth, self.head)
        return self._found

    @property
    def was_reached(self) -> bool:
        """Whether somebody asked."""
        return self._found is not None

    @property
    def knows_somebody(self) -> bool:
        """Whether a caller was identified; nobody is asked now."""
        return not self.nobody and isinstance(self._found, Identity)

    @property
    def identity(self) -> Identity | None:
        found = None if self.nobody else self.verdict
        return None if isinstance(found, Rejection) else found

    @property
    def rejection(self) -> Rejection | None:
        found = self.verdict
        return found if isinstance(found, Rejection) else None

    @property
    def is_signed_in(self) -> bool:
        return self.identity is not None

    @property
    def reason(self) -> Reason | None:
        """Why there is no caller."""
        rejection = self.rejection
        return None if rejection is None else rejection.reason

    @property
    def user_id(self) -> str | None:
        identity = self.identity
        return None if identity is None else identity.user_id

    def forget(self) -> None:
        """From now on, nobody is identified."""
        self.nobody = True
        self._account = None

    def account(self, request: HttpRequest) -> Any:
        """The caller as a user: of the local table where a backend looks there, else of the token
        alone. `None` where the table has no active one.
        """
        identity = self.identity
        if self._account is None and identity is not None:
            backend = self.setup.backend
            if backend is None or identity.user_id is None:
                self._account = TokenUser.of(self.auth, identity)
            else:
                self._account = backend.account(request, identity)
        return self._account

    async def aaccount(self, request: HttpRequest) -> Any:
        """Like `account`, for an event loop."""
        found = None if self.nobody else await self.reach()
        identity = None if isinstance(found, Rejection) else found
        if self._account is None and identity is not None:
            backend = self.setup.backend
            if backend is None or identity.user_id is None:
                self._account = TokenUser.of(self.auth, identity)
            else:
                self._account = await backend.aaccount(request, identity)
        return self._account

    def comes_by_header(self, request: HttpRequest) -> bool:
        """Whether the credentials are such as no browser sends by itself, and no session that one
        does send could be meant instead.
        """
        if self.auth.place(self.head) != "header":
            return False
        if self.setup.prefer_token or "user" not in vars(request):
            return True
        return settings.SESSION_COOKIE_NAME not in request.COOKIES

    @property
    def comes_by_cookie(self) -> bool:
        """Whether a browser sent the good credentials by itself."""
        return self.is_signed_in and self.auth.place(self.head) == "cookie"

    def waive_csrf(self, request: HttpRequest, waived: bool) -> None:
        """Tells Django's CSRF check to stand back, or to come forward again."""
        self.waived = request.__dict__["csrf_processing_done"] = waived

    @property
    def may_lack_account(self) -> bool:
        """Whether the caller is somebody whom the local table of users should know."""
        return self.setup.backend is not None and self.user_id is not None

    def __repr__(self) -> str:
        if self.nobody:
            return "<AuthState: nobody is asked>"
        if self._found is None:
            return "<AuthState: not reached yet>"
        if isinstance(self._found, Rejection):
            return f"<AuthState: {self._found.reason.value}>"
        return f"<AuthState: {self._found!r}>"


def state_of(request: HttpRequest, auth: Authenticator | None = None) -> AuthState:
    """What `auth`, or the settings' authenticator, says about a request as it is now."""
    setup = current()
    wanted = setup.auth if auth is None else auth
    state = request.__dict__.get("auth_state")
    if (
        state is not None
        and state.auth is wanted
        and state.head is head_of(request)
        and not state.nobody
    ):
        return state
    return install(request, wanted, setup)


def install(request: HttpRequest, auth: Authenticator, setup: Setup) -> AuthState:
    """Puts the caller where people look for one, without looking itself."""
    own = vars(request)
    state = own["auth_state"] = AuthState(auth, head_of(request), setup)
    own.pop(_USER, None)
    own.pop(_AUSER, None)
    if settings.DEFAULT_EXCEPTION_REPORTER_FILTER == _THEIR_FILTER:
        # Django's own shows the cookie that a token came in, on the page of DEBUG and in mails.
        own.setdefault("exception_reporter_filter", SafeReporterFilter())
    if not isinstance(request, _Identified):
        request.__class__ = _identified(type(request))
    return state


def head_of(request: HttpRequest) -> Head:
    """What the engine reads of a request: the ASGI scope where there is one, for `META` has joined
    repeated fields. The same object for as long as it says the same.
    """
    own = request.__dict__
    scope = own.get("scope")
    if isinstance(scope, dict):
        return cast("Head", scope)
    authorization = request.META.get("HTTP_AUTHORIZATION")
    cookie = request.META.get("HTTP_COOKIE")
    if "environ" not in own:
        # No server made this request: Ninja's test client keeps fields in places of its own.
        authorization = authorization or request.headers.get("Authorization")
        cookie = cookie or "; ".join(f"{name}={text}" for name, text in request.COOKIES.items())
    known: Head | None = own.get(_HEAD)
    if (
        known is not None
        and known.get("HTTP_AUTHORIZATION") == authorization
        and known.get("HTTP_COOKIE") == cookie
    ):
        return known
    # Not the environ itself: what the engine's callers remember there would be shown by Django's
    # error reports.
    head: Head = {"REQUEST_METHOD": request.method}
    if authorization is not None:
        head["HTTP_AUTHORIZATION"] = authorization
    if cookie is not None:
        head["HTTP_COOKIE"] = cookie
    own[_HEAD] = head
    return head


def reach(auth: Authenticator, head: Head) -> Identity | Rejection:
    """The verdict on a request, waiting for keys where some are missing."""
    if "headers" not in head:
        # Cookies are Django's own CSRF check's business.
        return verdict_blocking(auth, head, check_origin=False)
    for _ in range(_ROUNDS):
        found = first_try(auth, head, check_origin=False)
        if not isinstance(found, Pending):
            return found
        if on_event_loop():
            # Error pages print what a frame holds.
            del head, auth
            raise SynchronousOnlyOperation(
                "The caller's keys are being fetched, which code on an event loop awaits: "
                "`await request.auser()`, or `await request.auth_state.reach()`."
            )
        found.wait()
    try:
        return auth.authenticate_blocking(head)
    except Rejection as rejection:
        report(rejection)
        return rejection.with_traceback(None)


async def areach(auth: Authenticator, head: Head) -> Identity | Rejection:
    """Like `reach`, for an event loop."""
    if "headers" in head:
        return await verdict(auth, head, check_origin=False)
    # Under WSGI, the event loop of an asynchronous view serves this request alone.
    return reach(auth, head)


def absent(auth: Authenticator) -> Rejection:
    """What a request without credentials is told."""
    try:
        auth.authenticate_nowait({})
    except Rejection as rejection:
        return rejection.with_traceback(None)
    raise AssertionError("an empty request was let in")


def enter(
    request: HttpRequest, state: AuthState, policies: Iterable[Policy], optional: bool
) -> Rejection | None:
    """Lets a request pass, or says why not. Raises `PermissionDenied` for a caller whom the local
    table of users does not know, or knows as inactive.
    """
    refused = _judge(state, state.verdict, policies, optional)
    if refused is None and state.may_lack_account and state.account(request) is None:
        raise PermissionDenied(_NO_ACCOUNT)
    return refused


async def aenter(
    request: HttpRequest, state: AuthState, policies: Iterable[Policy], optional: bool
) -> Rejection | None:
    """Like `enter`, for an event loop."""
    refused = _judge(state, await state.reach(), policies, optional)
    if refused is None and state.may_lack_account and await state.aaccount(request) is None:
        raise PermissionDenied(_NO_ACCOUNT)
    return refused


def _judge(
    state: AuthState,
    found: Identity | Rejection,
    policies: Iterable[Policy],
    optional: bool,
) -> Rejection | None:
    if isinstance(found, Rejection):
        return None if optional and found.absent else found
    for policy in policies:
        refused = permitted(state.auth, policy, found)
        if refused is not None:
            return refused
    return None


def refusal(rejection: Rejection) -> HttpResponse:
    """The answer to a request that is refused."""
    return HttpResponse(
        rejection.body,
        status=rejection.status,
        content_type=rejection.content_type,
        headers=dict(rejection.headers),
    )


def is_preflight(request: HttpRequest) -> bool:
    """Fetch §3.2.2: what makes an `OPTIONS` request a CORS preflight is this field."""
    return request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META


def not_allowed() -> HttpResponse:
    """The answer to a CORS preflight of a guarded view.

    It carries no credentials, and a view that does not look at the method would take it for a
    request it may act upon. A CORS middleware answers before this.
    """
    return HttpResponseNotAllowed(())


def vary(response: Any) -> Any:
    """Tells caches that the answer was for this caller."""
    if isinstance(response, HttpResponseBase):
        if response.has_header("Vary"):
            patch_vary_headers(response, ("Authorization", "Cookie"))
        else:
            response["Vary"] = "Authorization, Cookie"
    return response


def csrf_is_due(request: HttpRequest, state: AuthState, exempt: bool) -> bool:
    """Whether a guarded view asks for the CSRF token. Django leaves the question to the guard."""
    if request.method in SAFE or state.waived:
        return False
    if state.comes_by_cookie:
        return True
    if state.is_signed_in and state.comes_by_header(request):
        return False
    # The view may act for the user of a session, or for nobody. Django would ask.
    return state.setup.checks_csrf and not exempt


def csrf_refusal(request: HttpRequest) -> HttpResponseBase | None:
    """What Django's own CSRF check has against a request."""
    check = CsrfViewMiddleware(unanswered)
    check.process_request(request)
    return check.process_view(request, unanswered, (), {})


acsrf_refusal = sync_to_async(csrf_refusal)

#: RFC 9110 §9.2.1, as Django's CSRF check knows it.
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class _Identified:
    """A request with a caller.

    These are attributes of the class, for a lazy object that stands for `None` would not be `None`.
    What other middleware put under their names is in the instance's own `__dict__`.
    """

    auth_state: AuthState

    @property
    def identity(self) -> Identity | None:
        """The verified caller."""
        return self.auth_state.identity

    @property
    def _cache_update_cache(self) -> bool:
        """Whether Django's cache may keep the answer: never one made for a caller. Where the cache
        stands further in, our `Vary` comes too late.
        """
        return bool(vars(self).get("_cache_update_cache")) and not self.auth_state.knows_somebody

    @_cache_update_cache.setter
    def _cache_update_cache(self, wanted: bool) -> None:
        vars(self)["_cache_update_cache"] = wanted

    @property
    def user(self) -> Any:
        """Django's own session user where there is one, or the token's."""
        own = vars(self)
        if _USER not in own:
            # As Django's own is: nobody looks before somebody asks.
            own[_USER] = SimpleLazyObject(partial(_user, self, own.get("user")))
        return own[_USER]

    @user.setter
    def user(self, user: Any) -> None:
        vars(self)["user"] = vars(self)[_USER] = user

    @property
    def auser(self) -> Any:
        """Like `user`, for an event loop: `await request.auser()`."""
        own = vars(self)
        return own.get(_AUSER) or partial(_auser, self, own.get("user"), own.get("auser"))

    @auser.setter
    def auser(self, auser: Any) -> None:
        vars(self)["auser"] = vars(self)[_AUSER] = auser


def _user(request: Any, before: Any) -> Any:
    """The user of the session that stood here before, or the token's, or nobody."""
    state: AuthState = request.auth_state
    signed_in = before is not None and before.is_authenticated
    if signed_in and not state.setup.prefer_token:
        return before
    account = state.account(request)
    if account is not None:
        return account
    return before if signed_in else anonymous()


async def _auser(request: Any, before: Any, ask: Any) -> Any:
    """Like `_user`, for an event loop."""
    state: AuthState = request.auth_state
    if ask is not None:
        before = await ask()
    elif before is not None:
        # Looking may wait for a database.
        await sync_to_async(getattr)(before, "is_authenticated")
    signed_in = before is not None and before.is_authenticated
    if signed_in and not state.setup.prefer_token:
        return before
    account = await state.aaccount(request)
    if account is not None:
        return account
    return before if signed_in else anonymous()


def _identified(kind: type[HttpRequest]) -> type[HttpRequest]:
    """A kind of requests, with a caller."""
    made = _kinds.get(kind)
    if made is None:
        members = {"__module__": kind.__module__}
        made = _kinds[kind] = type(kind.__name__, (_Identified, kind), members)
    return made


#: There are two, and a few more in tests.
_kinds: dict[Any, type[HttpRequest]] = {}


def on_event_loop() -> bool:
    # A large import, and whoever runs a loop has paid for it already.
    from asyncio import get_running_loop

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


def unanswered(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


#: Where a request keeps what the engine reads of it, and its user.
_HEAD, _USER, _AUSER = "_doorward_head", "_doorward_user", "_doorward_auser"
_NO_ACCOUNT = "There is no active account for this caller."
#: Tries before giving up. One lookup takes one round, and a token can need discovery and then keys.
_ROUNDS = 4
_THEIR_FILTER = "django.views.debug.SafeExceptionReporterFilter"
