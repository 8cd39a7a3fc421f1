"""The Django Ninja door: one auth class for sync and async operations."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from ninja import utils as security
from ninja.errors import HttpError
from ninja.operation import PathView
from ninja.security.http import HttpAuthBase

from ._doorward import Identity, Policy
from ._reason import Reason
from ._rejection import Rejection
from .django import AuthenticatedRequest as _AuthenticatedRequest
from .django import OptionalRequest as _OptionalRequest
from .django._request import SAFE, AuthState, aenter, enter, on_event_loop, state_of
from .django._request import refusal as answer_to

if TYPE_CHECKING:
    from ninja import NinjaAPI
    from ninja.operation import Operation

    from ._authenticator import Authenticator
    from ._types import TokenKind

__all__ = ["AuthenticatedRequest", "DoorwardAuth", "OptionalRequest", "Refused"]


class AuthenticatedRequest(_AuthenticatedRequest):
    """What an operation behind `DoorwardAuth` gets. For annotations."""

    auth: Identity


class OptionalRequest(_OptionalRequest):
    """What an operation behind `DoorwardAuth().optional` gets. For annotations."""

    auth: Identity | None


class Refused(HttpError):
    """A refusal, as Ninja knows one. It is answered with the rejection's status, challenge and
    body, unless the API has an exception handler for `Refused`.
    """

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.status, rejection.reason.value)
        self.rejection = rejection

    @property
    def reason(self) -> Reason:
        return self.rejection.reason


class DoorwardAuth(HttpAuthBase):
    """Authenticates operations by bearer token or session cookie.

        auth = DoorwardAuth()
        api = NinjaAPI(auth=auth)

        @api.delete("/posts/{post}", auth=auth.requires(permission="org:posts:delete"))
        def delete(request, post: int): ...

    `request.auth` is the `Identity`. In a list of alternatives, a request without credentials is
    left to those after it; bad credentials are refused. A token in a cookie needs Django's CSRF
    token besides, unless the operation is exempt.
    """

    openapi_scheme = "bearer"
    openapi_bearerFormat = "JWT"
    openapi_description = "A bearer token, or the session cookie where this API reads one."

    def __init__(self, auth: Authenticator | None = None) -> None:
        super().__init__()
        #: The authenticator, if not the settings'.
        self.auth = auth
        # Ninja then awaits the answer in asynchronous operations, without a thread in between.
        self.is_async = True
        self._optional = False
        self._policies: tuple[Policy, ...] = ()
        self._root = self
        self._derived: dict[tuple[Policy, ...], DoorwardAuth] = {}

    def __call__(self, request: HttpRequest) -> Any:
        operation = _operation(request)
        is_async = on_event_loop() if operation is None else operation.is_async
        if is_async:
            return _Awaited(partial(self._aopen, request, operation))
        return self._open(request, operation)

    @cached_property
    def optional(self) -> DoorwardAuth:
        """Lets requests without credentials through: `request.auth` is `None` there. Bad
        credentials are refused all the same. As an alternative, it stands last.
        """
        auth = self._variant(self._policies)
        auth._optional = True
        return auth

    def requires(
        self,
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
    ) -> DoorwardAuth:
        """Demands more of the caller; the arguments are those of `Policy`.

        What is demanded already stays demanded. Equal arguments give the same object.
        """
        policy = Policy(
            accepts=accepts,
            scopes=scopes,
            any_scope=any_scope,
            role=role,
            permission=permission,
            permissions=permissions,
            feature=feature,
            plan=plan,
            reverification=reverification,
            organization=organization,
            deny_impersonation=deny_impersonation,
        )
        return self.permits(policy)

    def permits(self, policy: Policy) -> DoorwardAuth:
        """Like `requires`, for a policy that is already there."""
        policies = (*self._policies, policy)
        derived = self._root._derived
        auth = derived.get(policies)
        if auth is None:
            auth = derived[policies] = self._variant(policies)
        return auth

    def _variant(self, policies: tuple[Policy, ...]) -> DoorwardAuth:
        # OpenAPI names the scheme by the class, so there is one.
        auth = type(self)(self.auth)
        auth._policies = policies
        auth._root = self._root
        return auth

    def _open(self, request: HttpRequest, operation: Operation | None) -> Any:
        state = state_of(request, self.auth)
        try:
            rejection = enter(request, state, self._policies, self._optional)
        except PermissionDenied as denied:
            raise HttpError(403, str(denied)) from None
        if rejection is not None:
            return self._refuse(rejection, operation)
        if _is_csrf_due(request, state) and _fails_csrf(request):
            raise HttpError(403, _CSRF_FAILED)
        return state.identity or _anonymous(request)

    async def _aopen(self, request: HttpRequest, operation: Operation | None) -> Any:
        state = state_of(request, self.auth)
        try:
            rejection = await aenter(request, state, self._policies, self._optional)
        except PermissionDenied as denied:
            raise HttpError(403, str(denied)) from None
        if rejection is not None:
            return self._refuse(rejection, operation)
        if _is_csrf_due(request, state) and await sync_to_async(_fails_csrf)(request):
            raise HttpError(403, _CSRF_FAILED)
        return state.identity or _anonymous(request)

    def _refuse(self, rejection: Rejection, operation: Operation | None) -> None:
        """Leaves an absent caller to the alternatives, and refuses otherwise."""
        if operation is not None:
            # Ninja does not say what they return.
            callbacks = cast("Any", operation).auth_callbacks
            if rejection.absent and callbacks[-1] is not self:
                return
            _teach(operation.api)
        raise Refused(rejection)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.auth!r})"


class _Awaited:
    """The answer to come. Whoever forgets to await it does not get a truth out of it."""

    __slots__ = ("_open",)

    def __init__(self, open_: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._open = open_

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._open().__await__()

    def __bool__(self) -> bool:
        raise TypeError("DoorwardAuth was called on an event loop, and its answer is not awaited")


def _operation(request: HttpRequest) -> Operation | None:
    """The operation that is asked for. Ninja tells its auth classes the request alone, and the
    resolver knows the view; the operations are behind it.
    """
    for one in _behind(getattr(request.resolver_match, "func", None)):
        if isinstance(one, PathView):
            named = (
                operation for operation in one.operations if request.method in operation.methods
            )
            return next(named, None)
    return None


def _behind(view: Any) -> Iterator[object]:
    while view is not None:
        yield getattr(view, "__self__", None)
        for cell in getattr(view, "__closure__", None) or ():
            yield cell.cell_contents
        view = getattr(view, "__wrapped__", None)


def _teach(api: NinjaAPI) -> None:
    """Tells an API how refusals are answered, unless somebody told it before."""
    # Ninja keeps them to itself.
    known = api._exception_handlers  # pyright: ignore
    if Refused not in known:
        api.add_exception_handler(Refused, _answer)


def _answer(request: HttpRequest, refused: Any) -> HttpResponse:
    return answer_to(refused.rejection)


def _is_csrf_due(request: HttpRequest, state: AuthState) -> bool:
    if request.method in SAFE or getattr(request, "_ninja_csrf_exempt", False):
        return False
    return state.comes_by_cookie


def _fails_csrf(request: HttpRequest) -> bool:
    return security.check_csrf(request) is not None  # pyright: ignore[reportUnknownMemberType]


def _anonymous(request: HttpRequest) -> object:
    """Says yes to a request without a caller, whose `auth` will be `None`.

    Ninja puts what said yes into `request.auth`, and takes `None` for a no.
    """
    kind = type(request)
    if not issubclass(kind, _Anonymous):
        members = {"__module__": kind.__module__}
        made = _kinds.get(kind)
        if made is None:
            made = _kinds[kind] = type(kind.__name__, (_Anonymous, kind), members)
        request.__class__ = made
    return _YES


class _Anonymous:
    """A request that nobody made, as far as is known."""

    @property
    def auth(self) -> Any:
        return vars(self).get("auth")

    @auth.setter
    def auth(self, value: Any) -> None:
        vars(self)["auth"] = None if value is _YES else value


_YES = object()
#: There are four, and a few more in tests.
_kinds: dict[Any, type[HttpRequest]] = {}
_CSRF_FAILED = "CSRF check Failed"
