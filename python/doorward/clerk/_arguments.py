"""Arguments by name, as the engine wants them: JSON and files."""

from __future__ import annotations

import os

from ._cast import cast
from ._errors import ClerkError
from ._objects import List, Object
from ._table import Operation, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any

    File = tuple[str, str, str, bytes]

__all__ = ["UNSET", "Step", "Unset", "json_of", "replacing_of", "steps"]


class Unset:
    """The type of `UNSET`: an argument that is as if it were not there."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET = Unset()


class Step:
    """One request of a call. A call has two where metadata is part of an update."""

    def __init__(
        self, operation: Operation, arguments: dict[str, Any], files: list[File], before: bool
    ) -> None:
        self.operation = operation
        self.given = arguments
        self.arguments = json_of(arguments)
        self.files = files
        self._before = before

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Says of a second request's failure that there was a first one."""
        if self._before and isinstance(error, ClerkError):
            error.may_have_arrived = True


def steps(operation: Operation, name: str, request: Any, keywords: dict[str, Any]) -> list[Step]:
    """The requests of one call.

    Raises `TypeError` for arguments that the operation does not have, or lacks.
    """
    given = _given(operation, name, request, keywords)
    metadata: dict[str, Any] = {}
    replacing = replacing_of(operation)
    if replacing is not None:
        for key in replacing.parameters:
            if key not in operation.parameters and key in given:
                metadata[key] = given.pop(key)
    metadata = {key: value for key, value in metadata.items() if value is not None}
    arguments, files = _checked(operation, name, given, replacing)
    found: list[Step] = []
    subject = {key: arguments[key] for key in arguments if _is_path(operation, key)}
    if not metadata or len(arguments) > len(subject):
        found.append(Step(operation, arguments, files, False))
    if metadata and replacing is not None:
        found.append(Step(replacing, {**subject, **metadata}, [], bool(found)))
    return found


def replacing_of(operation: Operation) -> Operation | None:
    """The operation that replaces the metadata which this one no longer takes."""
    verb = REPLACING.get(operation.id)
    verbs = table().verbs(operation.resource) if verb is not None else None
    return verbs[verb] if verb is not None and verbs is not None else None


def json_of(value: Any) -> str:
    """As JSON; a `datetime` is RFC 3339 text."""
    import json

    return json.dumps(value, default=_plain, allow_nan=False)


def _given(
    operation: Operation, name: str, request: Any, keywords: dict[str, Any]
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if request is not None and not _is_unset(request):
        request = _unwrapped(request)
        if isinstance(request, dict):
            given = dict(cast("dict[str, Any]", request))
        elif operation.document is not None:
            given = {operation.document: request}
        else:
            raise TypeError(f"{name}() takes a mapping as request, not {type(request).__name__}")
    twice = sorted(given.keys() & keywords.keys())
    if twice:
        raise TypeError(f"{name}() got {twice[0]!r} twice: in request and as a keyword")
    given.update(keywords)
    return {key: value for key, value in given.items() if not _is_unset(value)}


def _checked(
    operation: Operation, name: str, given: dict[str, Any], replacing: Operation | None
) -> tuple[dict[str, Any], list[File]]:
    arguments: dict[str, Any] = {}
    files: list[File] = []
    for key, value in given.items():
        parameter = operation.parameters.get(key)
        if parameter is None:
            if _ignored(operation, key):
                continue
            from doorward.compat._suggest import did_you_mean

            known = [*operation.parameters, *(replacing.parameters if replacing else ())]
            hint = did_you_mean(str(key), known)
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}{hint}")
        kind: str = parameter["type"]
        if value is None and not kind.endswith("?") and not parameter.get("required"):
            continue
        if kind.startswith("file"):
            files.append(_file(key, value))
        elif kind.startswith("time"):
            arguments[key] = _milliseconds(value)
        else:
            arguments[key] = value
    missing = [
        repr(key)
        for key, parameter in operation.parameters.items()
        if parameter.get("required") and key not in given
    ]
    if missing:
        raise TypeError(f"{name}() needs {', '.join(missing)}")
    return arguments, files


def _ignored(operation: Operation, key: str) -> bool:
    if (operation.resource, key) not in _IGNORED:
        return False
    import warnings

    text = f"the API has no {key!r} here: the secret key says which instance; leave it out"
    warnings.warn(text, DeprecationWarning, stacklevel=6)
    return True


def _is_path(operation: Operation, key: str) -> bool:
    return operation.parameters[key]["in"] == "path"


def _milliseconds(value: Any) -> Any:
    timestamp = getattr(value, "timestamp", None)
    if timestamp is None:
        return value
    _aware(value)
    # Halves away from floats: a microsecond is enough of them.
    return int(timestamp() * 1000 + 0.0005)


def _file(name: str, value: Any) -> File:
    """A file from bytes, an open file, a path, or a mapping in the original's shape."""
    value = _unwrapped(value)
    file_name: str | None = None
    content_type: str | None = None
    if isinstance(value, dict):
        parts: Mapping[str, Any] = cast("Any", value)
        file_name = parts.get("file_name") or parts.get("fileName")
        content_type = parts.get("content_type") or parts.get("contentType")
        value = parts.get("content")
    if isinstance(value, os.PathLike):
        path = cast("os.PathLike[str]", value)
        file_name = file_name or os.path.basename(os.fspath(path))
        with open(path, "rb") as file:
            value = file.read()
    elif hasattr(value, "read"):
        told = getattr(value, "name", None)
        if file_name is None and isinstance(told, str):
            file_name = os.path.basename(told)
        value = value.read()
    if not isinstance(value, (bytes, bytearray, memoryview)):
        found = type(value).__name__
        raise TypeError(f"{name}: expected bytes, a binary file or a path, found {found}")
    if content_type is None:
        import mimetypes

        content_type = mimetypes.guess_type(file_name or "")[0] or "application/octet-stream"
    return name, file_name or name, content_type, bytes(cast("bytes", value))


def _is_unset(value: Any) -> bool:
    """Whether it is our `UNSET`, or the original's: another, whose type has the same name."""
    return type(value).__name__ == "Unset" and not value


def _unwrapped(value: Any) -> Any:
    """Models of other libraries, and answers of ours, as plain values."""
    if isinstance(value, (Object, List)):
        return cast("Any", value).to_dict()
    if hasattr(value, "model_dump"):
        return value.model_dump(by_alias=True, exclude_unset=True)
    if hasattr(value, "keys") and not isinstance(value, dict):
        return dict(cast("Mapping[str, Any]", value))
    return cast("Any", value)


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if _is_unset(value):
        raise TypeError("UNSET can be an argument, and not a part of one")
    found = _unwrapped(value)
    if found is not value:
        return found
    if hasattr(value, "isoformat"):
        _aware(value)
        return value.isoformat()
    if isinstance(value, (tuple, set, frozenset)):
        return list(cast("set[Any]", value))
    raise TypeError(f"{type(value).__name__} is nothing that JSON has a word for")


def _aware(value: Any) -> None:
    if getattr(value, "tzinfo", None) is None and hasattr(value, "hour"):
        raise ValueError("a time needs its zone: datetime.now(timezone.utc)")


#: PATCH no longer takes metadata (since 2026-05-12). What it meant was to replace it, and that is
#: another verb of the resource.
REPLACING = {"UpdateUser": "replace_metadata", "UpdateOrganization": "replace_metadata"}
#: Arguments that guides show and the API does not have.
_IGNORED = {("organization_roles", "instance_id")}
