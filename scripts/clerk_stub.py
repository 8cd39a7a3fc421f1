#!/usr/bin/env python3
"""Makes `python/doorward/clerk/types.pyi` from the table of operations: TypedDicts of what operations take, Protocols
of what they answer, and the resources with their operations, sync and async.

    scripts/clerk_stub.py           writes it
    scripts/clerk_stub.py --check   fails if it is not what would be written
"""

from __future__ import annotations

import json
import keyword
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "crates/doorward-clerk/data/backend-api.json"
STUB = ROOT / "python/doorward/clerk/types.pyi"

HEAD = """\
# ruff: noqa: E501
# Made by scripts/clerk_stub.py from crates/doorward-clerk/data/backend-api.json; edit that.
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import IO, Any, Protocol, TypedDict, overload

from typing_extensions import NotRequired, Required, Unpack

from ._objects import List as List
from ._pages import AsyncPages as AsyncPages
from ._pages import Pages as Pages

File = bytes | PathLike[str] | IO[bytes] | Mapping[str, Any]

class CallOptions(TypedDict, total=False):
    retries: int | None
    server_url: str | None
    timeout_ms: float | None
    http_headers: Mapping[str, str] | None

class Model(Protocol):
    def __getitem__(self, name: str, /) -> Any: ...
    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def get(self, name: str, default: Any = None) -> Any: ...
    def to_dict(self) -> dict[str, Any]: ...

class Anything(Model, Protocol):
    def __getattr__(self, name: str, /) -> Any: ...
"""


def main() -> int:
    made = stub(json.loads(TABLE.read_text()))
    if "--check" in sys.argv[1:]:
        if STUB.exists() and STUB.read_text() == made:
            return 0
        print(
            f"{STUB.relative_to(ROOT)} is not what the table makes; run scripts/clerk_stub.py",
            file=sys.stderr,
        )
        return 1
    STUB.write_text(made)
    return 0


def stub(table: dict[str, Any]) -> str:
    types: dict[str, dict[str, str]] = table["types"]
    operations: list[dict[str, Any]] = table["operations"]
    asked = reachable(types, [p["type"] for o in operations for p in o.get("parameters", ())])
    answered = reachable(types, [o["response"] for o in operations if o.get("response")])
    parts = [HEAD]
    for name, fields in types.items():
        if name in asked:
            parts.append(
                request_type(name if name not in answered else f"{name}Input", fields, answered)
            )
        if name in answered or name not in asked:
            parts.append(answer_type(name, fields))
    by_id = {operation["id"]: operation for operation in operations}
    resources: dict[str, list[str]] = {}
    for operation in operations:
        extra: list[dict[str, Any]] = []
        if operation["id"] in REPLACING:
            known = {p["name"] for p in operation["parameters"]}
            extra = [
                p for p in by_id[REPLACING[operation["id"]]]["parameters"] if p["name"] not in known
            ]
        parts.append(arguments_type(operation, extra, answered))
        resources.setdefault(operation["resource"], []).extend(methods(operation))
    for resource, lines in resources.items():
        parts.append(f"class {camel(resource)}Resource(Protocol):\n" + "".join(lines))
    rows = "".join(
        f"    @property\n    def {name}(self) -> {camel(name)}Resource: ...\n" for name in resources
    )
    parts.append("class Resources:\n" + rows)
    return "\n".join(parts)


def request_type(name: str, fields: dict[str, str], answered: set[str]) -> str:
    rows = ""
    for field, kind in fields.items():
        text = python(kind, answered)
        plain = field.removesuffix("?")
        if good(plain):
            rows += f"    {plain}: {f'NotRequired[{text}]' if field.endswith('?') else text}\n"
    return f"class {name}(TypedDict):\n" + (rows or "    pass\n")


def answer_type(name: str, fields: dict[str, str]) -> str:
    rows = ""
    for field, kind in fields.items():
        plain = field.removesuffix("?")
        if not good(plain):
            continue
        text = python(kind, set())
        if field.endswith("?") and not text.endswith("None") and text != "Any":
            text += " | None"
        rows += f"    @property\n    def {plain}(self) -> {text}: ...\n"
    for plain in COMPUTED.get(name, ()):
        rows += f"    @property\n    def {plain}(self) -> str | None: ...\n"
    return f"class {name}(Model, Protocol):\n" + (rows or "    pass\n")


def arguments_type(
    operation: dict[str, Any], extra: list[dict[str, Any]], answered: set[str]
) -> str:
    fields = ""
    for parameter in [*operation.get("parameters", ()), *extra]:
        text = python(parameter["type"], answered)
        name = parameter["name"]
        fields += f"    {name}: {f'Required[{text}]' if parameter.get('required') else text}\n"
    if operation["resource"] == "organization_roles":
        fields += "    instance_id: str\n"
    name = arguments_name(operation)
    return f"class {name}(TypedDict, total=False):\n{fields or '    pass' + chr(10)}\nclass {name}Call({name}, CallOptions, total=False): ...\n"


def methods(operation: dict[str, Any]) -> list[str]:
    """One Protocol of an operation could not have its own names of keywords, so each is written out twice."""
    arguments = arguments_name(operation)
    answer = answer_of(operation)
    ways = [("def", "", answer), ("async def", "_async", answer)]
    if is_paginated(operation):
        item = answer.removeprefix("List")
        ways += [("def", "_iter", f"Pages{item}"), ("def", "_iter_async", f"AsyncPages{item}")]
    lines: list[str] = []
    for verb in [operation["verb"], *operation.get("aliases", ())]:
        for word, ending, result in ways:
            lines.append(
                f"    @overload\n    {word} {verb}{ending}(self, *, request: {arguments}, **options: Unpack[CallOptions]) -> {result}: ...\n"
                f"    @overload\n    {word} {verb}{ending}(self, **arguments: Unpack[{arguments}Call]) -> {result}: ...\n"
            )
    return lines


def is_paginated(operation: dict[str, Any]) -> bool:
    """As `Operation.is_paginated` of the client."""
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    return operation.get("shape") in ("array", "page") and {"limit", "offset"} <= names


def answer_of(operation: dict[str, Any]) -> str:
    kind = operation.get("response")
    name = "Anything" if kind in (None, "object", "any") else python(kind, set())
    match operation.get("shape", "object"):
        case "array" | "page":
            return f"List[{name}]"
        case "text":
            return "str"
        case "empty":
            return "None"
        case _:
            return name


def reachable(types: dict[str, dict[str, str]], kinds: list[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(kinds)
    while waiting:
        name = waiting.pop().strip("?[]{}")
        if name in types and name not in found:
            found.add(name)
            waiting.extend(types[name].values())
    return found


def python(kind: str, answered: set[str]) -> str:
    """A type of the table; with `answered`, in a request, where some names are those of answers."""
    if kind.endswith("?"):
        inner = python(kind[:-1], answered)
        return inner if inner == "Any" else f"{inner} | None"
    if kind.startswith("["):
        return f"list[{python(kind[1:-1], answered)}]"
    if kind.startswith("{"):
        return f"dict[str, {python(kind[1:-1], answered)}]"
    if kind.startswith("'"):
        return "str"
    return WORDS.get(kind) or (f"{kind}Input" if kind in answered else kind)


def arguments_name(operation: dict[str, Any]) -> str:
    return f"{operation['id'][:1].upper()}{operation['id'][1:]}Arguments"


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def good(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


REPLACING = {
    "UpdateUser": "ReplaceUserMetadata",
    "UpdateOrganization": "ReplaceOrganizationMetadata",
}
COMPUTED = {"User": ("primary_email_address", "primary_phone_number")}
WORDS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "time": "int",
    "object": "dict[str, Any]",
    "any": "Any",
    "file": "File",
}

if __name__ == "__main__":
    sys.exit(main())
