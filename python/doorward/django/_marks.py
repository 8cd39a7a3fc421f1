"""What a view says about itself to the middleware."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

V = TypeVar("V")
#: `own`: guarded by another authenticator than the settings'.
Door = Literal["public", "optional", "required", "own"]


def public(view: V) -> V:
    """Opens a view to everybody: the middleware asks nobody for credentials, and identifies nobody.

    For view functions, `View.as_view()`, view classes (and not those that inherit from them), and
    `method_decorator(public, name="dispatch")`.
    """
    return mark(view, "public")


def mark(view: V, door: Door) -> V:
    setattr(view, _DOOR, door)
    return view


def door_of(view: Any) -> Door | None:
    """How a view is guarded, as far as it says so."""
    door: Door | None = getattr(view, _DOOR, None)
    if door is None:
        kind = _class_of(view)
        # Not what it inherits: who opens a view has not opened those that are made from it.
        door = None if kind is None else vars(kind).get(_DOOR)
    if door is None and not getattr(view, "login_required", True) and not hasattr(view, "cls"):
        # Django's `login_not_required`. REST framework puts it on all its views alike, which says
        # nothing about this one.
        return "optional"
    return door


def _class_of(view: Any) -> type | None:
    # Django's name for it, and REST framework's.
    return getattr(view, "view_class", None) or getattr(view, "cls", None)


_DOOR = "doorward_door"
