"""Answers: the JSON that came, with the names of the table. Nothing is checked, nothing lost."""

from __future__ import annotations

from doorward._doorward import clerk_items

from ._cast import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeVar

    _T = TypeVar("_T")
else:
    # `typing` is a large import for names that only a type checker reads.
    _T = object

__all__ = ["List", "Object"]


class Object:
    """An object of the API. `user.first_name` and `user["first_name"]` are the same value.

    A documented field that did not come is None as an attribute; a field nobody documented is
    there under its name. Times are integers, milliseconds since 1970. Words of a known set are
    plain text, because more may come.
    """

    __slots__ = ("__data", "__type")

    def __init__(self, data: Mapping[str, Any] | bytes, type_name: str | None = None) -> None:
        """`data` as JSON is read when somebody looks into it."""
        object.__setattr__(self, "_Object__data", data)
        object.__setattr__(self, "_Object__type", type_name)

    def get(self, name: str, default: Any = None) -> Any:
        """The field, or `default` where it did not come."""
        return self[name] if name in self.__read() else default

    def to_dict(self) -> dict[str, Any]:
        """All that came, as plain JSON; a copy."""
        copied: dict[str, Any] = _copied(self.__read())
        return copied

    def __read(self) -> Mapping[str, Any]:
        data = cast("Mapping[str, Any] | bytes", self.__data)
        if not isinstance(data, bytes):
            return data
        import json

        read: dict[str, Any] = json.loads(data)
        object.__setattr__(self, "_Object__data", read)
        return read

    def __getitem__(self, name: str) -> Any:
        value = self.__read()[name]
        # Plain values, and what is most asked for.
        if not isinstance(value, (dict, list)):
            return value
        return wrapped(cast("Any", value), _fields(self.__type).get(name))

    def __getattr__(self, name: str) -> Any:
        # An object that is being made has no data yet.
        if name.startswith("_Object__"):
            raise AttributeError(name)
        data = self.__read()
        if name in data:
            return self[name]
        computed = _COMPUTED.get((self.__type, name))
        if computed is not None:
            return computed(self)
        fields = _fields(self.__type)
        if name in fields:
            return None
        if name == "keys":
            # `dict(user)`, and frameworks that make JSON of what a view returns, ask for it. A
            # method would hide the field of that name.
            return data.keys
        if name.startswith("__"):
            raise AttributeError(name)
        from doorward.compat._suggest import did_you_mean

        hint = did_you_mean(name, [*fields, *data])
        kind = self.__type or "object"
        raise AttributeError(f"this {kind} has no {name!r}{hint}", name=name, obj=self)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an answer is not changed: {name!r}; `to_dict()` is a copy")

    def __contains__(self, name: object) -> bool:
        return name in self.__read()

    def __iter__(self) -> Iterator[str]:
        return iter(self.__read())

    def __len__(self) -> int:
        return len(self.__read())

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Object):
            return bool(self.__read() == other.__read())
        return NotImplemented

    # What is compared by what is in it, and what is in it may be a list.
    __hash__ = None  # type: ignore[assignment]

    def __dir__(self) -> Iterable[str]:
        computed = [name for kind, name in _COMPUTED if kind == self.__type]
        return sorted({*super().__dir__(), *self.__read(), *_fields(self.__type), *computed})

    def __reduce__(self) -> tuple[Any, ...]:
        return (Object, (self.__read(), self.__type))

    def __repr__(self) -> str:
        """Type and id; the rest is people's, or secret."""
        found = self.__read().get("id")
        shown = f"id={found!r}" if isinstance(found, str) else ""
        return f"{self.__type or 'Object'}({shown})"


class List(list[_T]):
    """A list of the API, whichever of its three shapes it had."""

    #: How many there are altogether; None where the API does not count.
    total_count: int | None
    #: What else came with the list.
    rest: dict[str, Any]

    def __init__(
        self,
        items: Iterable[_T] = (),
        total_count: int | None = None,
        rest: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(items)
        self.total_count = total_count
        self.rest = rest or {}

    @property
    def data(self) -> List[_T]:
        """The list itself."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """`data`, `total_count` and what else came, as plain JSON; a copy."""
        data = [item.to_dict() if isinstance(item, Object) else _copied(item) for item in self]
        rest = cast("dict[str, Any]", _copied(self.rest))
        return {"total_count": self.total_count, **rest, "data": data}


def wrapped(value: Any, kind: str | None) -> Any:
    """The value with the names of its type; what has none is left as it came."""
    if kind is None:
        return value
    if isinstance(value, list) and kind.startswith("["):
        inner = kind[1:].removesuffix("?").removesuffix("]").removesuffix("?")
        return [wrapped(item, inner) for item in cast("Any", value)]
    if isinstance(value, dict):
        name = kind.removesuffix("?")
        # Free-form objects, maps, and types that nobody wrote down stay plain.
        if name[:1].isupper():
            return Object(cast("dict[str, Any]", value), name)
    return cast("Any", value)


def listed(value: Any, items: str | None, kind: str | None) -> Any:
    """A list in any of the three shapes; whatever else came, as an object."""
    if isinstance(value, list):
        return List(_items(cast("Any", value), kind))
    if isinstance(value, dict):
        rest = dict(cast("dict[str, Any]", value))
        for name in (items, "data"):
            if name is not None and isinstance(rest.get(name), list):
                return _counted(_items(rest.pop(name), kind), rest)
        return Object(cast("dict[str, Any]", value))
    return value


def listed_unread(answer: bytes, items: str | None, kind: str | None) -> List[Any] | None:
    """The same, where each item can wait until somebody looks into it."""
    import json

    found = clerk_items(answer, items)
    if found is None:
        return None
    raw, others = found
    name = _name(kind)
    of_items = [
        Object(text, name) if text.startswith(b"{") else wrapped(json.loads(text), name)
        for text in raw
    ]
    return _counted(of_items, {field: json.loads(text) for field, text in others})


def error_of(body: dict[str, Any]) -> Object:
    """The body of a refusal."""
    return Object(body, _ERRORS)


def _counted(items: Iterable[Any], rest: dict[str, Any]) -> List[Any]:
    count = rest.pop("total_count", None)
    if type(count) is not int:
        # Not a number: kept, and not taken for one.
        if count is not None:
            rest["total_count"] = count
        count = None
    return List(items, count, rest)


def _items(values: list[Any], kind: str | None) -> Iterator[Any]:
    name = _name(kind)
    for value in values:
        yield wrapped(value, name)


def _name(kind: str | None) -> str:
    return "Object" if kind in (None, "object") else kind


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_copied(item) for item in cast("Any", value)]
    return value


def _fields(kind: str | None) -> Mapping[str, str]:
    if kind is None:
        return {}
    own = _OWN.get(kind)
    if own is not None:
        return own
    from ._table import table

    return table().fields(kind)


def _primary(field: str, chosen: str, name: str) -> Any:
    def primary(user: Object) -> str | None:
        wanted = user.get(chosen)
        entries = user.get(field)
        for entry in cast("Any", entries) if isinstance(entries, list) else ():
            if isinstance(entry, Object) and wanted is not None and entry.get("id") == wanted:
                found = entry.get(name)
                return found if isinstance(found, str) else None
        return None

    return primary


_ERRORS = "Errors"
#: Types of our own.
_OWN: dict[str, dict[str, str]] = {
    _ERRORS: {"errors": "[Error]", "meta": "object", "clerk_trace_id": "string"},
    "Error": {"code": "string", "message": "string", "long_message": "string", "meta": "object"},
}


def _param_name(error: Object) -> str | None:
    meta = error.get("meta")
    return cast("dict[str, Any]", meta).get("param_name") if isinstance(meta, dict) else None


#: What is worked out from an object's fields, where no field has the name.
_COMPUTED = {
    ("User", "primary_email_address"): _primary(
        "email_addresses", "primary_email_address_id", "email_address"
    ),
    ("User", "primary_phone_number"): _primary(
        "phone_numbers", "primary_phone_number_id", "phone_number"
    ),
    ("Error", "param_name"): _param_name,
}
