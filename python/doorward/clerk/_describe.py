"""What editors and `help()` show of an operation."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import TYPE_CHECKING

from ._arguments import replacing_of

if TYPE_CHECKING:
    from typing import Any

    from ._table import Operation

__all__ = ["annotation", "description", "signature"]


def signature(operation: Operation, walk: str | None = None) -> Signature:
    """Keywords only: what is required, what is not, and what every call takes."""
    required: list[Parameter] = []
    optional: list[Parameter] = []
    for name, row in _parameters(operation).items():
        kind = annotation(row["type"])
        if row.get("required"):
            required.append(Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind))
        else:
            optional.append(
                Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=_ABSENT)
            )
    common = [
        Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=None)
        for name, kind in _COMMON.items()
    ]
    return Signature([*required, *optional, *common], return_annotation=_answer(operation, walk))


def description(operation: Operation, walk: str | None = None) -> str:
    """Method, path, parameters and answer."""
    lines = [f"{operation.method} {operation.path}, answers {_answer(operation, walk)}."]
    if walk is not None:
        lines.append("All pages, each fetched when it is needed; `limit` is the size of one.")
    if operation.deprecated:
        lines.append("Deprecated by Clerk.")
    lines += ["", "As keywords, or together as `request=`:", ""]
    for name, row in _parameters(operation).items():
        bounds = [
            f"{word} {row[key]}"
            for key, word in (("minimum", "from"), ("maximum", "to"), ("default", "default"))
            if key in row
        ]
        required = ["required"] if row.get("required") else []
        told = ", ".join([row["type"].removesuffix("?"), *required, *bounds])
        lines.append(f"  {name}: {told}")
    if replacing_of(operation) is not None:
        lines += ["", "Metadata is replaced by a second request, after this one."]
    return "\n".join(lines)


def annotation(kind: str) -> str:
    """A type of the table in Python's words."""
    if kind.endswith("?"):
        return f"{annotation(kind[:-1])} | None"
    if kind.startswith("["):
        return f"list[{annotation(kind[1:-1])}]"
    if kind.startswith("{"):
        return f"dict[str, {annotation(kind[1:-1])}]"
    if kind.startswith("'"):
        return "str"
    return _WORDS.get(kind, kind)


def _answer(operation: Operation, walk: str | None) -> str:
    kind = annotation(operation.response or "object")
    if walk is not None:
        return f"{walk}[{kind}]"
    if operation.shape in ("array", "page"):
        return f"List[{kind}]"
    return {"text": "str", "empty": "None"}.get(operation.shape, kind)


def _parameters(operation: Operation) -> dict[str, dict[str, Any]]:
    parameters = dict(operation.parameters)
    replacing = replacing_of(operation)
    if replacing is not None:
        parameters |= {
            name: row for name, row in replacing.parameters.items() if name not in parameters
        }
    return parameters


class _Absent:
    def __repr__(self) -> str:
        return "..."


_ABSENT = _Absent()
_WORDS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "time": "int",
    "object": "dict[str, Any]",
    "any": "Any",
    "file": "File",
}
_COMMON = {
    "request": "Mapping[str, Any] | None",
    "retries": "int | None",
    "server_url": "str | None",
    "timeout_ms": "float | None",
    "http_headers": "Mapping[str, str] | None",
}
