"""What can go wrong with a call of the Backend API, as exceptions."""

from __future__ import annotations

from ._cast import cast
from ._objects import Object, error_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

    Kind: TypeAlias = Literal[
        "arguments",
        "refused",
        "unreachable",
        "interrupted",
        "timed_out",
        "throttled",
        "unreadable",
    ]

__all__ = ["ClerkAnswerError", "ClerkError"]


class ClerkError(Exception):
    """A call that has no answer that can be used.

    Its text has the operation, the status, and the API's codes and words; no id and no key.
    """

    #: `refused`: the API answered with a status that is not 2xx. `unreachable`: no connection,
    #: nothing was sent. `interrupted`: the connection broke on the way. `timed_out`: the deadline
    #: passed. `throttled`: our own limit, learned from a 429, leaves no room before the deadline.
    #: `unreadable`: the answer is a success and not JSON. `arguments`: they make no request.
    kind: Kind
    message: str
    #: The HTTP status; None without an answer.
    status_code: int | None
    #: The answer's header fields, names in lower case.
    headers: dict[str, str]
    #: The answer's body as text.
    body: str
    #: The API's list of errors: `code`, `message`, `long_message`, `meta`, `param_name`.
    errors: list[Object]
    #: By what Clerk's support finds the request.
    trace_id: str | None
    #: Seconds to wait, if the answer said so.
    retry_after: float | None
    #: How many times it was tried.
    attempts: int
    #: Whether the request may have taken effect although it failed.
    may_have_arrived: bool

    def __init__(
        self,
        message: str,
        *,
        kind: Kind = "refused",
        status_code: int | None = None,
        headers: dict[str, str] | None = None,
        body: str = "",
        errors: list[Object] | None = None,
        trace_id: str | None = None,
        retry_after: float | None = None,
        attempts: int = 0,
        may_have_arrived: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.status_code = status_code
        self.headers = headers or {}
        self.body = body
        self.errors = errors or []
        self.trace_id = trace_id
        self.retry_after = retry_after
        self.attempts = attempts
        self.may_have_arrived = may_have_arrived

    @property
    def code(self) -> str | None:
        """The first error's code, `form_identifier_exists`."""
        return self.errors[0].get("code") if self.errors else None

    def has_code(self, code: str) -> bool:
        """Whether one of the errors has this code."""
        return any(error.get("code") == code for error in self.errors)

    @property
    def data(self) -> Object:
        """The body as an object; its `errors` are `self.errors`."""
        import json

        try:
            body: Any = json.loads(self.body)
        except (ValueError, RecursionError):
            body = None
        return error_of(cast("dict[str, Any]", body) if isinstance(body, dict) else {"errors": []})

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.message,), self.__dict__)


class ClerkAnswerError(ClerkError):
    """The API answered with its list of errors."""


def failed(
    kind: Kind,
    message: str,
    answer: tuple[int, list[tuple[str, str]], bytes] | None,
    trace_id: str | None,
    retry_after: float | None,
    attempts: int,
    may_have_arrived: bool,
) -> ClerkError:
    """The exception for a failure of the engine's."""
    import json

    status_code, headers, raw = answer or (None, [], b"")
    body = raw.decode("utf-8", "replace")
    errors: list[Object] = []
    if kind == "refused":
        try:
            found: Any = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            listed = error_of(cast("dict[str, Any]", found)).get("errors")
            if isinstance(listed, list):
                errors = [error for error in cast("Any", listed) if isinstance(error, Object)]
    return (ClerkAnswerError if errors else ClerkError)(
        message,
        kind=kind,
        status_code=status_code,
        headers=dict(headers),
        body=body,
        errors=errors,
        trace_id=trace_id,
        retry_after=retry_after,
        attempts=attempts,
        may_have_arrived=may_have_arrived,
    )
