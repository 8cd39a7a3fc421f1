"""The types of requests and answers, for type checkers: `types.pyi`, made from the table.

    from typing import TYPE_CHECKING
    if TYPE_CHECKING:
        from doorward.clerk.types import User

Answers are `doorward.clerk.Object` and `doorward.clerk.List` when the program runs.
"""
