"""nginx.conf: what is published, what is passed on, and that no POST is sent twice."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Generator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.deploy.files import NGINX, directives

PROGRAM = shutil.which("nginx") or "/usr/sbin/nginx"
REPLICAS = ["server-1:8000", "server-2:8000", "server-3:8000"]
HOST = "incidents.example.com"


def named(name: str) -> list[list[str]]:
    return [words[1:] for words in directives(NGINX.read_text("utf-8")) if words[0] == name]


def test_another_replica_is_tried_only_while_nothing_was_sent() -> None:
    # Not non_idempotent, and no status or unreadable answer: those come after a request was sent.
    assert named("proxy_next_upstream") == [["error", "timeout"]]
    assert "non_idempotent" not in {word for words in directives(NGINX.read_text("utf-8")) for word in words}


def test_nothing_mirrors_or_caches_requests() -> None:
    forbidden = {"mirror", "proxy_cache", "proxy_store", "proxy_method", "error_page", "fastcgi_pass", "grpc_pass"}
    assert forbidden.isdisjoint(words[0] for words in directives(NGINX.read_text("utf-8")))


def test_three_replicas_take_turns() -> None:
    assert [words[0] for words in named("server") if words] == REPLICAS
    assert forbidden_balancing().isdisjoint(words[0] for words in directives(NGINX.read_text("utf-8")))


def forbidden_balancing() -> set[str]:
    return {"ip_hash", "hash", "sticky", "least_conn", "random"}


def test_only_what_clients_need_is_published() -> None:
    published = [words for words in named("location") if words not in (["/"], ["=", "/nginx-health"], ["=", "/listen"])]
    assert published == [
        ["=", "/mcp"],
        ["=", "/.well-known/oauth-protected-resource"],
        ["=", "/.well-known/oauth-protected-resource/mcp"],
        ["=", "/hooks/incidentio"],
        ["=", "/health"],
    ]


def test_streams_are_passed_on_at_once_and_live_longer_than_calls() -> None:
    assert named("proxy_buffering") == [["off"]]
    assert named("proxy_read_timeout") == [["75s"], ["1h"]]
    assert named("server_tokens") == [["off"]]
    assert named("client_max_body_size")[0] == ["4m"]


def test_an_idle_connection_is_closed_before_the_replica_closes_it() -> None:
    # uvicorn closes one after 5 s by default.
    assert named("keepalive_timeout") == [["75s"], ["3s"]]


class Replica:
    """A server that counts the requests it got, and may drop the connection instead of an answer."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        self.drops = False
        replica = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                replica.got.append((self.command, self.path, headers, body))
                if replica.drops:
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def certificate(folder: Path) -> None:
    """Write a certificate for the example's name, as Let's Encrypt's files are called."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    command += ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def local_conf(folder: Path, addresses: list[str], port: int) -> Path:
    """Write nginx.conf for this machine: other folders, port and replicas, and nothing else changed."""
    conf = NGINX.read_text("utf-8").replace("/tmp/", f"{folder}/")  # noqa: S108  # a path in a container
    for replica, address in zip(REPLICAS, addresses, strict=True):
        conf = conf.replace(f"server {replica}", f"server {address}")
    conf = conf.replace("8443", str(port)).replace("/etc/nginx/certificates", str(folder))
    conf = conf.replace("/dev/stdout", f"{folder}/access").replace("/dev/stderr", f"{folder}/errors")
    conf = conf.replace("worker_processes auto", "worker_processes 1")
    # Where workers are another user, they may not use this folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    written = folder / "nginx.conf"
    written.write_text(f"daemon off;\n{user}{conf}", "utf-8")
    return written


@pytest.mark.team
def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    certificate(tmp_path)
    conf = local_conf(tmp_path, ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"], 8443)
    checked = subprocess.run(
        [PROGRAM, "-t", "-p", tmp_path, "-c", conf], check=False, capture_output=True, text=True, timeout=30
    )
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr


class Proxy:
    """nginx with three replicas behind it."""

    def __init__(self, folder: Path) -> None:
        self.replicas = [Replica() for _ in REPLICAS]
        self.port = free_port()
        certificate(folder)
        self._trusted = ssl.create_default_context(cafile=folder / "fullchain.pem")
        conf = local_conf(folder, [replica.address for replica in self.replicas], self.port)
        self._process = subprocess.Popen([PROGRAM, "-p", folder, "-c", conf], stderr=subprocess.DEVNULL)
        try:
            self._await()
        except BaseException:
            self.close()
            raise

    def _await(self) -> None:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("nginx did not start")

    def send(self, method: str, path: str, *, host: str = HOST, **headers: str) -> tuple[int, dict[str, str]]:
        connection = HTTPSConnection("127.0.0.1", self.port, context=self._trusted, timeout=20)
        connection.sock = self._trusted.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), 20), server_hostname=HOST
        )
        try:
            sent = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
            connection.request(method, path, body=b"{}" if method == "POST" else None, headers=sent)
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def got(self) -> list[tuple[str, str, dict[str, str], bytes]]:
        return [request for replica in self.replicas for request in replica.got]

    def close(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(15)
        for replica in self.replicas:
            replica.close()


@pytest.fixture
def proxy(tmp_path: Path) -> Generator[Proxy]:
    running = Proxy(tmp_path)
    yield running
    running.close()


@pytest.mark.team
def test_a_post_whose_answer_is_lost_is_sent_once(proxy: Proxy) -> None:
    for replica in proxy.replicas:
        replica.drops = True
    assert proxy.send("POST", "/mcp")[0] == 502
    assert len(proxy.got()) == 1


@pytest.mark.team
def test_a_post_on_a_connection_used_before_is_sent_once(proxy: Proxy) -> None:
    for _ in REPLICAS:
        assert proxy.send("POST", "/mcp")[0] == 200
    for replica in proxy.replicas:
        replica.drops = True
    before = len(proxy.got())
    assert proxy.send("POST", "/mcp")[0] == 502
    assert len(proxy.got()) == before + 1


@pytest.mark.team
def test_a_post_reaches_another_replica_if_one_refuses_the_connection(proxy: Proxy) -> None:
    proxy.replicas[0].close()
    assert [proxy.send("POST", "/mcp")[0] for _ in range(6)] == [200] * 6
    assert len(proxy.got()) == 6


@pytest.mark.team
def test_replicas_take_turns(proxy: Proxy) -> None:
    for _ in range(6):
        proxy.send("POST", "/mcp")
    assert [len(replica.got) for replica in proxy.replicas] == [2, 2, 2]


@pytest.mark.team
def test_a_request_is_passed_on_with_its_host_and_its_real_client(proxy: Proxy) -> None:
    status, headers = proxy.send(
        "POST", "/mcp?a=1", Authorization="Bearer x", X_Forwarded_For="192.0.2.1", Forwarded="for=192.0.2.1"
    )
    [(method, path, got, body)] = proxy.got()
    assert (status, method, path, body) == (200, "POST", "/mcp?a=1", b"{}")
    assert (got["host"], got["authorization"]) == (HOST, "Bearer x")
    assert (got["x-forwarded-for"], got["x-forwarded-proto"], got["x-forwarded-host"]) == ("127.0.0.1", "https", HOST)
    assert "forwarded" not in got
    assert headers["server"] == "nginx"
    assert headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.team
def test_a_stream_of_changes_reaches_the_same_path(proxy: Proxy) -> None:
    assert proxy.send("POST", "/mcp?a=1", Mcp_Method="subscriptions/listen", Mcp_Name="x")[0] == 200
    [(method, path, headers, body)] = proxy.got()
    assert (method, path, body) == ("POST", "/mcp?a=1", b"{}")
    assert headers["mcp-method"] == "subscriptions/listen"


@pytest.mark.team
@pytest.mark.parametrize(
    "path", ["/metrics", "/ready", "/", "/listen", "/mcp/", "/mcp/../ready", "/%6Detrics", "/docs"]
)
def test_what_is_not_named_is_not_published(proxy: Proxy, path: str) -> None:
    assert proxy.send("GET", path)[0] == 404
    assert proxy.got() == []


@pytest.mark.team
@pytest.mark.parametrize("path", ["/mcp", "/.well-known/oauth-protected-resource/mcp", "/hooks/incidentio", "/health"])
def test_what_is_named_is_published(proxy: Proxy, path: str) -> None:
    assert proxy.send("GET", path)[0] == 200
    assert proxy.got()[0][1] == path


@pytest.mark.team
def test_another_host_is_rejected(proxy: Proxy) -> None:
    assert proxy.send("POST", "/mcp", host="evil.example.net")[0] == 421
    assert proxy.got() == []


@pytest.mark.team
def test_a_body_that_is_too_large_is_rejected(proxy: Proxy) -> None:
    assert proxy.send("POST", "/mcp", Content_Length=str(5 * 1024 * 1024))[0] == 413
    assert proxy.got() == []


@pytest.mark.team
def test_a_flood_from_one_address_is_rejected_with_429(proxy: Proxy) -> None:
    statuses = [proxy.send("GET", "/health")[0] for _ in range(150)]
    assert statuses[:50] == [200] * 50
    assert 429 in statuses


@pytest.mark.team
def test_plain_http_reaches_no_replica(proxy: Proxy) -> None:
    connection = HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    try:
        connection.request("POST", "/mcp", body=b"{}", headers={"Host": HOST})
        assert connection.getresponse().status == 400
    except HTTPException:
        pass
    finally:
        connection.close()
    assert proxy.got() == []
