"""An authenticator from a framework's settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, cast

from ._authenticator import Authenticator
from ._rejection import ConfigError

_CLERK = (
    "CLERK_PUBLISHABLE_KEY",
    "CLERK_SECRET_KEY",
    "CLERK_MACHINE_SECRET_KEY",
    "CLERK_JWT_KEY",
    "CLERK_AUTHORIZED_PARTIES",
    "CLERK_API_URL",
)


def authenticator(
    settings: Mapping[str, Any], *, environ: Mapping[str, str] | None = None
) -> Authenticator:
    """Reads the settings that are named as environment variables are, which fill what is left open.

    A value is text, a list of texts, a number or a truth value; `None` is not set. Raises
    `ConfigError`.
    """
    variables = dict(os.environ if environ is None else environ)
    for name, value in settings.items():
        if value is None:
            continue
        if name.startswith("DOORWARD_") or name in _CLERK:
            variables[name] = _text(name, value)
        elif isinstance(value, str) and name.isupper():
            # A provider's own variable, if `DOORWARD_PRESET` chooses the provider.
            variables[name] = value
    return Authenticator.from_env(variables)


def _text(name: str, value: object) -> str:
    """A value as the environment would spell it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    items = _items(value)
    texts = [item for item in items or () if isinstance(item, str) and "," not in item]
    if items is not None and len(texts) == len(items):
        return ",".join(texts)
    raise ConfigError(
        f"{name}: a value is text, a list of texts, a number or a truth value, "
        f"found {type(value).__name__}"
    )


def _items(value: object) -> list[object] | None:
    if not isinstance(value, (list, tuple, set, frozenset)):
        return None
    return list(cast("Iterable[object]", value))
