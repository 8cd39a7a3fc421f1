"""What another site makes a browser send: requests that carry the session cookie as ours do.

A token in an Authorization header needs no such check, for a page of another site cannot write one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ._reason import Reason

if TYPE_CHECKING:
    from ._authenticator import Authenticator
    from ._rejection import Rejection

#: RFC 9110 §9.2.1: methods that change nothing, so that whoever sends them gains nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def cross_origin(auth: Authenticator, head: Mapping[str, Any]) -> Rejection | None:
    """Why a request with good credentials is refused all the same: its method may change something,
    the credentials came by cookie, and no page of ours sent it.

    `head` is an ASGI scope or a WSGI environ. The browser says where the page is from: in
    `Sec-Fetch-Site`, which pages cannot write (Fetch Metadata §2.3), or in `Origin` (RFC 6454
    §7.3). Whoever says neither is no browser. A websocket's handshake under ASGI has rules of its
    own; under WSGI it is a `GET` that is judged like a method that changes something.
    """
    method = head.get("method") or head.get("REQUEST_METHOD")
    if method is None or (method in SAFE and "HTTP_UPGRADE" not in head):
        return None
    if auth.place(head) != "cookie":
        return None
    origins, sites = _fields(head, "origin"), _fields(head, "sec-fetch-site")
    if len(origins) == 1 and origins[0] in auth.authorized_parties:
        return None
    if sites:
        if set(sites) <= _OWN_SITES:
            return None
    elif not origins or (
        len(origins) == 1 and is_same_host(origins[0], _fields(head, "host"), is_encrypted(head))
    ):
        return None
    origin = ", ".join(ascii(one[:_TOLD]) for one in origins) or "none"
    return auth.refusal(
        Reason.CROSS_ORIGIN.value, f"the session cookie came with a {method} from origin {origin}"
    )


def is_same_host(origin: str, hosts: list[str], encrypted: bool) -> bool:
    """Whether the page of that origin is this host's own."""
    try:
        page = urlsplit(origin)
    except ValueError:
        return False
    # Where the connection is encrypted a page must be too: whoever can forge one in plain http
    # has no business with our cookies.
    schemes = ("https",) if encrypted else ("https", "http")
    if page.scheme not in schemes or not page.netloc or len(hosts) != 1:
        return False
    port = ":443" if page.scheme == "https" else ":80"
    host = page.netloc.lower().removesuffix(port)
    return (
        origin.lower() == f"{page.scheme}://{page.netloc}".lower()
        and hosts[0].lower().removesuffix(port) == host
    )


def is_encrypted(head: Mapping[str, Any]) -> bool:
    """Whether the server says so. Behind a proxy it may not know."""
    return (head.get("scheme") or head.get("wsgi.url_scheme")) in ("https", "wss")


def _fields(head: Mapping[str, Any], name: str) -> list[str]:
    """The values of a header field."""
    headers = head.get("headers")
    if headers is None:
        value = head.get("HTTP_" + name.upper().replace("-", "_"))
        return [] if value is None else [value]
    wanted = name.encode()
    return [value.decode("latin-1") for field, value in headers if field.lower() == wanted]


#: A page of ours, or the user: a bookmark, the address bar.
_OWN_SITES = frozenset({"same-origin", "none"})
#: Characters of a stranger's text in the log.
_TOLD = 200
