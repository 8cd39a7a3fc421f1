"""What a view says about itself to the middleware."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Literal, TypeVar, cast

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
    # Whose mark it is: copies of a `dispatch` carry it on to views that nobody marked.
    setattr(view, _MARKED, view)
    return view


def door_of(view: Any) -> Door | None:
    """How a view is guarded, as far as it says so."""
    # Not what it inherits: who opens a view has not opened those that are made from it.
    kind = _class_of(view)
    door: Door | None
    if kind is None:
        # An instance of a class is a view too, and its class may have the mark from another.
        marked = isinstance(view, FunctionType) or _DOOR in _own(view)
        door = _own(view if marked else cast("Any", type(view))).get(_DOOR)
    else:
        door = getattr(view, _DOOR, None)
        if door is not None and not _is_own(view) and "dispatch" not in vars(kind):
            door = None
        door = door or vars(kind).get(_DOOR)
    if door is None and not getattr(view, "login_required", True) and not hasattr(view, "cls"):
        # Django's `login_not_required`. REST framework puts it on all its views alike, which says
        # nothing about this one.
        return "optional"
    return door


def _own(holder: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict(getattr(holder, "__dict__", {}))
    return found


def _is_own(view: Any) -> bool:
    """Whether this very view was marked, or one that it wraps."""
    marked = getattr(view, _MARKED, None)
    while view is not None:
        if view is marked:
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def _class_of(view: Any) -> type | None:
    # Django's name for it, and REST framework's.
    return getattr(view, "view_class", None) or getattr(view, "cls", None)


_DOOR = "doorward_door"
_MARKED = "doorward_marked"
