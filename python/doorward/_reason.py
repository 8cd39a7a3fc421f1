"""Why a request was refused. Written by `UPDATE_DOCS=1 pytest python/tests/test_reason.py`."""

from enum import Enum


class Reason(str, Enum):
    """The closed table of refusals.

    Each member is its own code: `Reason.TOKEN_EXPIRED == "token_expired"`, also in `str()`, in an
    f-string and in JSON. The number in front of each sentence is the HTTP status it becomes.
    """

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]

    CREDENTIALS_MISSING = "credentials_missing"
    """401. The request carries no credentials."""

    MULTIPLE_CREDENTIALS = "multiple_credentials"
    """400. The request carries more than one Authorization header."""

    AUTHORIZATION_MALFORMED = "authorization_malformed"
    """400. The Authorization header is not `Bearer` followed by one token."""

    CALL_MALFORMED = "call_malformed"
    """400. The request's body is no JSON-RPC message that is read in one way only."""

    TOKEN_TOO_LARGE = "token_too_large"
    """401. The token is larger than this API reads."""

    TOKEN_MALFORMED = "token_malformed"
    """401. The token is neither three base64url segments nor an opaque token this API knows."""

    TOKEN_ENCRYPTED = "token_encrypted"
    """401. The token is encrypted (JWE), and this API reads signed tokens only."""

    ENCODING_INVALID = "encoding_invalid"
    """401. A segment of the token is not canonical base64url."""

    HEADER_MALFORMED = "header_malformed"
    """401. The token's header is not a valid JOSE header."""

    HEADER_UNSUPPORTED = "header_unsupported"
    """401. The token's header demands an extension this API does not support."""

    EMBEDDED_KEY = "embedded_key"
    """401. The token's header brings or names a key of its own, which is never trusted."""

    CLAIMS_MALFORMED = "claims_malformed"
    """401. The token's payload is not a JSON object of claims."""

    CLAIM_MISSING = "claim_missing"
    """401. The token lacks a claim this API requires."""

    CLAIM_MALFORMED = "claim_malformed"
    """401. A claim of the token has a wrong type or an impossible value."""

    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    """401. The token is signed with an algorithm this API does not allow."""

    ISSUER_UNKNOWN = "issuer_unknown"
    """401. The token's issuer is not one this API trusts."""

    TOKEN_KIND_UNKNOWN = "token_kind_unknown"
    """401. The token is of a kind this API does not know."""

    TOKEN_KIND_NOT_ACCEPTED = "token_kind_not_accepted"
    """401. The token is of a kind this route does not accept."""

    KEY_UNKNOWN = "key_unknown"
    """401. The token names a signing key that the issuer does not publish."""

    KEY_UNSUITABLE = "key_unsuitable"
    """401. The token's algorithm does not fit the key it names."""

    SIGNATURE_INVALID = "signature_invalid"
    """401. The token's signature does not verify."""

    TOKEN_INVALID = "token_invalid"
    """401. The issuer does not know the token, or no longer."""

    TOKEN_REVOKED = "token_revoked"
    """401. The token was revoked."""

    TOKEN_EXPIRED = "token_expired"
    """401. The token has expired."""

    TOKEN_NOT_YET_VALID = "token_not_yet_valid"
    """401. The token is not valid yet."""

    TOKEN_ISSUED_IN_FUTURE = "token_issued_in_future"
    """401. The token was issued in the future."""

    AUDIENCE_MISSING = "audience_missing"
    """401. The token names no audience, and this API demands its own."""

    AUDIENCE_MISMATCH = "audience_mismatch"
    """401. The token is meant for another audience."""

    CLIENT_MISMATCH = "client_mismatch"
    """401. The token names no audience, and was made for a client that this API does not know."""

    PARTY_MISSING = "party_missing"
    """401. The token does not say for which origin it was made (`azp`)."""

    PARTY_MISMATCH = "party_mismatch"
    """401. The token was made for an origin that is not an authorized party."""

    SESSION_PENDING = "session_pending"
    """401. The session has tasks left to finish and is not signed in yet."""

    SENDER_CONSTRAINED = "sender_constrained"
    """401. The token is bound to a key of its sender (`cnf`), and no proof of it is verified here."""

    KEYS_UNAVAILABLE = "keys_unavailable"
    """503. The issuer's keys are out of reach at the moment."""

    VERIFICATION_UNAVAILABLE = "verification_unavailable"
    """503. This token cannot be verified at the moment."""

    INSUFFICIENT_SCOPE = "insufficient_scope"
    """403. The token lacks a scope this route demands."""

    ROLE_REQUIRED = "role_required"
    """403. The caller does not have the role this route demands."""

    PERMISSION_REQUIRED = "permission_required"
    """403. The caller does not have the permission this route demands."""

    FEATURE_REQUIRED = "feature_required"
    """403. The caller's plan does not have the feature this route demands."""

    PLAN_REQUIRED = "plan_required"
    """403. The caller does not have the plan this route demands."""

    ORGANIZATION_REQUIRED = "organization_required"
    """403. The caller has no active organization, or another one than this route demands."""

    REVERIFICATION_REQUIRED = "reverification_required"
    """403. The caller must verify their identity again for this route."""

    IMPERSONATION_DENIED = "impersonation_denied"
    """403. This route is closed to impersonated sessions."""

    CROSS_ORIGIN = "cross_origin"
    """403. The session cookie came with a request that another site made the browser send."""


class WebhookReason(str, Enum):
    """The closed table of a webhook's refusals, in the order of the checks."""

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]

    BODY_TOO_LARGE = "body_too_large"
    """413. The body is larger than this endpoint reads."""

    BODY_UNREADABLE = "body_unreadable"
    """400. The body broke off or could not be read."""

    HEADERS_MISSING = "headers_missing"
    """400. A header of the signature is missing."""

    HEADERS_REPEATED = "headers_repeated"
    """400. A header of the signature is there more than once."""

    HEADERS_CONFLICT = "headers_conflict"
    """400. The `webhook-` headers and the `svix-` headers say different things."""

    ID_MALFORMED = "id_malformed"
    """400. The message's id is not one."""

    TIMESTAMP_MALFORMED = "timestamp_malformed"
    """400. The timestamp is not a whole number of seconds since 1970."""

    TIMESTAMP_TOO_OLD = "timestamp_too_old"
    """400. The message was signed too long ago."""

    TIMESTAMP_TOO_NEW = "timestamp_too_new"
    """400. The message was signed in the future."""

    SIGNATURES_MALFORMED = "signatures_malformed"
    """400. The list of signatures holds none that can be read, or too many."""

    SIGNATURE_MISMATCH = "signature_mismatch"
    """400. No signature in the list verifies."""

    PAYLOAD_MALFORMED = "payload_malformed"
    """400. The message is genuine, and its body is not what this endpoint reads."""
