"""The vectors that the engine reads in Rust, through the Python package: one test for each file.

`vectors/README.md` explains the files. A verifier that cannot be said in Python (`unsayable`) is
left to Rust; how many there are is written down, so that it does not grow unseen.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from doorward import ANY, Authenticator, ConfigError, Identity, Issuer, Policy, Reason, Rejection

FOLDER = Path(__file__).parents[2] / "vectors"
FILES = sorted(
    f"{folder}/{path.name}"
    for folder in ("jwt", "credential", "policy")
    for path in (FOLDER / folder).glob("*.json")
)
#: How many cases of all files are about a verifier that Python has no words for.
UNSAYABLE = 38

Json = dict[str, Any]


@pytest.mark.parametrize("path", FILES)
def test_file(path: str) -> None:
    file = read(path)
    wrong = [line for case in file["cases"] for line in differences(file, case)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_little_is_left_to_rust() -> None:
    cases = [(read(path), case) for path in FILES for case in read(path)["cases"]]
    assert len(cases) > 1600
    left = [case["name"] for file, case in cases if unsayable(setup(file, case), case)]
    assert len(left) == UNSAYABLE, left


def test_reasons_are_known() -> None:
    # What issuers say of opaque tokens is told to the engine in Rust, and asked of a server here.
    asked = [f"introspection/{path.name}" for path in (FOLDER / "introspection").glob("*.json")]
    codes = {case["expect"] for path in [*FILES, *asked] for case in read(path)["cases"]}
    assert codes - {"accept", "needs_keys", "needs_answer"} == {
        # What an adapter says: a verifier is not told where a request comes from.
        str(reason.value)
        for reason in Reason
        if reason not in (Reason.CROSS_ORIGIN, Reason.CALL_MALFORMED)
    }


def differences(file: Json, case: Json) -> Iterator[str]:
    """What is said otherwise than the case says."""
    verifier = setup(file, case)
    if unsayable(verifier, case):
        return
    found, identity = judge(file, case, verifier)
    if found != case["expect"]:
        yield f"{case['name']}: {found}, expected {case['expect']}"
    elif identity is not None:
        fields = spelled(identity)
        for name, value in case.get("identity", {}).items():
            if fields[name] != value:
                yield f"{case['name']}: {name} is {fields[name]!r}, expected {value!r}"


def judge(file: Json, case: Json, verifier: Json) -> tuple[str, Identity | None]:
    now = case.get("now", file["now"])
    try:
        auth = authenticator(verifier, case.get("keys"), now)
    except ConfigError:
        # Keys that are left out of a fetched set stop the start-up when they are given.
        return "key_unknown", None
    try:
        if "head" in case:
            fields = [
                (name.encode("latin-1"), fill(value, file).encode("latin-1"))
                for name, value in case["head"]
            ]
            identity = auth.authenticate_blocking({"type": "http", "headers": fields})
        else:
            identity = auth.verify(fill(expand(case["token"]), file))
        if "policy" in case:
            Policy(**case["policy"]).permit(identity)
    except Rejection as rejection:
        return rejection.reason.value, None
    return "accept", identity


def setup(file: Json, case: Json) -> Json:
    """The file's verifier with what the case changes."""
    overrides = dict(case.get("with", {}))
    first = overrides.pop("issuer", {})
    verifier = {**file["verifier"], **overrides}
    issuers = verifier["issuers"]
    return {**verifier, "issuers": [{**issuers[0], **first}, *issuers[1:]]}


def unsayable(verifier: Json, case: Json) -> bool:
    first = verifier["issuers"][0]
    clerk = first.get("decoder") == "clerk"
    return (
        "max_token_bytes" in verifier
        # Rules about `azp` beyond the default, and keys that stand for a name, are Clerk's.
        or (not clerk and rule(first) != ("require" if first.get("authorized_parties") else "off"))
        or first["issuer"] is None
        # Whoever accepts API keys says whom to ask about them.
        or "api_key" in (verifier.get("accepts") or ())
        # Nobody asks for a fact in Python, and a server that lacks one key is in another test.
        or case.get("keys") == "unknown"
        or case["expect"] == "needs_keys"
    )


def rule(issuer: Json) -> str:
    return str(issuer.get("azp", "off"))


def authenticator(verifier: Json, keys: Any, now: float) -> Authenticator:
    common = {
        "accepts": verifier.get("accepts"),
        "allow_pending": verifier.get("allow_pending", False),
        "clock": lambda: now,
        "scope_implies": verifier.get("scope_implies"),
    }
    first = verifier["issuers"][0]
    if first.get("decoder") == "clerk":
        return Authenticator.clerk(
            issuer=first["issuer"],
            jwt_key=first["keys"],
            audience=first["audience"] or ANY,
            authorized_parties=first["authorized_parties"],
            azp=rule(first),
            **common,
        )
    issuers = [issuer(one, keys) for one in verifier["issuers"]]
    return Authenticator(issuers, cookies=verifier.get("cookies", []), **common)


def issuer(one: Json, known: Any) -> Issuer:
    keys = one.get("keys")
    if keys is None and "shared_secret" not in one:
        # Published, and out of reach unless the case knows them.
        keys = known if isinstance(known, dict) else f"http://127.0.0.1:{closed_port()}/jwks"
    return Issuer(
        issuer=one["issuer"],
        audience=one["audience"] or ANY,
        keys=keys,
        shared_secret=one.get("shared_secret"),
        algorithms=one["algorithms"],
        authorized_parties=one.get("authorized_parties"),
        required_claims=one.get("required_claims"),
        token_types=one.get("token_types"),
        leeway=one.get("leeway"),
        clients_without_audience=one.get("clients_without_audience"),
        dangerously_accept_tokens_without_audience=one.get(
            "dangerously_accept_tokens_without_audience", False
        ),
    )


@cache
def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def spelled(identity: Identity) -> Json:
    """An identity, as the vectors spell it."""
    plain = (
        "kind subject issuer user_id session_id session_status client_id organization_id "
        "organization_slug role raw_role authorized_party token_id issued_at expires_at"
    )
    lists = "permissions scopes features plans audience flags"
    fields: Json = {name: getattr(identity, name) for name in plain.split()}
    fields |= {name: list(getattr(identity, name)) for name in lists.split()}
    words = {"subject": "sub", "issuer": "iss", "session_id": "sid", "kind": "type"}
    actor = identity.actor
    if actor is not None:
        actor = {name: actor.get(claim) for name, claim in words.items()}
    fields["actor"] = actor
    return fields


def expand(token: Any) -> str:
    """A token's text, however it is written down."""
    if isinstance(token, str):
        return token
    return str(token["prefix"] + token["repeat"] * token["times"] + token["suffix"])


def fill(text: str, file: Json) -> str:
    """Puts the file's tokens in the place of their names."""
    for name, token in file.get("tokens", {}).items():
        text = text.replace(f"<{name}>", expand(token))
    return text


@cache
def read(path: str) -> Json:
    content: Json = json.loads((FOLDER / path).read_text("utf-8"))
    return content
