"""Fetching documents of an identity provider: from where, how much and how long."""

import socket

import pytest

from incident_mcp.transport import documents
from incident_mcp.transport.documents import DocumentError, fetch_document, is_fetchable
from tests.loopback import answering, listening, read_head

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "fetchable"),
    [
        ("https://idp.example.com/keys?version=2", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://[::1]/keys", True),
        ("http://localhost/keys", True),
        ("http://idp.example.com/keys", False),
        ("http://127.0.0.1.example.com/keys", False),
        ("https://user:word@idp.example.com", False),
        ("https://idp.example.com/#x", False),
        ("https://", False),
        ("https://idp.example.com:99999", False),
        ("https://[::1", False),
        ("https://a/\r\nX: y", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
async def test_only_https_and_this_machine_are_fetched(url, fetchable):
    assert is_fetchable(url) is fetchable
    if not fetchable:
        with pytest.raises(DocumentError):
            await fetch_document(url)


async def test_an_answer_that_trickles_ends_at_the_limit(monkeypatch):
    monkeypatch.setattr(documents, "MAX_SECONDS", 0.3)

    def trickle(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
        connection.recv(1)  # until the client leaves

    with listening(trickle) as server, pytest.raises(DocumentError, match="TimeoutError"):
        await fetch_document(f"http://127.0.0.1:{server.port}/")


async def test_the_text_of_an_answer_is_not_repeated():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted"
    with listening(answering(answer)) as server, pytest.raises(DocumentError) as raised:
        await fetch_document(f"http://127.0.0.1:{server.port}/")
    assert "planted" not in str(raised.value)
