"""What may be wrong with a token.

Written from `defect.rs` by `UPDATE_DOCS=1 pytest python/tests/test_testing_defects.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, get_args

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .mint import Mint

Defect = Literal[
    "expired",
    "not_yet_valid",
    "issued_in_future",
    "wrong_key",
    "unknown_kid",
    "no_kid",
    "wrong_iss",
    "wrong_aud",
    "wrong_azp",
    "no_azp",
    "alg_none",
    "hmac_with_public_key",
    "no_exp",
    "no_sub",
    "pending",
    "string_exp",
    "bad_signature",
    "truncated",
    "crit_unknown",
    "embedded_jwk",
    "logout_typ",
    "duplicate_claim",
    "junk",
    "revoked",
]

DEFECTS: tuple[Defect, ...] = get_args(Defect)


class Defects:
    """A method for every defect. Its token is right but for that."""

    def __call__(self, **spec: Unpack[Mint]) -> str:
        raise NotImplementedError

    def _spoiled(self, defect: Defect, spec: Mint) -> str:
        if "defect" in spec:
            raise TypeError(f"{defect}() has its defect already")
        return self(**cast("Mint", {**spec, "defect": defect}))

    def expired(self, **spec: Unpack[Mint]) -> str:
        """It ran out an hour ago."""
        return self._spoiled("expired", spec)

    def not_yet_valid(self, **spec: Unpack[Mint]) -> str:
        """`nbf` is an hour ahead."""
        return self._spoiled("not_yet_valid", spec)

    def issued_in_future(self, **spec: Unpack[Mint]) -> str:
        """`iat` is an hour ahead, and there is no `nbf` to say so first."""
        return self._spoiled("issued_in_future", spec)

    def wrong_key(self, **spec: Unpack[Mint]) -> str:
        """Signed by a stranger's key under a published `kid`."""
        return self._spoiled("wrong_key", spec)

    def unknown_kid(self, **spec: Unpack[Mint]) -> str:
        """Signed by the right key under a `kid` nobody published."""
        return self._spoiled("unknown_kid", spec)

    def no_kid(self, **spec: Unpack[Mint]) -> str:
        """No `kid` in the header."""
        return self._spoiled("no_kid", spec)

    def wrong_iss(self, **spec: Unpack[Mint]) -> str:
        """Another issuer in `iss`."""
        return self._spoiled("wrong_iss", spec)

    def wrong_aud(self, **spec: Unpack[Mint]) -> str:
        """Another audience in `aud`."""
        return self._spoiled("wrong_aud", spec)

    def wrong_azp(self, **spec: Unpack[Mint]) -> str:
        """Another party in `azp`."""
        return self._spoiled("wrong_azp", spec)

    def no_azp(self, **spec: Unpack[Mint]) -> str:
        """No `azp`."""
        return self._spoiled("no_azp", spec)

    def alg_none(self, **spec: Unpack[Mint]) -> str:
        """`alg: none`, and no signature (RFC 8725 §2.1)."""
        return self._spoiled("alg_none", spec)

    def hmac_with_public_key(self, **spec: Unpack[Mint]) -> str:
        """`alg: HS256`, keyed with the public key's PEM, as an attacker who knows only that would
        (RFC 8725 §2.1).
        """
        return self._spoiled("hmac_with_public_key", spec)

    def no_exp(self, **spec: Unpack[Mint]) -> str:
        """No `exp`: it would be valid for ever."""
        return self._spoiled("no_exp", spec)

    def no_sub(self, **spec: Unpack[Mint]) -> str:
        """No `sub`."""
        return self._spoiled("no_sub", spec)

    def pending(self, **spec: Unpack[Mint]) -> str:
        """A session that still has a task to do (`sts: pending`)."""
        return self._spoiled("pending", spec)

    def string_exp(self, **spec: Unpack[Mint]) -> str:
        """`exp` is a string of digits, not a number (RFC 7519 §2)."""
        return self._spoiled("string_exp", spec)

    def bad_signature(self, **spec: Unpack[Mint]) -> str:
        """One bit of the signature is flipped."""
        return self._spoiled("bad_signature", spec)

    def truncated(self, **spec: Unpack[Mint]) -> str:
        """The end of the signature is missing, as after a cookie that was too long."""
        return self._spoiled("truncated", spec)

    def crit_unknown(self, **spec: Unpack[Mint]) -> str:
        """A critical header extension nobody knows (RFC 7515 §4.1.11)."""
        return self._spoiled("crit_unknown", spec)

    def embedded_jwk(self, **spec: Unpack[Mint]) -> str:
        """A stranger's key in the header's `jwk`, which verifies the token for whoever believes it
        (RFC 7515 §4.1.3).
        """
        return self._spoiled("embedded_jwk", spec)

    def logout_typ(self, **spec: Unpack[Mint]) -> str:
        """A logout token's `typ`: rightly signed and meant for another purpose (RFC 8725 §3.11)."""
        return self._spoiled("logout_typ", spec)

    def duplicate_claim(self, **spec: Unpack[Mint]) -> str:
        """`sub` twice, the first one an administrator's (RFC 7519 §4)."""
        return self._spoiled("duplicate_claim", spec)

    def junk(self, **spec: Unpack[Mint]) -> str:
        """Three parts, none of which is base64url."""
        return self._spoiled("junk", spec)

    def revoked(self, **spec: Unpack[Mint]) -> str:
        """The issuer revoked it, which only those learn who ask the issuer."""
        return self._spoiled("revoked", spec)
