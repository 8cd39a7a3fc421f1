"""`doorward.testing` knows every defect the issuer can make, and what each is."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path

import pytest

from doorward import Rejection
from doorward.testing import DEFECTS, DevIssuer, Minter

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "crates" / "doorward-issuer" / "src" / "defect.rs"
MODULE = ROOT / "python" / "doorward" / "testing" / "_defects.py"
COMMAND = "UPDATE_DOCS=1 pytest python/tests/test_testing_defects.py"
HEAD = f'''"""What may be wrong with a token.

Written from `defect.rs` by `{COMMAND}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, get_args

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .mint import Mint

Defect = Literal[
'''
MIDDLE = ''']

DEFECTS: tuple[Defect, ...] = get_args(Defect)


class Defects:
    """A method for every defect. Its token is right but for that."""

    def __call__(self, **spec: Unpack[Mint]) -> str:
        raise NotImplementedError

    def _spoiled(self, defect: Defect, spec: Mint) -> str:
        if "defect" in spec:
            raise TypeError(f"{defect}() has its defect already")
        return self(**cast("Mint", {**spec, "defect": defect}))
'''


def declared() -> dict[str, str]:
    """Name and documentation of every defect, as the issuer declares them."""
    found = re.findall(r'((?:    /// .+\n)+)    \w+ => "(\w+)",', SOURCE.read_text("utf-8"))
    return {name: " ".join(re.findall(r"/// (.+)", doc)) for doc, name in found}


def rendered() -> str:
    names = "".join(f'    "{name}",\n' for name in declared())
    methods = "".join(method(name, doc) for name, doc in declared().items())
    return HEAD + names + MIDDLE + methods


def method(name: str, doc: str) -> str:
    body = textwrap.wrap(doc, 89)
    quoted = body[0] if len(body) == 1 else "\n        ".join([*body, ""])
    return (
        f"\n    def {name}(self, **spec: Unpack[Mint]) -> str:\n"
        f'        """{quoted}"""\n'
        f'        return self._spoiled("{name}", spec)\n'
    )


def test_the_module_is_up_to_date() -> None:
    if os.environ.get("UPDATE_DOCS") == "1":
        MODULE.write_text(rendered(), encoding="utf-8")
    assert MODULE.read_text(encoding="utf-8") == rendered()


def test_the_engine_knows_the_same_defects() -> None:
    """An unknown one is answered with all that are known."""
    with pytest.raises(ValueError, match="unknown variant") as refused:
        DevIssuer().mint(defect="no_such_defect")  # type: ignore[typeddict-item]
    known = re.findall(r"`(\w+)`", str(refused.value))[1:]
    assert tuple(known) == DEFECTS


def test_nothing_of_the_minter_hides_a_defect() -> None:
    own = set(vars(Minter)) - set(vars(object))
    assert not own & set(DEFECTS)


#: What does no harm to a door for Clerk: it takes any audience, one key needs no name, and nobody
#: is asked whether a JWT was revoked.
HARMLESS = {"no_kid", "wrong_aud", "revoked"}


@pytest.fixture(scope="module")
def issuer() -> DevIssuer:
    return DevIssuer()


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_method_spoils_one_thing(issuer: DevIssuer, defect: str) -> None:
    auth = issuer.authenticator()
    spoiled = getattr(issuer.mint, defect)(sub="user_1")
    if defect in HARMLESS:
        assert auth.verify(spoiled).subject == "user_1"
    else:
        with pytest.raises(Rejection) as refused:
            auth.verify(spoiled)
        assert refused.value.status == 401
    assert auth.verify(issuer.mint(sub="user_1")).subject == "user_1"


def test_a_defect_has_no_second_one(issuer: DevIssuer) -> None:
    with pytest.raises(TypeError, match=r"^expired\(\) has its defect already$"):
        issuer.mint.expired(defect="no_sub")
