"""An identity provider on loopback: metadata, keys, and tokens signed with them."""

import base64
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AUDIENCE = "https://incidents.example.com/mcp"
METADATA = "/.well-known/openid-configuration"
OAUTH_METADATA = "/.well-known/oauth-authorization-server"
KEYS = "/keys"


class SigningKey:
    """A key pair, made for one algorithm."""

    def __init__(self, kid: str, algorithm: str = "ES256") -> None:
        self.kid = kid
        self.algorithm = algorithm
        if algorithm[:2] in ("RS", "PS"):
            self.private: Any = rsa.generate_private_key(65537, 2048)
        elif algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half, as it is published."""
        implementation = jwt.get_algorithm_by_name(self.algorithm)
        public = implementation.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "use": "sig"}

    @property
    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, claims: dict[str, Any], headers: dict[str, Any]) -> str:
        """Sign, even what a library would not sign."""
        unsigned = f"{encode(headers)}.{encode(claims)}"
        signature = jwt.get_algorithm_by_name(self.algorithm).sign(unsigned.encode(), self.private)
        return f"{unsigned}.{base64url(signature)}"


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def encode(part: Any) -> str:
    return base64url(json.dumps(part).encode())


class IdentityProvider:
    """What a team's identity provider serves.

    Attributes:
        url: Its address.
        issuer: The same, as tokens name it.
        keys: The keys that are published; the last one signs.
        answers: Answers that replace the regular ones, by path: status, headers, body.
        requested: The paths that were requested.
    """

    def __init__(self) -> None:
        self.keys = [SigningKey("key-1")]
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.requested: list[str] = []
        self.hanging = threading.Event()
        """Set while a request hangs."""
        self._resumed = threading.Event()
        self._seconds = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # clients may leave early
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def key(self) -> SigningKey:
        return self.keys[-1]

    def token(self, *, signed_by: SigningKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token; a claim or header of None is left out."""
        key = signed_by or self.key
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": AUDIENCE, "sub": "user-1", "iat": now, "exp": now + 300}
        headers = {"typ": "at+jwt", "alg": key.algorithm, "kid": key.kid, **(header or {})}
        return key.sign(_set({**usual, "roles": ["responder"], **claims}), _set(headers))

    def rotate(self, algorithm: str = "ES256", *, keep: bool = True) -> SigningKey:
        """Sign with a new key from now on; the old ones stay published, or not."""
        new = SigningKey(f"key-{len(self.keys) + 1}-{algorithm}", algorithm)
        self.keys = [*(self.keys if keep else []), new]
        return new

    def hang(self, seconds: float) -> None:
        """Let every answer take this long, or until `resume`."""
        self._resumed.clear()
        self._seconds = seconds

    def resume(self) -> None:
        self._seconds = 0.0
        self._resumed.set()

    def close(self) -> None:
        self.resume()
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)

    def _answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path in self.answers:
            return self.answers[path]
        documents: dict[str, Any] = {
            METADATA: {"issuer": self.issuer, "jwks_uri": self.url + KEYS},
            KEYS: {"keys": [key.jwk for key in self.keys]},
        }
        return (200, {}, json.dumps(documents[path]).encode()) if path in documents else (404, {}, b"{}")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.requested.append(self.path)
                if provider._seconds:
                    provider.hanging.set()
                    provider._resumed.wait(provider._seconds)
                status, headers, body = provider._answer(self.path)
                with suppress(OSError):
                    self.send_response(status)
                    for name, value in {"Content-Length": str(len(body)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *_: Any) -> None:  # noqa: A002  # the base class's name
                del format

        return Handler


def _set(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def identity_provider() -> Generator[IdentityProvider]:
    """Run an identity provider until the end of the block."""
    provider = IdentityProvider()
    try:
        yield provider
    finally:
        provider.close()
