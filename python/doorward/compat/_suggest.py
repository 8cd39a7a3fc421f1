"""Answers to an operator's mistakes: unknown names, and values of the wrong type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from doorward._rejection import ConfigError


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when nothing is near."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def text(setting: str, value: object) -> str | None:
    """A setting that is text or not set. The value itself is never shown: it may be a secret."""
    if value is None or isinstance(value, str):
        return value
    raise ConfigError(f"{setting}: expected text, found {type(value).__name__}")


def texts(setting: str, value: object) -> tuple[str, ...] | None:
    """A setting that is text or a list of texts, or not set."""
    if value is None:
        return None
    if isinstance(value, str):
        return (value,)
    kind = type(value).__name__
    if not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray, dict)):
        raise ConfigError(f"{setting}: expected text or a list of texts, found {kind}")
    items = list(cast("Iterable[object]", value))
    for item in items:
        if not isinstance(item, str):
            kind = type(item).__name__
            raise ConfigError(f"{setting}: expected a list of texts, found {kind} in it")
    return tuple(cast("list[str]", items))
