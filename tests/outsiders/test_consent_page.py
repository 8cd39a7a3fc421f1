"""A person in Chromium reads the consent page, signs in, and lands where the client waits."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from chromium import Tab, opened
from mcp_server import ADA, SCOPES, Callback, Server, served

VERIFIER = "a-verifier-of-a-client-in-a-test-" * 2
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)
ALLOW = "button[value=allow]"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    command = shutil.which("chromium") or shutil.which("chromium-browser")
    assert command is not None, "there is no chromium; see scripts/tools"
    with opened(command, tmp_path / "profile") as tab:
        yield tab


def asking(server: Server, callback: Callback, name: str) -> tuple[str, str]:
    """A client, and where it sends people."""
    client_id = server.register(callback.url, client_name=name)
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": callback.url,
        "state": "mine",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "resource": server.mcp,
    }
    return client_id, f"{server.authorization_server}/authorize?{urlencode(asked)}"


def test_a_person_allows_signs_in_and_the_client_gets_tokens(server: Server, tab: Tab) -> None:
    with Callback() as callback:
        client_id, url = asking(server, callback, "A <b>notebook</b>")
        tab.look(1280, 900, "light")
        tab.go(url)
        tab.wait(f"document.querySelector('{ALLOW}') !== null")
        heading = "A <b>notebook</b> wants to use Doorward's sample tools"
        assert tab.read("document.querySelector('h1').innerText") == heading
        text = tab.read("document.body.innerText")
        for said in ("Know who you are", "Add numbers for you", "A program on this computer"):
            assert said in text
        # The style is applied, so its hash in the policy is right.
        assert (
            tab.read(f"getComputedStyle(document.querySelector('{ALLOW}')).borderRadius") == "12px"
        )
        tab.click(ALLOW)
        # The page in between goes on by itself, to another origin, where a form is to be filled in.
        tab.wait("document.querySelector('input[name=sub]') !== null")
        assert tab.read("location.origin") == server.issuer
        tab.click(ALLOW)
        answer = callback.answer()
        tab.wait("document.title === 'Done'")
    assert (answer["state"], answer["iss"]) == ("mine", server.authorization_server)
    assert tab.complaints == []
    redeemed = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": answer["code"],
        "redirect_uri": callback.url,
        "code_verifier": VERIFIER,
    }
    body = urlencode(redeemed).encode()
    with urlopen(f"{server.authorization_server}/token", body, timeout=10) as given:
        token = json.load(given)["access_token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (claims["sub"], claims["aud"]) == (ADA, server.mcp)
    assert claims["scope"].split() == SCOPES


def test_the_keyboard_is_enough_to_say_no(server: Server, tab: Tab) -> None:
    with Callback() as callback:
        _, url = asking(server, callback, "Notebook")
        tab.look(390, 844, "dark")
        tab.go(url)
        tab.wait(f"document.querySelector('{ALLOW}') !== null")
        tab.press("Tab", 9)
        assert tab.read("document.activeElement.value") == "deny"
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert tab.read(outline) == "solid", "the focus is seen"
        tab.press("Enter", 13, "\r")
        answer = callback.answer()
        tab.wait("document.title === 'Done'")
    assert answer["error"] == "access_denied"
    assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900), (320, 568)])
def test_everything_fits_and_can_be_read(
    server: Server, tab: Tab, tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    with Callback() as callback:
        _, url = asking(server, callback, "Pneumonoultramicroscopicsilicovolcanoconiosis" * 9)
        tab.look(width, height, scheme)
        tab.go(url)
        tab.wait(f"document.querySelector('{ALLOW}') !== null")
        assert tab.read("document.documentElement.scrollWidth") <= width
        # WCAG 2.2 §1.4.3, and §2.5.8 with room to spare.
        for selector in (
            "h1",
            ".origin",
            "h2",
            ".scopes li",
            ".warning",
            ".next",
            ALLOW,
            "summary",
        ):
            assert tab.read(CONTRAST % json.dumps(selector)) >= 4.5, selector
        assert tab.read(f"document.querySelector('{ALLOW}').offsetHeight") >= 44
        assert tab.read("document.querySelectorAll('main, h1, form').length") == 3
        folder = Path(os.environ.get("DOORWARD_PICTURES", tmp_path))
        tab.picture(folder / f"consent-{scheme}-{width}.png")


# The contrast of a thing's text to the nearest background that is not transparent.
CONTRAST = """(() => {
  let thing = document.querySelector(%s);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [red, green, blue] = parts(colour).map((part) => {
      part /= 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ink = light(getComputedStyle(thing).color);
  while (parts(getComputedStyle(thing).backgroundColor)[3] === 0) thing = thing.parentElement;
  const paper = light(getComputedStyle(thing).backgroundColor);
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
})()"""
