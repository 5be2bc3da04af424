"""Fetching public JSON documents, such as an identity provider's keys: bounded, and never from another place."""

import json
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx2

from incident_mcp.transport.connection import UnusableError, is_loopback, make_client

MAX_BYTES = 512_000
MAX_SECONDS = 5.0
"""For the whole of a fetch."""


class DocumentError(Exception):
    """The document could not be fetched; the text says why and holds nothing of an answer.

    Attributes:
        status: The HTTP status, if it is not 200; None without an answer.
    """

    def __init__(self, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status


def is_fetchable(url: str) -> bool:
    """Return whether an address is https, or http on this machine, without user, password and fragment."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or port == 0 or parts.username or parts.password or parts.fragment or not url.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


async def fetch_document(url: str) -> object:
    """Return a JSON document. Redirects are not followed, and answers are not decompressed.

    Raises:
        DocumentError: It could not be fetched, is too large or not JSON.
    """
    if not is_fetchable(url):
        raise DocumentError("its address is not https")
    try:
        with anyio.fail_after(MAX_SECONDS):
            content = await _read(url)
    except (httpx2.HTTPError, httpx2.InvalidURL, UnusableError, OSError, ValueError) as error:
        raise DocumentError(f"it could not be fetched ({type(error).__name__})") from None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise DocumentError("it is not JSON") from None


async def _read(url: str) -> bytes:
    # Loading the CA certificates takes tens of milliseconds.
    client, _ = await anyio.to_thread.run_sync(make_client, url, httpx2.Timeout(MAX_SECONDS), 1)
    content = bytearray()
    async with client, client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
        if response.status_code != 200:
            raise DocumentError(f"it was answered with status {response.status_code}", response.status_code)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise DocumentError("it is compressed")
        async for part in response.aiter_raw():
            content += part
            if len(content) > MAX_BYTES:
                raise DocumentError(f"it is larger than {MAX_BYTES} bytes")
    return bytes(content)
