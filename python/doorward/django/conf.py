"""The settings, read once per process: `DOORWARD = {...}`.

Names are those of `doorward.toml` in capitals (`PRESET`, `PUBLISHABLE_KEY`, `AUTHORIZED_PARTIES`,
…; several issuers are a list under `ISSUER`), and these of Django's own:

`AUTH`                  an `Authenticator`, what makes one, or the import path of either. Stands in
                        the place of all settings about issuers.
`EXCLUDE`               paths the middleware leaves alone: `"/health"` exactly, `"/static/*"` and
                        everything below, `*` elsewhere for one segment.
`OPTIONAL`              the middleware lets requests without credentials through.
`POLICY`                what the middleware demands of every identified caller: a `Policy`, or its
                        arguments.
`PREFER_TOKEN`          `request.user` is the token's, even where Django's session has one.
`USER_FIELD`            `DoorwardBackend`: the field of the user model that holds the token's user.
`USER_ISSUER_FIELD`     `DoorwardBackend`: the field that holds the token's issuer.
`CREATE_UNKNOWN_USER`   `DoorwardBackend`: makes a user for a caller who has none.

Where nothing about issuers is said, the settings named `CLERK_…` and `DOORWARD_…` and the
environment decide.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string

from doorward._authenticator import Authenticator
from doorward._doorward import Policy
from doorward._rejection import ConfigError
from doorward._settings import authenticator as from_settings
from doorward.asgi import excluded, has_dot_segments

if TYPE_CHECKING:
    from .backends import DoorwardBackend

__all__ = ["Options", "Setup", "authenticator", "current"]


def authenticator() -> Authenticator:
    """The authenticator the settings describe. Raises `ConfigError`."""
    return current().auth


def current() -> Setup:
    """What the settings mean, built when it is first needed and again when they change."""
    return _State.setup or _build()


@dataclass(frozen=True)
class Options:
    """What `DOORWARD` says to this adapter. Everything else in it is the engine's."""

    auth: object = None
    exclude: tuple[str, ...] = ()
    optional: bool = False
    policy: Policy | None = None
    prefer_token: bool = False
    user_field: str | None = None
    user_issuer_field: str | None = None
    create_unknown_user: bool = False

    @classmethod
    def read(cls, given: object) -> tuple[Options, dict[str, Any]]:
        """Parts `DOORWARD` into options and settings of the engine. Raises `ConfigError`."""
        if not isinstance(given, Mapping):
            raise ConfigError(f"DOORWARD: a dict is expected, found {type(given).__name__}")
        options: dict[str, Any] = {}
        engine: dict[str, Any] = {}
        for name, value in cast("Mapping[object, object]", given).items():
            if not isinstance(name, str) or name != name.upper():
                raise ConfigError(
                    f"DOORWARD: names are written in capitals; did you mean {str(name).upper()!r} "
                    f"instead of {name!r}?"
                )
            if name in _OPTIONS:
                options[name.lower()] = _OPTIONS[name](name, value)
            else:
                engine[name.lower()] = _issuers(value) if name == "ISSUER" else value
        return cls(**options), engine


class Setup:
    """What the settings mean."""

    def __init__(self) -> None:
        given = getattr(settings, "DOORWARD", {})
        self.options, self._engine = Options.read(given)
        self._given = given
        self.optional = self.options.optional
        self.policies = () if self.options.policy is None else (self.options.policy,)
        self.prefer_token = self.options.prefer_token
        try:
            self._excluded = excluded(self.options.exclude)
        except ValueError as error:
            raise ConfigError(f'DOORWARD["EXCLUDE"]: {error}') from None

    def excludes(self, path: str) -> bool:
        """Whether nobody is asked for credentials under this path."""
        if self._excluded is None or self._excluded.fullmatch(path) is None:
            return False
        return not has_dot_segments(path)

    @cached_property
    def auth(self) -> Authenticator:
        """The authenticator. Raises `ConfigError`."""
        with _State.lock:
            # Another thread may have made it meanwhile.
            made: Authenticator | None = vars(self).get("auth")
            return made or _authenticator(self.options, self._engine, self._given)

    @cached_property
    def checks_csrf(self) -> bool:
        """Whether the project uses Django's CSRF check."""
        kinds = [import_string(path) for path in settings.MIDDLEWARE]
        return any(
            isinstance(kind, type) and issubclass(kind, CsrfViewMiddleware) for kind in kinds
        )

    @cached_property
    def backend(self) -> DoorwardBackend | None:
        """The one of `AUTHENTICATION_BACKENDS` that looks for the caller's local user."""
        if not apps.is_installed("django.contrib.auth"):
            return None
        # Its models can be imported only when all applications are loaded.
        from .backends import DoorwardBackend

        for path in settings.AUTHENTICATION_BACKENDS:
            kind = import_string(path)
            if isinstance(kind, type) and issubclass(kind, DoorwardBackend):
                backend = kind()
                backend.path = path
                return backend
        return None


class _State:
    setup: Setup | None = None
    lock = RLock()


def _build() -> Setup:
    with _State.lock:
        setup = _State.setup
        if setup is None:
            setup = _State.setup = Setup()
        return setup


def _forget(*, setting: str, **_: object) -> None:
    if setting in _WATCHED or setting.startswith(("DOORWARD_", "CLERK_")):
        _State.setup = None


_WATCHED = (
    "DOORWARD",
    "AUTHENTICATION_BACKENDS",
    "AUTH_USER_MODEL",
    "INSTALLED_APPS",
    "MIDDLEWARE",
)
setting_changed.connect(_forget)


def _authenticator(
    options: Options, engine: Mapping[str, Any], given: Mapping[str, Any]
) -> Authenticator:
    if options.auth is not None:
        if engine:
            names = ", ".join(repr(name.upper()) for name in engine)
            raise ConfigError(
                f'DOORWARD["AUTH"]: an authenticator brings its issuers along; leave out {names}'
            )
        return _found(options.auth)
    if not engine:
        named = {name: getattr(settings, name) for name in dir(settings) if _is_ours(name)}
        return from_settings(named)
    try:
        return Authenticator.from_config(engine)
    except ConfigError as error:
        raise ConfigError(f"DOORWARD: {_in_capitals(str(error), given)}") from None


def trusts_several(auth: Authenticator) -> bool:
    """Whether two issuers may name two users alike."""
    issuers = auth.issuers
    return len(issuers) > 1 or any("{" in issuer for issuer in issuers)


def _found(auth: object) -> Authenticator:
    """The authenticator that `AUTH` leads to."""
    found: object = auth
    if isinstance(found, str):
        try:
            found = import_string(found)
        except ImportError as error:
            raise ConfigError(f'DOORWARD["AUTH"]: {error}') from error
    if not isinstance(found, Authenticator) and callable(found):
        found = cast("Callable[[], object]", found)()
    if not isinstance(found, Authenticator):
        raise ConfigError(
            'DOORWARD["AUTH"]: an Authenticator is expected, or what returns one, '
            f"found {type(found).__name__}"
        )
    return found


def _is_ours(name: str) -> bool:
    return name.startswith(("DOORWARD_", "CLERK_"))


def _in_capitals(message: str, given: Mapping[str, Any]) -> str:
    """The engine's complaint about a name, as it is spelled here."""
    unknown = _UNKNOWN.search(message)
    if unknown is None or unknown[1].upper() not in _names(given):
        return message
    name = unknown[1].upper()
    near = difflib.get_close_matches(name, _OPTIONS, n=1, cutoff=0.75)
    if not near and unknown[2]:
        near = [unknown[2].upper()]
    hint = f"did you mean {near[0]!r}?" if near else "known are the names of doorward.toml"
    return f"{name!r} is unknown; {hint}"


def _names(given: Mapping[str, Any]) -> set[str]:
    """The names in `DOORWARD`, and in its issuers."""
    names = set(given)
    issuers = given.get("ISSUER")
    if isinstance(issuers, (list, tuple)):
        for issuer in cast("Iterable[object]", issuers):
            if isinstance(issuer, Mapping):
                names.update(cast("Mapping[str, object]", issuer))
    return names


_UNKNOWN = re.compile(r'"(\w+)" is unknown(?:; did you mean "(\w+)")?')


def _issuers(value: object) -> object:
    """The issuers with the names of the file. What stands inside their settings is left alone:
    claims and header fields have names of their own.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, (list, tuple)):
        raise ConfigError(
            'DOORWARD["ISSUER"]: the issuer\'s name is expected, or a list of dicts, '
            f"found {type(value).__name__}"
        )
    issuers: list[dict[str, object]] = []
    for issuer in cast("Iterable[object]", value):
        if not isinstance(issuer, Mapping):
            raise ConfigError(
                f'DOORWARD["ISSUER"]: each issuer is a dict, found {type(issuer).__name__}'
            )
        one: dict[str, object] = {}
        for name, setting in cast("Mapping[object, object]", issuer).items():
            if not isinstance(name, str) or name != name.upper():
                raise ConfigError(
                    'DOORWARD["ISSUER"]: names are written in capitals; did you mean '
                    f"{str(name).upper()!r} instead of {name!r}?"
                )
            one[name.lower()] = setting
        issuers.append(one)
    return issuers


def _wrong(name: str, expected: str, found: object) -> ConfigError:
    return ConfigError(f'DOORWARD["{name}"]: {expected} is expected, found {type(found).__name__}')


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, "True or False", value)
    return value


def _field(name: str, value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise _wrong(name, "the name of a field", value)
    return value


def _paths(name: str, value: object) -> tuple[str, ...]:
    given: object = value
    paths = list(cast("Iterable[object]", value)) if isinstance(value, (list, tuple)) else [value]
    texts = tuple(one for one in paths if isinstance(one, str))
    if isinstance(value, str) or len(texts) < len(paths):
        raise _wrong(name, "a list of paths", given)
    return texts


def _policy(name: str, value: object) -> Policy | None:
    if value is None or isinstance(value, Policy):
        return value
    if not isinstance(value, Mapping):
        raise _wrong(name, "a Policy, or a dict of its arguments,", value)
    arguments = cast("Mapping[str, Any]", value)
    try:
        policy = Policy(**{argument.lower(): one for argument, one in arguments.items()})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f'DOORWARD["{name}"]: {error}') from None
    if policy == Policy():
        raise ConfigError(f'DOORWARD["{name}"]: demands nothing; leave it out, or fill it in')
    return policy


def _as_it_is(name: str, value: object) -> object:
    return value


_OPTIONS: dict[str, Callable[[str, object], object]] = {
    "AUTH": _as_it_is,
    "EXCLUDE": _paths,
    "OPTIONAL": _truth,
    "POLICY": _policy,
    "PREFER_TOKEN": _truth,
    "USER_FIELD": _field,
    "USER_ISSUER_FIELD": _field,
    "CREATE_UNKNOWN_USER": _truth,
}
