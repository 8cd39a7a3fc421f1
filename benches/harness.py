"""What the benchmarks in Python share: a key, a token, a request, figures and their table."""

from __future__ import annotations

import base64
import json
import statistics
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

Row = dict[str, Any]

ISSUER = "https://clerk.example.com"
PARTY = "https://app.example.com"
KID = "ins_2bWQPFTSvvPmNZyqcCCdeYhXMKx"
PAYLOAD_BYTES = 900

#: A request as a browser sends it through a proxy: twelve fields, `authorization` last.
BROWSER = [
    (b"host", b"api.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"origin", PARTY.encode()),
    (b"referer", b"https://app.example.com/dashboard"),
    (b"sec-fetch-mode", b"cors"),
    (b"x-forwarded-for", b"192.0.2.7"),
    (b"x-forwarded-proto", b"https"),
    (b"x-request-id", b"0195f1c4-7d0e-7c3b-9c55-1f0c8d4c2a11"),
]


class Key:
    """A key of ours, for one run."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public = self._private.public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.pem = self.public.public_bytes(serialization.Encoding.PEM, form).decode()

    def jwks(self) -> dict[str, Any]:
        numbers = self.public.public_numbers()
        jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID}
        return {"keys": [{**jwk, "n": b64(numbers.n.to_bytes(256, "big")), "e": "AQAB"}]}

    def token(self, ttl: int = 3600) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        header = {"alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": KID, "typ": "JWT"}
        signed = f"{b64(compact(header))}.{b64(payload(ttl))}"
        signature = self._private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{b64(signature)}"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def payload(ttl: int) -> bytes:
    """The claims of a Clerk v2 session token, padded to 900 bytes."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "azp": PARTY,
        "email": "grace.hopper@example.com",
        "exp": now + ttl,
        "fea": "o:dashboard,o:impersonation,u:articles",
        "fva": [12, -1],
        "iat": now,
        "iss": ISSUER,
        "jti": "00000000b7d54b1f9c0a",
        "name": "Grace Hopper",
        "nbf": now - 10,
        "o": {
            "fpm": "3,2,0",
            "id": "org_2bWQPFTSvvPmNZyqcCCdeYhXMKx",
            "per": "read,manage",
            "rol": "admin",
            "slg": "navy",
        },
        "picture": "https://img.example.com/eyJ0eXBlIjoiZGVmYXVsdCIsImlpZCI6Imluc18yYldRUEZUU3YifQ",
        "pla": "o:enterprise",
        "public_metadata": {"note": "", "theme": "dark"},
        "sid": "sess_2bWQPFTSvvPmNZyqcCCdeYhXMKx",
        "sts": "active",
        "sub": "user_2bWQPFTSvvPmNZyqcCCdeYhXMKx",
        "v": 2,
    }
    claims["public_metadata"]["note"] = "x" * (PAYLOAD_BYTES - len(compact(claims)))
    assert len(compact(claims)) == PAYLOAD_BYTES
    return compact(claims)


def serve_jwks(jwks: dict[str, Any]) -> tuple[HTTPServer, str]:
    """A key set on the loopback interface, for the packages that can only fetch one."""
    body = compact(jwks)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/jwks.json"


def figure(section: str, id: str, name: str, base: str, samples: dict[str, list[float]]) -> Row:
    """The medians of one case, in µs; ratios are taken within each round."""
    pairs = list(zip(samples[id], samples[base], strict=True))
    return {
        "section": section,
        "id": id,
        "name": name,
        "base": base,
        "us": statistics.median(samples[id]),
        "minimum": min(samples[id]),
        "ratio": statistics.median(own / reference for own, reference in pairs),
        "over": statistics.median(own - reference for own, reference in pairs),
    }


def show(rows: list[Row]) -> None:
    section = None
    for row in rows:
        if row["section"] != section:
            section = row["section"]
            head = ("ms", "", "worst") if "ms" in row else ("µs", "x base", "+ base")
            print(f"\n{section:<52} {head[0]:>9} {head[1]:>8} {head[2]:>9}")
        if "ms" in row:
            figures = f"{row['ms']:>9.1f} {'':>8} {row['worst']:>9.1f}"
        else:
            figures = f"{row['us']:>9.2f} {row['ratio']:>8.2f} {row['over']:>+9.2f}"
        speed = f"  {row['per_second']:,.0f}/s ({row['speed']:.2f})" if "speed" in row else ""
        print(f"{row['name']:<52} {figures}{speed}")
    disturbed = [row["disturbed"] for row in rows if "disturbed" in row]
    if disturbed:
        share = statistics.mean(disturbed)
        print(f"\nOthers used the machine during {share:.0%} of the slices over HTTP.")
