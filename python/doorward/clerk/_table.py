"""The table of operations, of which as much is read as is asked for."""

from __future__ import annotations

from doorward._doorward import clerk_operations, clerk_resources, clerk_type

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
    """The operations of each resource and the fields of each type, read when asked for."""

    def __init__(self) -> None:
        #: The names of the resources.
        self.resources = clerk_resources()
        self._operations: dict[str, dict[str, Operation]] = {}
        self._fields: dict[str, Mapping[str, str]] = {}

    def verbs(self, resource: str) -> dict[str, Operation] | None:
        """Verb -> operation, aliases too; None for what is no resource."""
        known = self._operations.get(resource)
        if known is None and resource in self.resources:
            import json

            known = {}
            for row in json.loads(clerk_operations(resource)):
                operation = Operation(row)
                for name in operation.names:
                    known[name] = operation
            self._operations[resource] = known
        return known

    def fields(self, kind: str) -> Mapping[str, str]:
        """Field -> type; none for a type that is not in the table."""
        known = self._fields.get(kind)
        if known is None:
            found = clerk_type(kind)
            known = {name.removesuffix("?"): of for name, of in found or ()}
            if found is not None:
                self._fields[kind] = known
        return known


def table() -> Table:
    """The table of this version."""
    global _table
    if _table is None:
        _table = Table()
    return _table


_table: Table | None = None
