"""The Django REST framework door: an authentication class, and permissions made to measure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    ErrorDetail,
    MethodNotAllowed,
    PermissionDenied,
)
from rest_framework.permissions import (
    AND,
    NOT,
    OR,
    BasePermission,
    BasePermissionMetaclass,
    OperandHolder,
    SingleOperandHolder,
)

from ._doorward import Identity, Policy
from ._reason import Reason
from ._rejection import ConfigError, Rejection
from ._verdict import report
from .django._request import SAFE, absent, head_of, is_preflight, reach, unanswered
from .django.conf import current
from .django.users import TokenUser

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

    from ._authenticator import Authenticator
    from ._types import TokenKind

__all__ = [
    "BadCredentials",
    "DoorwardAuthentication",
    "HasPermission",
    "HasRole",
    "HasScope",
    "Refused",
    "Requires",
    "RequiresPolicy",
]


class Refused(APIException):
    """A refusal, as REST framework knows one: its status, challenge and `Retry-After` are the
    rejection's, whichever authentication class stands first.

    `detail` is the rejection's body.
    """

    #: Whole seconds to wait; REST framework writes them as `Retry-After`.
    wait: int | None

    def __init__(self, rejection: Rejection) -> None:
        self.rejection = rejection
        self.status_code = rejection.status
        #: REST framework writes it as `WWW-Authenticate`.
        self.auth_header = _field(rejection, "www-authenticate")
        self.detail = _details(json.loads(rejection.body), rejection.reason.value)
        wait = _field(rejection, "retry-after")
        self.wait = None if wait is None else int(wait)

    def __setattr__(self, name: str, value: Any) -> None:
        # REST framework would put the challenge of its first class here, and turn 401 into 403
        # where that has none.
        if name not in ("status_code", "auth_header") or name not in vars(self):
            super().__setattr__(name, value)

    @property
    def reason(self) -> Reason:
        return self.rejection.reason

    def get_codes(self) -> str:
        return self.rejection.reason.value

    def get_full_details(self) -> Any:
        return {"message": self.detail, "code": self.rejection.reason.value}


class BadCredentials(Refused, AuthenticationFailed):
    """The refusal of credentials that are absent or bad: 401."""


class DoorwardAuthentication(BaseAuthentication):
    """Authenticates by bearer token or session cookie.

    `request.auth` is the `Identity`; `request.user` a `TokenUser`, or the local user where
    `AUTHENTICATION_BACKENDS` has a `DoorwardBackend`. A request without credentials is left to the
    next class, bad ones are refused even where a view is open to all. A token in a cookie needs
    Django's CSRF token besides.

    Name it first in `DEFAULT_AUTHENTICATION_CLASSES`.
    """

    #: An authenticator of its own, if not the settings'. For subclasses.
    auth: Authenticator | None = None

    @property
    def authenticator(self) -> Authenticator:
        return self.auth or current().auth

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        http = request._request
        if is_preflight(http):
            return None
        if "_cache_update_cache" in vars(http) or "HTTP_COOKIE" in http.META:
            # Django's cache, or one in front of it, must not give one caller's answer to another.
            headers = _headers(request)
            headers["Vary"] = f"{headers.get('Vary', 'Accept')}, Authorization, Cookie"
        auth = self.auth or current().auth
        head = head_of(http)
        found = reach(auth, head)
        if isinstance(found, Rejection):
            if found.absent:
                return None
            raise refusal(found, request)
        if http.method not in SAFE and auth.place(head) == "cookie":
            self.enforce_csrf(request)
        return self.user(request, found), found

    def authenticate_header(self, request: Request) -> str:
        """The challenge, in full."""
        auth = self.authenticator
        found = reach(auth, head_of(request._request))
        challenge = _field(found, "www-authenticate") if isinstance(found, Rejection) else None
        return challenge or _field(absent(auth), "www-authenticate") or "Bearer"

    def user(self, request: Request, identity: Identity) -> Any:
        """`request.user`. To be overridden; raise `PermissionDenied` for whom you do not know."""
        backend = current().backend
        if backend is None or identity.user_id is None:
            return TokenUser.of(self.authenticator, identity)
        user = backend.account(request._request, identity)
        if user is None:
            raise PermissionDenied("There is no active account for this caller.")
        return user

    def enforce_csrf(self, request: Request) -> None:
        """What `SessionAuthentication` does: browsers send cookies by themselves."""
        check = CSRFCheck(unanswered)
        check.process_request(request._request)
        reason = check.process_view(request._request, unanswered, (), {})
        if reason:
            raise PermissionDenied(f"CSRF Failed: {reason}")


def Requires(
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
) -> type[RequiresPolicy]:
    """A permission class that demands a caller, and of the caller what a `Policy` of these
    arguments demands. Equal arguments give the same class.

        permission_classes = [Requires(role="org:admin", organization=True)]
    """
    return _class_for(
        Policy(
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
        ),
        "Requires",
    )


def HasPermission(permission: str, *more: str) -> type[RequiresPolicy]:
    """A permission class for callers who hold a permission (all of several)."""
    _texts("HasPermission", permission, *more)
    if more:
        return Requires(permissions=(permission, *more))
    return Requires(permission=permission)


def HasRole(role: str) -> type[RequiresPolicy]:
    """A permission class for callers of a role."""
    _texts("HasRole", role)
    return Requires(role=role)


def HasScope(scope: str, *more: str) -> type[RequiresPolicy]:
    """A permission class for callers whose token has a scope (all of several)."""
    _texts("HasScope", scope, *more)
    return Requires(scopes=(scope, *more))


def _texts(name: str, *demands: object) -> None:
    """Refuses what is no demand: a setting that is not set would open the door to every caller."""
    for demand in demands:
        if not isinstance(demand, str) or not demand:
            raise ConfigError(f"{name}: a non-empty text is expected, found {demand!r}")


class _Composed:
    """Composes with `&`, `|` and `~`, and still says why it refuses."""

    def __and__(self, other: Any) -> Any:
        return _holder(_And, self, other)

    def __rand__(self, other: Any) -> Any:
        return _holder(_And, other, self)

    def __or__(self, other: Any) -> Any:
        return _holder(_Or, self, other)

    def __ror__(self, other: Any) -> Any:
        return _holder(_Or, other, self)

    def __invert__(self) -> Any:
        return _Opposite(cast("Any", _Not), cast("Any", self))


class _Composable(_Composed, BasePermissionMetaclass):
    """Permission classes that do."""


class RequiresPolicy(BasePermission, metaclass=_Composable):
    """Demands a caller who satisfies `policy`. Made by `Requires` and its like; or by hand, for a
    policy that is already there.
    """

    policy: Policy | None = None
    _refusal: Callable[[], APIException] | None = None

    def has_permission(self, request: Request, view: APIView) -> bool:
        identity = _identity(request)
        if identity is None:
            self._refusal = partial(_nobody, request)
            return False
        if self.policy is not None:
            try:
                _authenticator(request).permit(self.policy, identity)
            except Rejection as rejection:
                self._refusal = partial(_forbidden, rejection.with_traceback(None), request)
                return False
        return True

    @property
    def message(self) -> None:
        """REST framework asks for it when this permission refuses, and gets the whole refusal."""
        if self._refusal is not None:
            raise self._refusal()


class _Holder(_Composed, OperandHolder):
    """Two permissions, one of them ours."""


class _Opposite(_Composed, SingleOperandHolder):
    """The opposite of one of ours."""


def _holder(operator: Any, one: Any, other: Any) -> _Holder:
    return _Holder(operator, one, other)


class _Explained:
    """Says why it refuses, if one of ours did."""

    op1: Any
    op2: Any

    @property
    def message(self) -> None:
        for one in (self.op1, self.op2):
            if isinstance(one, (RequiresPolicy, _Explained, _Not)):
                _ = one.message


class _And(_Explained, AND):
    pass


class _Or(_Explained, OR):
    pass


class _Not(NOT):
    """Refuses whom the other permits. A stranger is nobody's opposite, and refused too."""

    op1: Any
    _refusal: Callable[[], APIException] | None = None

    def has_permission(self, request: Request, view: APIView) -> bool:
        if self.op1.has_permission(request, view):
            return False
        if _identity(request) is None:
            self._refusal = partial(_nobody, request)
            return False
        return True

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        # REST framework's own would refuse every object, for most permissions have no opinion.
        return not (
            self.op1.has_permission(request, view)
            and self.op1.has_object_permission(request, view, obj)
        )

    @property
    def message(self) -> None:
        if self._refusal is not None:
            raise self._refusal()


def refusal(rejection: Rejection, request: Request) -> Refused:
    """The exception that makes REST framework answer `rejection`, to the letter."""
    headers = _headers(request)
    for name, value in rejection.headers:
        # The other two are written by REST framework's exception handler.
        if name not in ("www-authenticate", "retry-after"):
            headers[name] = value
    renderer: Any = getattr(request, "accepted_renderer", None)
    if getattr(renderer, "media_type", rejection.content_type) == "application/json":
        renderer = copy(renderer)
        renderer.media_type = rejection.content_type
        request.accepted_renderer = renderer
    return BadCredentials(rejection) if rejection.status == 401 else Refused(rejection)


def _nobody(request: Request) -> APIException:
    """The refusal of a request without a caller."""
    if is_preflight(request._request):
        # It carries no credentials. A CORS middleware answers before this.
        return MethodNotAllowed("OPTIONS")
    rejection = absent(_authenticator(request))
    report(rejection)
    return refusal(rejection, request)


def _forbidden(rejection: Rejection, request: Request) -> APIException:
    report(rejection)
    return refusal(rejection, request)


def _identity(request: Request) -> Identity | None:
    """The verified caller of a request."""
    if isinstance(request.auth, Identity):
        return request.auth
    # `SessionAuthentication` takes the middleware's user for one of its own.
    user: Any = request.user
    return user.identity if isinstance(user, TokenUser) else None


def _authenticator(request: Request) -> Authenticator:
    """The authenticator that let a request in, or would."""
    for one in (request.successful_authenticator, *(request.authenticators or ())):
        if isinstance(one, DoorwardAuthentication):
            return one.authenticator
    return current().auth


def _class_for(policy: Policy, name: str) -> type[RequiresPolicy]:
    made: Any = _classes.get(policy)
    if made is None:
        members = {"policy": policy, "__module__": __name__}
        made = _classes[policy] = _Composable(name, (RequiresPolicy,), members)
    return made


#: For as long as somebody uses them: a view may make a policy of what a caller sends.
_classes: WeakValueDictionary[Policy, Any] = WeakValueDictionary()


def _headers(request: Request) -> dict[str, str]:
    """The header fields of the answer to come, where a view is going to give one."""
    view = request.parser_context.get("view")
    headers: dict[str, str] | None = getattr(view, "headers", None)
    return {} if headers is None else headers


def _field(rejection: Rejection, name: str) -> str | None:
    return next((value for one, value in rejection.headers if one == name), None)


def _details(body: Any, code: str) -> Any:
    """A body as REST framework keeps one: its texts carry the code, and numbers stay numbers."""
    if isinstance(body, dict):
        members = cast("dict[str, Any]", body)
        return {name: _details(value, code) for name, value in members.items()}
    return ErrorDetail(body, code) if isinstance(body, str) else body
