"""Requests that never leave: proxies, certificates, names and addresses that cannot be used."""

import gc
import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mcp import Client
from pydantic import SecretStr

from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.connection import find_proxy, is_loopback
from incident_mcp.transport.service import Limits
from tests.conftest import text_of
from tests.loopback import Authority, Handler, Listening, answering, listening, speaking_tls, tunnelling

pytestmark = pytest.mark.anyio

KEY = "-".join(["key", "of", "the", "test"])  # noqa: FLY002  # not one word for scanners
REMOTE = "https://ionhour.example"
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
PASSWORD = "hunter" + "2"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, *CERTIFICATE_VARIABLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def settings(url: str, state: Path) -> Settings:
    return Settings(ionhour_key=SecretStr(KEY), ionhour_url=url, state_dir=state)


async def acknowledge(url: str, state: Path, **limits: Any) -> str:
    """Make a write that is one request, and return the text of its failure or its answer."""
    server = build_server(settings(url, state), limits=Limits(**{"backoff": 0.001, **limits}))
    async with Client(server) as client:
        result = await client.call_tool("ionhour_acknowledge_incident", {"incident_id": 1})
    assert KEY not in text_of(result)
    return text_of(result)


def assert_not_sent(text: str, *parts: str) -> None:
    assert text.endswith("Outcome: not sent."), text
    assert [part for part in parts if part not in text] == [], text
    assert PASSWORD not in text


REFUSING = [
    (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "user:password@"),
    (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "NO_PROXY"),
    (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n", "NO_PROXY"),
    (b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 4\r\n\r\nlate", "NO_PROXY"),
    (b"HTTP/1.1 403 Forbidden\r\n\r\n", "NO_PROXY"),
    (b"HTTP/1.1 429 Too Many Requests\r\n\r\n", "NO_PROXY"),
    (b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", "NO_PROXY"),
    (b"HTTP/1.1 500 \x1b[2J\xff\r\n\r\n", "NO_PROXY"),
]


@pytest.mark.parametrize(("answer", "step"), REFUSING, ids=lambda value: str(value)[9:12])
async def test_a_proxy_that_refuses_leaves_a_write_unsent_at_once(
    answer: bytes, step: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with listening(answering(answer)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
        text = await acknowledge(REMOTE, tmp_path)
    assert_not_sent(text, "HTTPS_PROXY", "ionhour.example", answer.split()[1].decode(), step)
    assert text.replace("\n", "").isprintable()
    assert len(proxy.received) == 1


def slam(connection: socket.socket) -> None:
    connection.recv(10)


@pytest.mark.parametrize(
    "handler",
    [
        slam,
        answering(b""),
        answering(b"SSH-2.0-none\r\n"),
        answering(b"HTTP/1.1 2"),
        tunnelling(slam),
    ],
    ids=["closes", "answers nothing", "is none", "is cut", "closes the tunnel"],
)
async def test_a_proxy_that_fails_before_the_request_leaves_is_tried_again_and_the_write_is_not_sent(
    handler: Handler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with listening(handler) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"127.0.0.1:{proxy.port}")
        text = await acknowledge(REMOTE, tmp_path)
    assert_not_sent(text, "ALL_PROXY" if "that ALL_PROXY names" in text else "IONHOUR_API_URL")
    assert len(proxy.received) == 4


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "value",
    [
        f"http://user:{PASSWORD}@[bad",
        f"foo://user:{PASSWORD}@h:1",
        f"http://user:{PASSWORD}@h:port",
        "http://",
        "://h",
        "http://a b:1",
        "socks4://127.0.0.1:1",
        "http://h\x1b:1",
    ],
)
async def test_a_proxy_address_that_cannot_be_used_is_that_setting_s_error(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(variable, value)
    text = await acknowledge(REMOTE, tmp_path)
    assert_not_sent(text, f"{variable} is no usable proxy address", "http://proxy.example:3128")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_proxy_setting_of_another_scheme_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with listening(answering(REFUSING[0][0])) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("HTTP_PROXY", "foo://[")
        monkeypatch.setenv("ALL_PROXY", "foo://[")
        assert_not_sent(await acknowledge(REMOTE, tmp_path), "407")


def socks(*answers: bytes) -> Handler:
    def answer(connection: socket.socket) -> None:
        for each in answers:
            connection.recv(4096)
            connection.sendall(each)
        connection.recv(4096)

    return answer


@pytest.mark.parametrize(
    "answers",
    [
        [b"\x05\xff"],
        [b"\x05\x02"],
        [b"\x05\x00", b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"],
        [b"\x05\x00", b"?"],
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [],
    ],
    ids=["no method", "asks for a password", "refused", "cut", "http", "nothing"],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpcore2 leaves such sockets to gc
async def test_a_socks_proxy_that_fails_leaves_a_write_unsent(
    answers: list[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with listening(socks(*answers)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        assert_not_sent(await acknowledge(REMOTE, tmp_path), "ALL_PROXY")
    gc.collect()


async def test_a_socks_proxy_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1")
    monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    assert_not_sent(await acknowledge(REMOTE, tmp_path), "ALL_PROXY", "socksio", "extra `socks`")


def hello(connection: socket.socket) -> None:
    answering(json_answer({"id": 1, "acknowledgedBy": 7}))(connection)


def json_answer(body: object, *headers: bytes) -> bytes:
    content = json.dumps(body).encode()
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Content-Length: %d" % len(content), *headers]
    return b"\r\n".join([*lines, b"", content])


@contextmanager
def service(authority: Authority, name: str = "127.0.0.1", days: int = 1) -> Generator[Listening]:
    """A service on TLS whose certificate is for a name."""
    with listening(speaking_tls(authority.context(name, days=days), hello)) as server:
        yield server


async def test_a_certificate_that_is_not_trusted_is_named_with_the_setting_and_tried_once(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with service(authority) as server:
        url = f"https://127.0.0.1:{server.port}"
        text = await acknowledge(url, tmp_path)
        assert_not_sent(text, "certificate of 127.0.0.1 is not trusted", "set SSL_CERT_FILE")
        assert len(server.received) == 1
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert '"acknowledged_by":7' in await acknowledge(url, tmp_path)


async def test_a_certificate_behind_a_proxy_is_the_service_s_not_the_proxy_s(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inside = speaking_tls(authority.context("ionhour.example"), hello)
    with listening(tunnelling(inside)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        text = await acknowledge(REMOTE, tmp_path)
        assert_not_sent(text, "certificate of ionhour.example is not trusted", "SSL_CERT_FILE")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert '"acknowledged_by":7' in await acknowledge(REMOTE, tmp_path)


@pytest.mark.parametrize(
    ("name", "days", "part"), [("other.example", 1, "IONHOUR_API_URL"), ("127.0.0.1", -1, "clock")]
)
async def test_a_certificate_for_another_host_or_out_of_date_says_so(
    name: str, days: int, part: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with service(authority, name, days) as server:
        text = await acknowledge(f"https://127.0.0.1:{server.port}", tmp_path)
    assert_not_sent(text, "is not trusted", part)
    assert len(server.received) == 1


@pytest.mark.parametrize("variable", CERTIFICATE_VARIABLES)
async def test_certificates_of_the_environment_that_do_not_fit_are_named(
    variable: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    monkeypatch.setenv(variable, str(other.file if variable == "SSL_CERT_FILE" else other.folder))
    with service(authority) as server:
        text = await acknowledge(f"https://127.0.0.1:{server.port}", tmp_path)
    assert_not_sent(text, "is not trusted", f"certificates of {variable} are used")


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAA\n"])
async def test_a_certificate_file_that_cannot_be_used_is_that_setting_s_error(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "bundle.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert_not_sent(await acknowledge(REMOTE, tmp_path), "SSL_CERT_FILE cannot be used", "PEM")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    monkeypatch.delenv("SSL_CERT_FILE")


async def test_a_setting_that_is_mended_is_read_again_by_the_next_call(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with service(authority) as server:
        settings = Settings(
            ionhour_key=SecretStr(KEY), ionhour_url=f"https://127.0.0.1:{server.port}", state_dir=tmp_path
        )
        async with Client(build_server(settings)) as client:
            first = await client.call_tool("ionhour_acknowledge_incident", {"incident_id": 1})
            bundle.write_bytes(authority.file.read_bytes())
            second = await client.call_tool("ionhour_acknowledge_incident", {"incident_id": 1})
    assert (first.is_error, second.is_error) == (True, False), text_of(second)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-none\r\n", b"\x00" * 64], ids=["http", "ssh", "zeros"]
)
async def test_tls_to_a_port_that_speaks_none_says_so_and_is_tried_once(answer: bytes, tmp_path: Path) -> None:
    def plain(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with listening(plain) as server:
        text = await acknowledge(f"https://127.0.0.1:{server.port}", tmp_path)
    assert_not_sent(text, "127.0.0.1 does not speak TLS at that port", "Check IONHOUR_API_URL")
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "host", ["no-such-host.invalid", "api..invalid", f"{'a' * 70}.invalid", "under_score.invalid", "-x.invalid"]
)
@pytest.mark.parametrize(("code", "tries"), [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 4)])
async def test_a_name_that_does_not_resolve_says_which_setting_names_it(
    code: int, tries: int, host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[object] = []

    def fail(name: object, *_: object, **__: object) -> None:
        asked.append(name)
        raise socket.gaierror(code, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    text = await acknowledge(f"https://{host}", tmp_path)
    assert_not_sent(text, f"the name of {host} does not resolve", "Check IONHOUR_API_URL", "set HTTPS_PROXY")
    assert len(asked) == tries


@pytest.mark.parametrize(
    ("url", "proxy", "says"),
    [
        ("https://256.1.1.1", None, "256.1.1.1 is not usable"),
        (f"https://{'a' * 300}.invalid", None, "could not be reached"),
        (REMOTE, "http://[", "HTTPS_PROXY is no usable proxy address"),
        (REMOTE, "http://127.0.0.1:9", "the proxy that HTTPS_PROXY names refused the connection"),
        ("http://127.0.0.1:9", None, "127.0.0.1 refused the connection"),
    ],
)
async def test_a_read_that_never_left_says_the_same(
    url: str, proxy: str | None, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    server = build_server(settings(url, tmp_path), limits=Limits(backoff=0.001))
    async with Client(server) as client:
        result = await client.call_tool("ionhour_get_incident", {"incident_id": 1})
    assert result.is_error
    assert says in text_of(result)


async def test_an_address_that_is_none_is_not_sent(tmp_path: Path) -> None:
    assert_not_sent(await acknowledge("https://256.1.1.1", tmp_path), "256.1.1.1 is not usable", "IONHOUR_API_URL")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("proxied", [False, True])
async def test_a_refused_port_names_the_setting_it_stands_in(
    proxied: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    if proxied:
        monkeypatch.setenv("HTTPS_PROXY", url)
        text = await acknowledge(REMOTE, tmp_path)
        assert_not_sent(text, "the proxy that HTTPS_PROXY names refused the connection", "Check HTTPS_PROXY")
    else:
        assert_not_sent(await acknowledge(url, tmp_path), "127.0.0.1 refused the connection", "Check IONHOUR_API_URL")


async def test_a_proxy_that_hangs_before_the_request_leaves_it_unsent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def hang(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.recv(4096)
        connection.recv(4096)

    with listening(hang) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        text = await acknowledge(REMOTE, tmp_path, attempt=0.2, call=0.5)
    assert_not_sent(text, "the proxy that HTTPS_PROXY names did not answer in time")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_no_proxy_sees_a_request_to_loopback(host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with listening(answering(b"HTTP/1.1 500 seen\r\n\r\n")) as proxy, listening(hello, host.strip("[]")) as server:
        for name in PROXY_VARIABLES[:3]:
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        text = await acknowledge(f"http://{host}:{server.port}", tmp_path)
    assert '"acknowledged_by":7' in text, text
    assert proxy.received == []


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        *[(name, True) for name in ("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1")],
        ("::ffff:127.0.0.1", True),
        *[(name, False) for name in ("localhost.example", "127.0.0.1.example", "10.0.0.1", "::2", "", "1")],
    ],
)
def test_what_is_loopback(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it


@pytest.mark.parametrize(
    ("excepted", "url", "goes_through"),
    [
        ("", REMOTE, True),
        ("ionhour.example", REMOTE, False),
        ("IONHOUR.EXAMPLE", REMOTE, False),
        (".example", REMOTE, False),
        ("*.example", REMOTE, False),
        ("*", REMOTE, False),
        ("other.example, ionhour.example", REMOTE, False),
        ("hour.example", REMOTE, True),
        ("ionhour.example:443", REMOTE, False),
        ("ionhour.example:8443", REMOTE, True),
        ("10.0.0.0/8", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://11.1.2.3", True),
        ("[fd00::]/8", "https://[fd00::1]", True),
        ("fd00::/8", "https://[fd00::1]", False),
        ("x/y,,//", REMOTE, True),
    ],
)
def test_no_proxy_excepts_hosts_suffixes_and_networks(
    excepted: str, url: str, goes_through: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", excepted)
    assert find_proxy(url) == (("http://proxy.example:3128", "HTTPS_PROXY") if goes_through else None)


@pytest.mark.parametrize(("pause", "connections"), [(119, 1), (121, 2)])
async def test_connections_stay_open_for_two_minutes_between_calls(
    pause: float, connections: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def serve(connection: socket.socket) -> None:
        for _ in range(2):
            hello(connection)

    clock = SimpleNamespace(monotonic=time.monotonic)
    monkeypatch.setattr("httpcore2._async.http11.time", clock)
    with listening(serve) as server:
        async with Client(build_server(settings(f"http://127.0.0.1:{server.port}", tmp_path))) as client:
            for number in (1, 2):
                result = await client.call_tool("ionhour_acknowledge_incident", {"incident_id": number})
                assert not result.is_error, text_of(result)
                clock.monotonic = lambda: time.monotonic() + pause
    assert len(server.received) == connections


ODD_HEADERS = [
    b"X-RateLimit-Remaining: \xb2",
    b"X-RateLimit-Remaining: 1e9, -1",
    b"X-RateLimit-Remaining: " + b"9" * 5000,
    b"Retry-After: Fri, 31 Dec 99999 23:59:59 GMT",
    b"Retry-After: \xff\xfe",
    b"Retry-After: 5\r\nRetry-After: 6",
    b"Date: Fri, 31 Dec 99999 23:59:59 GMT",
    b"Date: Mon, 01 Jan 0001 00:00:00 +2359",
    b"Date: \xb2",
    b"Date:",
    b"Content-Type: \xff; charset=\xff",
    b"Content-Type: application/json; charset=no-such",
    b"Content-Encoding: no-such",
    b"Set-Cookie: a=b; expires=Fri, 31 Dec 99999 23:59:59 GMT; domain=\xff; path=;;;",
    b"Set-Cookie: \xff\xfe=\xff; max-age=" + b"9" * 400,
    b"X-Request-Id: \xe2\x80\xae" + b"x" * 5000,
    b"Location: http://[",
    b"Link: <\xff>; rel=next",
]


@pytest.mark.parametrize("header", ODD_HEADERS, ids=lambda header: str(header[:30]))
async def test_an_odd_header_fails_no_call_and_spoils_no_error(header: bytes, tmp_path: Path) -> None:
    refused = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n" + header + b"\r\n\r\n{}"
    for answer, done in ((json_answer({"id": 1, "acknowledgedBy": 7}, header), True), (refused, False)):
        with listening(answering(answer)) as server:
            text = await acknowledge(f"http://127.0.0.1:{server.port}", tmp_path)
        assert ('"acknowledged_by":7' in text) is done, text
        assert ("Ionhour answered 404" in text) is not done, text
        assert len(text) < 500
        assert text.isprintable()
