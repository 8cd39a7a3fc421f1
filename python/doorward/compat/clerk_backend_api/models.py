"""The original's exceptions. An answer is `doorward.clerk.Object`, and requests are mappings."""

from doorward.clerk import ClerkAnswerError, ClerkError

#: All of them.
ClerkBaseError = ClerkError
#: The API answered with its list of errors.
ClerkErrors = ClerkAnswerError
#: As the original's, and here also what has no answer at all. It catches `ClerkErrors` too: the
#: original raises one or the other for the same answer, by whether its specification lists it.
SDKError = ClerkError

__all__ = ["ClerkBaseError", "ClerkErrors", "SDKError"]
