"""The table of operations, read when it is first asked for."""

from __future__ import annotations

from doorward._doorward import clerk_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["Operation", "Table", "table"]


class Operation:
    """One operation, and how it is called."""

    __slots__ = (
        "auth",
        "deprecated",
        "id",
        "items",
        "method",
        "names",
        "parameters",
        "path",
        "resource",
        "response",
        "shape",
        "verb",
    )

    def __init__(self, row: dict[str, Any]) -> None:
        self.id: str = row["id"]
        self.resource: str = row["resource"]
        self.verb: str = row["verb"]
        self.names: list[str] = [row["verb"], *row.get("aliases", ())]
        self.method: str = row["method"]
        self.path: str = row["path"]
        self.parameters: dict[str, dict[str, Any]] = {
            parameter["name"]: parameter for parameter in row.get("parameters", ())
        }
        self.shape: str = row.get("shape", "object")
        self.response: str | None = row.get("response")
        self.items: str | None = row.get("items")
        self.auth: str = row.get("auth", "secret")
        self.deprecated: bool = row.get("deprecated", False)

    @property
    def is_paginated(self) -> bool:
        """Whether it has pages, and so a walk through them."""
        return self.shape in ("array", "page") and {"limit", "offset"} <= self.parameters.keys()

    @property
    def document(self) -> str | None:
        """The parameter that is the whole body."""
        for name, parameter in self.parameters.items():
            if parameter["in"] == "document":
                return name
        return None


class Table:
    """All operations by resource, and the fields of all types."""

    def __init__(self, text: str) -> None:
        import json

        table = json.loads(text)
        self._types: dict[str, dict[str, str]] = table["types"]
        self._fields: dict[str, Mapping[str, str]] = {}
        self.version: str = table["version"]
        self.resources: dict[str, dict[str, Operation]] = {}
        self.operations: dict[str, Operation] = {}
        for row in table["operations"]:
            operation = Operation(row)
            self.operations[operation.id] = operation
            verbs = self.resources.setdefault(operation.resource, {})
            for name in operation.names:
                verbs[name] = operation

    def fields(self, kind: str) -> Mapping[str, str]:
        """Field -> type; none for a type that is not in the table."""
        known = self._fields.get(kind)
        if known is None:
            found = self._types.get(kind, {})
            known = {name.removesuffix("?"): of for name, of in found.items()}
            if kind in self._types:
                self._fields[kind] = known
        return known


def table() -> Table:
    """The table of this version."""
    global _table
    if _table is None:
        _table = Table(clerk_table())
    return _table


_table: Table | None = None
