"""Small servers on loopback, for what happens below HTTP: proxies, TLS, and answers that are none."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[socket.socket], None]


@dataclass
class Listening:
    """A server, and what reached it."""

    port: int
    received: list[bytes] = field(default_factory=list[bytes])
    """The first bytes of each connection."""


@contextmanager
def listening(handler: Handler, host: str = "127.0.0.1") -> Generator[Listening]:
    """Serve each connection with a handler, in a thread, until the end of the block."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        listening = Listening(server.getsockname()[1])

        def serve(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError, ssl.SSLError):
                connection.settimeout(5)
                listening.received.append(connection.recv(1, socket.MSG_PEEK))
                handler(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listening
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join(5)


def read_head(connection: socket.socket) -> bytes:
    """Read a request's head."""
    head = b""
    while b"\r\n\r\n" not in head and (more := connection.recv(4096)):
        head += more
    return head


def answering(answer: bytes) -> Handler:
    """Read a request's head, answer these bytes and close."""

    def answer_(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer)

    return answer_


def tunnelling(then: Handler) -> Handler:
    """Open a tunnel as a proxy does, and serve what comes through it."""

    def tunnel(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        then(connection)

    return tunnel


def speaking_tls(context: ssl.SSLContext, then: Handler) -> Handler:
    """Serve the inside of TLS."""

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            then(wrapped)

    return serve


@dataclass
class Authority:
    """A certificate authority that nobody trusts."""

    folder: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the tests")])
        basic = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._builder(self._name, self._key).add_extension(basic, critical=True)
        self.file = self.folder / "authority.pem"
        self.file.write_bytes(self._signed(certificate))

    def context(self, name: str, *, days: int = 1) -> ssl.SSLContext:
        """Make a server's context with a certificate for a name that ends in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            alternative: x509.GeneralName = x509.IPAddress(ip_address(name))
        except ValueError:
            alternative = x509.DNSName(name)
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, days)
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        file = self.folder / f"{name}{days}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + self._signed(builder))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 1) -> x509.CertificateBuilder:
        ends = datetime.now(UTC) + timedelta(days=days)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(ends - timedelta(days=9))
            .not_valid_after(ends)
        )

    def _signed(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
