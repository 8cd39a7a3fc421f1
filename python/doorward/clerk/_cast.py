"""`typing.cast` without `typing`, which is a large import for what only a type checker reads."""

from __future__ import annotations

__all__ = ["cast"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import cast
else:

    def cast(kind: object, value: object) -> object:
        """The value."""
        return value
