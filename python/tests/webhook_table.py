"""The vectors of webhooks, for whoever runs them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[2] / "vectors" / "webhook"
FILES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "schema")

#: A secret for tests of what the vectors do not say.
SECRET = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw="


class Case(NamedTuple):
    name: str
    secrets: list[str]
    head: list[tuple[bytes, bytes]]
    body: bytes
    now: float
    expect: str
    message: dict[str, Any]

    @property
    def is_sayable(self) -> bool:
        """Whether it gets through a server: a line break or a zero byte in a header does not."""
        return not any(byte in value for _, value in self.head for byte in b"\r\n\0")

    @property
    def has_repetition(self) -> bool:
        names = [name.lower() for name, _ in self.head]
        return len(set(names)) < len(names)


@cache
def cases(name: str) -> list[Case]:
    return list(_read(name))


def every_case() -> list[Case]:
    return [case for name in FILES for case in cases(name)]


def _read(name: str) -> Iterator[Case]:
    file = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    for case in file["cases"]:
        encoded = case.get("body_base64")
        yield Case(
            f"{name}: {case['name']}",
            case.get("secrets", file["secrets"]),
            [
                (name.encode("latin-1"), expand(value).encode("latin-1"))
                for name, value in case["head"]
            ],
            expand(case["body"]).encode() if encoded is None else base64.b64decode(encoded),
            case.get("now", file["now"]),
            case["expect"],
            case.get("message", {}),
        )


def expand(text: Any) -> str:
    """A text, however it is written down."""
    if isinstance(text, str):
        return text
    return str(text["prefix"] + text["repeat"] * text["times"] + text["suffix"])
