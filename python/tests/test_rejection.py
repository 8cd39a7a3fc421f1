"""A refusal as an exception."""

from __future__ import annotations

import copy
import pickle

import pytest
from support import NOW, Clock, Signer, bearer, code

from doorward import Authenticator, Reason, Rejection


def refusal(auth: Authenticator, head: object) -> Rejection:
    with pytest.raises(Rejection) as caught:
        auth.authenticate_blocking(head)
    return caught.value


def test_absent_credentials_get_a_bare_challenge(auth: Authenticator) -> None:
    rejection = refusal(auth, {})
    assert rejection.reason is Reason.CREDENTIALS_MISSING
    assert rejection.absent
    assert rejection.status == 401
    assert dict(rejection.headers)["www-authenticate"] == "Bearer"
    assert code(rejection.body) == "credentials_missing"


def test_bad_credentials_say_why(auth: Authenticator, keys: Signer) -> None:
    rejection = refusal(auth, bearer(keys.session(exp=NOW - 60)))
    assert rejection.reason is Reason.TOKEN_EXPIRED
    assert not rejection.absent
    assert 'error="invalid_token"' in dict(rejection.headers)["www-authenticate"]
    assert rejection.hint
    # The caller gets the code, the operator's log gets the rest.
    assert rejection.detail
    assert rejection.detail.encode() not in rejection.body


def test_survives_pickle_and_copy(auth: Authenticator) -> None:
    rejection = refusal(auth, {})
    for twin in (pickle.loads(pickle.dumps(rejection)), copy.copy(rejection)):
        assert type(twin) is Rejection
        assert vars(twin) == vars(rejection)
        assert str(twin) == str(rejection)


def test_never_repeats_the_token(auth: Authenticator, keys: Signer, clock: Clock) -> None:
    token = keys.session(azp="https://evil.example")
    rejection = refusal(auth, bearer(token))
    assert rejection.reason is Reason.PARTY_MISMATCH
    signature = token.rpartition(".")[2]
    for text in (str(rejection), repr(rejection), rejection.detail, rejection.hint):
        assert signature not in text
