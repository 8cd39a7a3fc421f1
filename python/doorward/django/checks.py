"""System checks: what an operator gets wrong, said before the first request.

| id | says |
|---|---|
| `doorward.E001` | the settings make no authenticator |
| `doorward.E002` | `AuthMiddleware` stands before middleware that it must stand after |
| `doorward.E003` | `DoorwardBackend` cannot tell users by the fields it is given |
| `doorward.W001` | session cookies are read, and no authorized parties are named |
| `doorward.W002` | session cookies are read, and Django's CSRF check is not in use |
| `doorward.W003` | settings for something that is not in use |
| `doorward.W004` | REST framework does not authenticate by Doorward |
| `doorward.W005` | REST framework's challenges are another class's |
| `doorward.W006` | REST framework's views are open unless they say otherwise |
| `doorward.W007` | the field of `DoorwardBackend` is not unique |
| `doorward.W008` | mailed error reports show session cookies |
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.utils.module_loading import import_string
from django.views.debug import SafeExceptionReporterFilter

from doorward._rejection import ConfigError

from .conf import Setup, current, trusts_several

__all__ = ["check"]


@checks.register(checks.Tags.security)
def check(**_: object) -> list[checks.CheckMessage]:
    try:
        setup = current()
        setup.auth  # noqa: B018
    except ConfigError as error:
        return [checks.Error(str(error), id="doorward.E001")]
    except ImportError as error:
        return [checks.Error(f'DOORWARD["AUTH"]: {error}', id="doorward.E001")]
    return [
        *_middleware(setup),
        *_cookies(setup),
        *_backend(setup),
        *_rest_framework(setup),
    ]


def _middleware(setup: Setup) -> Iterator[checks.CheckMessage]:
    ours = _position(_OURS)
    options = setup.options
    if ours is None:
        unused = {
            "EXCLUDE": options.exclude,
            "OPTIONAL": options.optional,
            "POLICY": options.policy,
        }
        for name, value in unused.items():
            if value:
                yield checks.Warning(
                    f"DOORWARD[{name!r}] is for {_OURS}, which is not in MIDDLEWARE.",
                    id="doorward.W003",
                )
        return
    for other in (_SESSIONS, _USERS):
        position = _position(other)
        if position is not None and position > ours:
            yield checks.Error(
                f"{_OURS} must stand after {other} in MIDDLEWARE: the other way round the caller "
                "is overwritten.",
                id="doorward.E002",
            )


def _cookies(setup: Setup) -> Iterator[checks.CheckMessage]:
    name = next((one for one in _cookie_names() if _is_read(setup, one)), None)
    if name is None:
        return
    if not setup.auth.authorized_parties and not settings.DEBUG:
        yield checks.Warning(
            f"The session cookie {name!r} is read, and no authorized parties are named: a token "
            "made for another origin is good here too.",
            hint="Name the origins of your front ends as AUTHORIZED_PARTIES.",
            id="doorward.W001",
        )
    if not setup.checks_csrf:
        yield checks.Warning(
            f"The session cookie {name!r} is read, and Django's CSRF check is not in use: requests "
            "that change something are refused where a browser sent the cookie by itself.",
            hint=f"Add {_CSRF} to MIDDLEWARE.",
            id="doorward.W002",
        )
    reports = import_string(settings.DEFAULT_EXCEPTION_REPORTER_FILTER)
    # The middleware brings a filter along.
    shows = reports is SafeExceptionReporterFilter and _position(_OURS) is None
    if settings.ADMINS and not settings.DEBUG and shows:
        yield checks.Warning(
            f"The session cookie {name!r} is read, and the error reports that are mailed to ADMINS "
            "show it.",
            hint='DEFAULT_EXCEPTION_REPORTER_FILTER = "doorward.django.reports.SafeReporterFilter"',
            id="doorward.W008",
        )


def _is_read(setup: Setup, cookie: str) -> bool:
    return setup.auth.place({"cookie": f"{cookie}=x"}) == "cookie"


def _cookie_names() -> Iterator[str]:
    """Names that may be read. The authenticator says which are."""
    yield "__session"
    given: Mapping[str, Any] = getattr(settings, "DOORWARD", {})
    sources: list[object] = [
        given.get("COOKIES"),
        getattr(settings, "DOORWARD_COOKIES", None),
        os.environ.get("DOORWARD_COOKIES"),
    ]
    issuers = given.get("ISSUER")
    if isinstance(issuers, (list, tuple)):
        sources += [one.get("COOKIES") for one in cast("Iterable[Mapping[str, Any]]", issuers)]
    for source in sources:
        if isinstance(source, str):
            yield from (one.strip() for one in source.split(","))
        elif isinstance(source, (list, tuple)):
            yield from cast("Iterable[str]", source)


def _backend(setup: Setup) -> Iterator[checks.CheckMessage]:
    options = setup.options
    if setup.backend is None:
        names = ("user_field", "user_issuer_field", "create_unknown_user")
        for name in names:
            if getattr(options, name):
                yield checks.Warning(
                    f"DOORWARD[{name.upper()!r}] is for doorward.django.backends.DoorwardBackend, "
                    "which is not in AUTHENTICATION_BACKENDS.",
                    id="doorward.W003",
                )
        return
    model: Any = apps.get_model(settings.AUTH_USER_MODEL)
    if options.user_field is None:
        yield checks.Error(
            'DOORWARD["USER_FIELD"] is missing: which field of the user model holds the user of '
            "the token?",
            hint=f'Such as "{model.USERNAME_FIELD}".',
            id="doorward.E003",
        )
        return
    fields = [one for one in (options.user_field, options.user_issuer_field) if one is not None]
    for name in fields:
        try:
            model._meta.get_field(name)
        except FieldDoesNotExist:
            yield checks.Error(f"{model._meta.label} has no field {name!r}.", id="doorward.E003")
            return
    if options.user_issuer_field is None and trusts_several(setup.auth):
        yield checks.Error(
            "Several issuers are trusted, and one may name a user as another does: say in "
            'DOORWARD["USER_ISSUER_FIELD"] which field of the user model holds the issuer.',
            id="doorward.E003",
        )
    if not _is_unique(model, fields):
        yield checks.Warning(
            f"{model._meta.label} may hold several users with the same {' and '.join(fields)}: two "
            "first visits at once can make two.",
            hint="Make the field unique, or both together.",
            id="doorward.W007",
        )


def _is_unique(model: Any, fields: Sequence[str]) -> bool:
    if any(model._meta.get_field(name).unique for name in fields):
        return True
    together = [set(names) for names in model._meta.unique_together]
    together += [
        set(one.fields) for one in model._meta.total_unique_constraints if not one.expressions
    ]
    return any(names <= set(fields) for names in together)


def _rest_framework(setup: Setup) -> Iterator[checks.CheckMessage]:
    if not apps.is_installed("rest_framework"):
        return
    from rest_framework.permissions import AllowAny
    from rest_framework.settings import api_settings

    from doorward.drf import DoorwardAuthentication

    defaults: Any = api_settings
    authentication: list[type] = list(defaults.DEFAULT_AUTHENTICATION_CLASSES or ())
    if not any(issubclass(one, DoorwardAuthentication) for one in authentication):
        yield checks.Warning(
            'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] does not name '
            "doorward.drf.DoorwardAuthentication, so views know no caller unless they name it.",
            id="doorward.W004",
        )
    elif not issubclass(authentication[0], DoorwardAuthentication):
        yield checks.Warning(
            "doorward.drf.DoorwardAuthentication is not the first of "
            'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"]: REST framework asks the first one '
            "for the challenge, and answers 403 where it has none.",
            id="doorward.W005",
        )
    permissions: list[Any] = list(defaults.DEFAULT_PERMISSION_CLASSES or ())
    guarded = _position(_OURS) is not None and not setup.optional
    if not guarded and all(one is AllowAny for one in permissions):
        yield checks.Warning(
            'REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"] is open: views answer anybody unless '
            "they name permissions.",
            hint='Such as "rest_framework.permissions.IsAuthenticated".',
            id="doorward.W006",
        )


def _position(path: str) -> int | None:
    """Where a middleware, or one made from it, stands in `MIDDLEWARE`."""
    application = path.partition(".middleware")[0]
    if path in (_SESSIONS, _USERS) and not apps.is_installed(application):
        # Its models could not be imported.
        return None
    wanted = import_string(path)
    for position, one in enumerate(settings.MIDDLEWARE):
        found = import_string(one)
        if isinstance(found, type) and issubclass(found, wanted):
            return position
    return None


_OURS = "doorward.django.AuthMiddleware"
_SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
_USERS = "django.contrib.auth.middleware.AuthenticationMiddleware"
_CSRF = "django.middleware.csrf.CsrfViewMiddleware"
