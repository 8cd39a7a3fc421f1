"""Guards for single views: decorators for functions, mixins for classes, sync and async."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import classonlymethod
from django.views import View

from doorward._doorward import Identity, Policy
from doorward._rejection import ConfigError

from ._marks import mark
from ._request import (
    AuthState,
    acsrf_refusal,
    aenter,
    csrf_is_due,
    csrf_refusal,
    enter,
    is_preflight,
    not_allowed,
    refusal,
    state_of,
    vary,
)

if TYPE_CHECKING:
    from django.views.generic import View as _Base

    from doorward._authenticator import Authenticator
    from doorward._types import TokenKind
else:
    _Base = object

__all__ = [
    "AuthenticatedRequest",
    "OptionalMixin",
    "OptionalRequest",
    "RequiredMixin",
    "optional",
    "permits",
    "required",
    "requires",
]

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
Q = TypeVar("Q", bound=HttpRequest, covariant=True)


class AuthenticatedRequest(HttpRequest):
    """What a view behind `required` or `requires` gets. For annotations."""

    identity: Identity
    auth_state: AuthState


class OptionalRequest(HttpRequest):
    """What a view behind `optional` gets. For annotations."""

    identity: Identity | None
    auth_state: AuthState


class Guard(Protocol[Q]):
    """A decorator that guards a view, which may count on what it gets."""

    @overload
    def __call__(
        self, view: Callable[Concatenate[Q, P], Coroutine[Any, Any, R]], /
    ) -> Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, R | HttpResponseBase]]: ...
    @overload
    def __call__(
        self, view: Callable[Concatenate[Q, P], R], /
    ) -> Callable[Concatenate[HttpRequest, P], R | HttpResponseBase]: ...


@overload
def required(
    view: Callable[Concatenate[AuthenticatedRequest, P], Coroutine[Any, Any, R]], /
) -> Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, R | HttpResponseBase]]: ...
@overload
def required(
    view: Callable[Concatenate[AuthenticatedRequest, P], R], /
) -> Callable[Concatenate[HttpRequest, P], R | HttpResponseBase]: ...
@overload
def required(*, auth: Authenticator | None = None) -> Guard[AuthenticatedRequest]: ...
def required(view: Callable[..., Any] | None = None, *, auth: Authenticator | None = None) -> Any:
    """Lets only callers with good credentials into a view, who is then `request.identity`.

    Bare or with an authenticator of its own: `@required(auth=…)`. On classes:
    `@method_decorator(required, name="dispatch")`, or `RequiredMixin`.
    """
    guard = _guard(auth, (), optional=False)
    return guard if view is None else guard(view)


@overload
def optional(
    view: Callable[Concatenate[OptionalRequest, P], Coroutine[Any, Any, R]], /
) -> Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, R | HttpResponseBase]]: ...
@overload
def optional(
    view: Callable[Concatenate[OptionalRequest, P], R], /
) -> Callable[Concatenate[HttpRequest, P], R | HttpResponseBase]: ...
@overload
def optional(*, auth: Authenticator | None = None) -> Guard[OptionalRequest]: ...
def optional(view: Callable[..., Any] | None = None, *, auth: Authenticator | None = None) -> Any:
    """Like `required`, and lets requests without credentials in: `request.identity` is `None`
    there. Bad credentials are refused all the same.
    """
    guard = _guard(auth, (), optional=True)
    return guard if view is None else guard(view)


def requires(
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
    auth: Authenticator | None = None,
) -> Guard[AuthenticatedRequest]:
    """Like `required`, and demands more of the caller; the arguments are those of `Policy`."""
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
    if policy == Policy():
        raise ConfigError("requires() demands nothing; use required, or say what is demanded")
    return permits(policy, auth=auth)


def permits(policy: Policy, *, auth: Authenticator | None = None) -> Guard[AuthenticatedRequest]:
    """Like `requires`, for a policy that is already there."""
    return _guard(auth, (policy,), optional=False)


class RequiredMixin(_Base):
    """`required` for class-based views: `class Me(RequiredMixin, View)`.

    `policy` is what is demanded besides.
    """

    policy: Policy | None = None
    #: An authenticator of its own, if not the settings'.
    auth: Authenticator | None = None

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        _comes_first(cls, RequiredMixin)

    @classonlymethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        policy: object = initkwargs.get("policy", cls.policy)
        if policy is not None and not isinstance(policy, Policy):
            raise TypeError(f"policy: a Policy is expected, found {type(policy).__name__}")
        policies = () if policy is None else (policy,)
        auth = initkwargs.get("auth", cls.auth)
        return _guard(auth, policies, optional=False)(super().as_view(*args, **initkwargs))


class OptionalMixin(_Base):
    """`optional` for class-based views: `class Hello(OptionalMixin, View)`."""

    #: An authenticator of its own, if not the settings'.
    auth: Authenticator | None = None

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        _comes_first(cls, OptionalMixin)

    @classonlymethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        auth = initkwargs.get("auth", cls.auth)
        return _guard(auth, (), optional=True)(super().as_view(*args, **initkwargs))


def _comes_first(cls: type, mixin: type) -> None:
    """Refuses a class in which `View.as_view` would win, and leave the view open."""
    bases = cls.__mro__
    if View in bases and bases.index(View) < bases.index(mixin):
        raise TypeError(f"{cls.__name__}: {mixin.__name__} must stand before the view class")


def _guard(auth: Authenticator | None, policies: tuple[Policy, ...], *, optional: bool) -> Any:
    """The decorator of all these."""

    def guard(view: Callable[..., Any]) -> Callable[..., Any]:
        door: Callable[..., Any]
        exempt: bool = getattr(view, "csrf_exempt", False)

        def opened(request: HttpRequest, state: AuthState) -> bool:
            """Whether the view answers a CORS preflight, as it would answer anybody."""
            state.forget()
            return optional

        if _is_awaited(view):

            @wraps(view)
            async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                state = state_of(request, auth)
                if is_preflight(request):
                    if not opened(request, state):
                        return not_allowed()
                else:
                    refused = await aenter(request, state, policies, optional)
                    if refused is not None:
                        return refusal(refused)
                    if csrf_is_due(request, state, exempt):
                        answer = await acsrf_refusal(request)
                        if answer is not None:
                            return answer
                return vary(await view(request, *args, **kwargs))

            door = awaited

        else:

            @wraps(view)
            def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                state = state_of(request, auth)
                if is_preflight(request):
                    if not opened(request, state):
                        return not_allowed()
                else:
                    refused = enter(request, state, policies, optional)
                    if refused is not None:
                        return refusal(refused)
                    if csrf_is_due(request, state, exempt):
                        answer = csrf_refusal(request)
                        if answer is not None:
                            return answer
                return vary(view(request, *args, **kwargs))

            door = wrapped

        # The guard asks for the CSRF token itself, where there is a need to.
        vars(door)["csrf_exempt"] = True
        if not optional:
            # Django's `LoginRequiredMiddleware` would send the caller of an API to a login page.
            vars(door)["login_required"] = False
        if auth is not None:
            return mark(door, "own")
        return mark(door, "optional" if optional else "required")

    return guard


def _is_awaited(view: Any) -> bool:
    """Whether what a view returns is awaited."""
    if iscoroutinefunction(view):
        return True
    # `method_decorator` hands over a bound `dispatch`, which is a plain function even where the
    # handlers are coroutines.
    while view is not None:
        if isinstance(view, partial):
            owner = getattr(view.func, "__self__", None)
            return bool(getattr(owner, "view_is_async", False))
        view = getattr(view, "__wrapped__", None)
    return False
