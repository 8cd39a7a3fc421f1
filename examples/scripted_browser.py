#!/usr/bin/env python3
"""A browser without a window: follows links, keeps cookies, presses the button that it is told to.

`scripted_browser.py URL` signs in where it is led and says yes; it can stand in `$BROWSER`. With
BROWSER_DECISION=deny it says no. It needs nothing but Python's standard library.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from http.client import HTTPMessage
from http.cookiejar import CookieJar
from typing import IO
from urllib.parse import urlencode, urljoin, urlsplit

MAX_STEPS = 20


class Page(HTMLParser):
    """The one form of a page, or where the page goes on to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.decisions: list[str] = []
        self.onward = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = values.get("action", "")
        elif tag == "input" and "name" in values:
            self.fields[values["name"]] = values.get("value", "")
        elif tag == "button" and values.get("name") == "decision":
            self.decisions.append(values["value"])
        elif tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.onward = values["content"].partition("url=")[2]


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


@dataclass
class Visit:
    """One step: what was asked for, and what came."""

    method: str
    url: str
    status: int
    title: str = ""


@dataclass
class Browser:
    """Cookies, and where they were used."""

    visits: list[Visit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            NoRedirects,
            urllib.request.HTTPCookieProcessor(CookieJar()),
        )

    def open(self, url: str, decision: str = "allow") -> Visit:
        """Goes where it is led, and ends where there is no button to press."""
        site, data = "none", None
        for _ in range(MAX_STEPS):
            text, location = self._ask(url, data, site)
            page, data = Page(text), None
            if location or page.onward:
                url, site = urljoin(url, location or page.onward), "cross-site"
            elif decision in page.decisions:
                url, site = urljoin(url, page.action), "same-origin"
                data = urlencode({**page.fields, "decision": decision}).encode()
            else:
                return self.visits[-1]
        raise RuntimeError(f"led on and on, last to {url}")

    def _ask(self, url: str, data: bytes | None, site: str) -> tuple[str, str]:
        headers = {
            "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
            "accept-language": "en",
            "sec-fetch-site": site,
            "sec-fetch-mode": "navigate",
        }
        if data is not None:
            headers["origin"] = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        request = urllib.request.Request(url, data, headers)
        try:
            response = self.opener.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            text = response.read(1_000_000).decode(errors="replace")
            location = response.headers.get("location", "")
        title = text.partition("<title>")[2].partition("</title>")[0]
        self.visits.append(Visit(request.get_method(), url, response.status, unescape(title)))
        return text, location


def main() -> int:
    last = Browser().open(sys.argv[1], os.environ.get("BROWSER_DECISION", "allow"))
    return 0 if last.status < 400 else 1


if __name__ == "__main__":
    sys.exit(main())
