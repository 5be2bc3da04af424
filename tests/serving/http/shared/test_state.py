"""Rate limits, what was shown, open questions, and what is wrong with a Redis."""

import logging
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from incident_mcp.errors import NotConfirmedError, SettingError
from incident_mcp.serving.http.health import Readiness
from incident_mcp.serving.http.shared import connection, rate_limit
from incident_mcp.serving.http.shared import questions as open_questions
from incident_mcp.serving.http.shared import seen as shown
from incident_mcp.serving.http.team import Shared, Team
from incident_mcp.settings import Settings
from incident_mcp.writing.journal.memory import MemoryJournal
from incident_mcp.writing.outcome import WriteError
from tests.serving.http.shared.conftest import RedisServer, Replica, free_port, shared
from tests.writing.journal.test_contract import entry

pytestmark = [pytest.mark.anyio, pytest.mark.team]


def make_certificate(folder: Path) -> tuple[str, str]:
    """Make a certificate for localhost that signs itself; return its path and its key's."""
    from cryptography import x509  # noqa: PLC0415  # slow to import
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoded = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    paths[1].write_bytes(key.private_bytes(*encoded))
    return f"{paths[0]}", f"{paths[1]}"


@pytest.fixture
async def states(redis: RedisServer) -> AsyncIterator[list[Replica]]:
    async with shared(redis) as one, shared(redis) as other, shared(redis) as third:
        yield [one, other, third]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "AT_MOST_SECONDS", 0.3)
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(connection, "AWAY_SECONDS", 0.1)
    monkeypatch.setattr(connection, "LONGEST_AWAY_SECONDS", 0.2)


async def test_replicas_together_stay_inside_a_rate_limit(states: list[Replica]) -> None:
    size, rate = 20, 50
    limits = [state.rate_limit("account", size, rate) for state in states]
    began = time.monotonic()
    uses: list[float] = []

    async def use(number: int) -> None:
        wait = await limits[number % 3].take()
        uses.append(time.monotonic() + wait)

    async with anyio.create_task_group() as tasks:
        for number in range(60):
            tasks.start_soon(use, number)
    for at in uses:
        # A tenth of a second of slack: two clocks are read.
        assert sum(each <= at for each in uses) <= size + rate * (at - began + 0.1) + 1


async def test_a_token_that_is_put_back_can_be_taken_and_the_bucket_never_overflows(states: list[Replica]) -> None:
    one, other, _ = (state.rate_limit("account", 2, 0.001) for state in states)
    assert [round(await each.take()) for each in (one, other)] == [0, 0]
    assert await one.take() > 900
    await one.put_back()
    await other.put_back()
    assert await one.take() < 1
    for _ in range(5):
        await one.put_back()
    assert [await other.take() < 1 for _ in range(3)] == [True, True, False]


async def test_what_a_service_says_is_left_lowers_the_level_of_all(states: list[Replica]) -> None:
    one, other, third = (state.rate_limit("account", 1200, 0.001) for state in states)
    await one.take()
    await one.observe_remaining(1)
    await other.observe_remaining(1000)
    assert await third.take() < 1
    assert await other.take() > 900


async def test_names_of_rate_limits_are_apart(states: list[Replica]) -> None:
    await states[0].rate_limit("a", 1, 0.001).take()
    assert await states[1].rate_limit("b", 1, 0.001).take() == 0


@pytest.mark.parametrize("away", ["stopped", "killed"])
async def test_without_redis_a_replica_uses_a_small_share(away: str, redis: RedisServer, states: list[Replica]) -> None:
    limits = [state.rate_limit("account", 100, 0.01) for state in states]
    (redis.stop if away == "stopped" else redis.kill)()
    free = 0
    for limit in limits:
        while await limit.take() == 0:
            free += 1
        await limit.put_back()
        await limit.observe_remaining(5)
    assert free <= 3 * 100 * rate_limit.SHARE
    if away == "killed":
        redis.start()


async def test_what_a_person_was_shown_every_replica_knows(states: list[Replica]) -> None:
    one, other, _ = states
    await one.seen("alice").remember({"a": "1", "b": "2"})
    await one.seen("alice").remember({})
    await other.seen("alice").remember({"a": "3", "half \ud83d": "\ud83d"})
    assert [await one.seen("alice").find(key) for key in ("a", "b", "c", "half \ud83d")] == ["3", "2", None, "\ud83d"]
    assert await one.seen("bob").find("a") is None


async def test_what_was_shown_is_bounded_and_expires(states: list[Replica], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "MAX_SEEN", 3)
    seen = states[0].seen("alice")
    for number in range(5):
        await seen.remember({f"{number}": "x"})
    await seen.remember({f"{number}": "x" for number in range(10, 20)})
    assert [number for number in range(20) if await seen.find(f"{number}")] == [17, 18, 19]
    assert len([key async for key in states[0].client.scan_iter()]) == 2
    monkeypatch.setattr(shown, "SEEN_SECONDS", -1)
    assert await seen.find("19") is None


async def test_a_question_is_answered_once_at_any_replica_by_its_person(states: list[Replica]) -> None:
    one, other, third = (state.questions("alice") for state in states)
    nonce = await one.ask("request")
    assert not await states[1].questions("bob").close(nonce, "request")
    answers = [await each.close(nonce, "request") for each in (other, third, one)]
    assert answers == [True, False, False]
    assert not await other.close(await one.ask("request"), "another request")
    assert not await other.close("\ud83d" * 100_000, "request")


async def test_open_questions_are_bounded_and_expire(states: list[Replica], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_questions, "MAX_OPEN", 2)
    asked = states[0].questions("alice")
    nonces = [await asked.ask("request") for _ in range(3)]
    assert [await asked.close(nonce, "request") for nonce in nonces] == [False, True, True]
    last = await asked.ask("request")
    monkeypatch.setattr(open_questions, "KEPT_SECONDS", -1)
    assert not await asked.close(last, "request")


async def test_of_answers_to_one_question_at_once_one_counts(states: list[Replica]) -> None:
    nonce = await states[0].questions("alice").ask("request")
    closed: list[bool] = []

    async def close(number: int) -> None:
        closed.append(await states[number % 3].questions("alice").close(nonce, "request"))

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(close, number)
    assert sum(closed) == 1


async def test_without_redis_nothing_is_known_and_no_question_is_asked(
    redis: RedisServer, states: list[Replica]
) -> None:
    one = states[0]
    nonce = await one.questions("alice").ask("request")
    await one.seen("alice").remember({"a": "1"})
    redis.kill()
    await one.seen("alice").remember({"a": "1"})
    assert await one.seen("alice").find("a") is None
    for refused in (one.questions("alice").ask("request"), one.questions("alice").close(nonce, "request")):
        with pytest.raises(NotConfirmedError, match="Not sent"):
            await refused
    redis.start()


async def test_a_redis_that_is_away_does_not_keep_a_server_from_opening(caplog: pytest.LogCaptureFixture) -> None:
    word = secrets.token_hex(8)
    state = Replica(f"redis://user:{word}@127.0.0.1:{free_port()}/0")
    await state.open()
    assert "Redis cannot be reached" in (await state.trouble() or "")
    await state.close()
    assert word not in caplog.text
    assert word not in repr(vars(state)) + repr(state.client.connection_pool)


async def test_trouble_ends_with_redis_back(redis: RedisServer, states: list[Replica]) -> None:
    assert await states[0].trouble() is None
    redis.stop()
    assert "no answer in time" in (await states[0].trouble() or "")
    redis.resume()
    with anyio.fail_after(5):
        while await states[0].trouble():  # noqa: ASYNC110  # no event
            await anyio.sleep(0.02)


async def test_an_eviction_policy_that_loses_rows_is_reported(redis: RedisServer, states: list[Replica]) -> None:
    try:
        redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        assert await states[0].eviction() is None
        redis.command("CONFIG", "SET", "maxmemory", "100000000")
        assert "noeviction" in (await states[0].eviction() or "")
        team = Team(Settings(), Shared(MemoryJournal(), tuple), signs_in=False)
        assert (await Readiness(team, states[0]).check())["redis"] == "rows may be deleted"
    finally:
        redis.command("CONFIG", "SET", "maxmemory", "0")
        redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_a_full_redis_is_trouble_and_nothing_is_sent(redis: RedisServer, states: list[Replica]) -> None:
    redis.command("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(WriteError, match=r"OutOfMemoryError.*not sent"):
            await states[0].journal.prepare_codes()
    finally:
        redis.command("CONFIG", "SET", "maxmemory", "0")
    await states[0].journal.prepare_codes()


@pytest.mark.parametrize(
    "url", ["", "http://example.com", "redis://user:{}/0", "redis://:{}@[::1/0", "redis://h:{}/0", "redis://h/0?db={}"]
)
async def test_an_address_that_cannot_be_used_is_rejected_without_its_password(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    word = secrets.token_hex(8)
    caplog.set_level(logging.DEBUG)
    try:
        state = Replica(url.format(word))
    except SettingError as error:
        shown = f"{error}{error.__cause__}"
        assert "INCIDENT_MCP_REDIS_URL" in shown
    else:
        shown = f"{await state.trouble()}"
        await state.close()
    assert word not in shown + caplog.text


async def test_a_password_is_used_and_a_wrong_one_is_trouble_that_does_not_show_it(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    right, wrong = secrets.token_hex(8), secrets.token_hex(8)
    redis.command("ACL", "SETUSER", "team", "on", f">{right}", "~*", "&*", "+@all")
    address = redis.url.removeprefix("redis://")
    for word, works in ((right, True), (wrong, False)):
        state = Replica(f"redis://team:{word}@{address}")
        trouble = await state.trouble()
        assert (trouble is None) == works
        assert word not in f"{trouble}{caplog.text}"
        await state.close()
    redis.command("ACL", "DELUSER", "team")


async def test_an_acl_without_info_is_enough(redis: RedisServer) -> None:
    word = secrets.token_hex(8)
    redis.command("ACL", "SETUSER", "small", "on", f">{word}", "~incident-mcp:*", "&*", "+@all", "-@dangerous")
    state = Replica(f"redis://small:{word}@{redis.url.removeprefix('redis://')}")
    assert await state.trouble() is None
    await state.journal.prepare_codes()
    assert (await state.journal.find("i")).entry is None
    await state.close()
    redis.command("ACL", "DELUSER", "small")


async def test_answers_never_reach_another_call_whatever_is_cut_off_in_between(
    redis: RedisServer, states: list[Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "AT_MOST_SECONDS", 0.05)
    monkeypatch.setattr(connection, "AWAY_SECONDS", 0.001)
    monkeypatch.setattr(connection, "LONGEST_AWAY_SECONDS", 0.001)
    seen = states[0].seen("alice")
    await seen.remember({f"{number}": f"{number}" for number in range(40)})
    right = wrong = 0

    async def look(number: int) -> None:
        nonlocal right, wrong
        for _ in range(60):
            found = await seen.find(f"{number}")
            right += found == f"{number}"
            wrong += found not in (None, f"{number}")
            await anyio.sleep(0.001)

    async def disturb() -> None:
        for _ in range(6):
            redis.stop()
            await anyio.sleep(0.08)
            redis.resume()
            await anyio.sleep(0.04)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(disturb)
        for number in range(40):
            tasks.start_soon(look, number)
    assert wrong == 0
    assert right > 40


async def test_while_redis_hangs_one_call_at_a_time_waits_for_it(
    redis: RedisServer, states: list[Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "AWAY_SECONDS", 0.001)
    monkeypatch.setattr(connection, "LONGEST_AWAY_SECONDS", 0.001)
    redis.stop()
    seen, began = states[0].seen("alice"), []
    await seen.find("a")
    await anyio.sleep(0.01)
    run = connection._run

    async def count(*arguments: object) -> object:
        began.append(1)
        return await run(*arguments)

    monkeypatch.setattr(connection, "_run", count)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(seen.find, "a")
    assert len(began) == 1


@pytest.mark.usefixtures("redis")
async def test_a_unix_socket_and_tls_with_a_password_work(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="r"))
    certificate, key = make_certificate(tmp_path)
    other = RedisServer(folder, free_port())
    tls_port, word = free_port(), secrets.token_hex(8)
    socket = folder / "s"
    options = ["--tls-port", f"{tls_port}", "--tls-cert-file", certificate, "--tls-key-file", key]
    options += ["--tls-ca-cert-file", certificate, "--tls-auth-clients", "no", "--unixsocket", f"{socket}"]
    other.start(*options)
    try:
        other.command("ACL", "SETUSER", "team", "on", f">{word}", "~*", "&*", "+@all")
        for url, trouble in (
            (f"unix://{socket}", None),
            (f"rediss://team:{word}@localhost:{tls_port}/0?ssl_ca_certs={certificate}", None),
            # An unknown certificate is not trusted.
            (f"rediss://team:{word}@localhost:{tls_port}/0", "cannot be reached"),
        ):
            state = Replica(url)
            assert (trouble or "None") in str(await state.trouble())
            await state.close()
    finally:
        other.kill()
        shutil.rmtree(folder)


async def test_an_acl_that_allows_only_our_names_is_enough_for_every_step(redis: RedisServer) -> None:
    word = secrets.token_hex(8)
    redis.command("ACL", "SETUSER", "small", "on", f">{word}", "~incident-mcp:*", "&*", "+@all", "-@dangerous")
    state = Replica(f"redis://small:{word}@{redis.url.removeprefix('redis://')}")
    journal = state.journal_of("")
    await journal.mark_done(await journal.begin(entry("i", "x")), {})
    await journal.undo(await journal.begin(entry("i", "x")))
    await journal.mark_done(await journal.begin(entry("i", "x"), remember=False), {})
    assert journal.trouble is None
    await state.close()
    redis.command("ACL", "DELUSER", "small")


@pytest.mark.parametrize("setting", [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")])
async def test_a_redis_that_only_refuses_writes_is_trouble_at_any_time(
    setting: tuple[str, str, str], redis: RedisServer, states: list[Replica]
) -> None:
    name, bad, good = setting
    assert await states[0].trouble() is None
    redis.command("CONFIG", "SET", name, bad)
    try:
        assert "cannot be used" in (await states[0].trouble() or "")
        with pytest.raises(WriteError, match=r"cannot be used.*not sent"):
            await states[0].journal_of("").prepare_codes()
    finally:
        redis.command("CONFIG", "SET", name, good)
    assert await states[0].trouble() is None


async def test_a_primary_that_became_a_replica_is_left_by_new_connections(
    redis: RedisServer, states: list[Replica]
) -> None:
    await states[0].journal_of("").prepare_codes()
    redis.command("REPLICAOF", "127.0.0.1", f"{free_port()}")
    try:
        assert "ReadOnlyError" in (await states[0].trouble() or "")
        assert not any(each.is_connected for each in states[0].client.connection_pool._available_connections)
    finally:
        redis.command("REPLICAOF", "NO", "ONE")
    assert await states[0].trouble() is None


@pytest.mark.usefixtures("redis")
async def test_a_cluster_is_named_as_the_reason() -> None:
    other = RedisServer(Path(tempfile.mkdtemp(prefix="r")), free_port())
    other.start("--cluster-enabled", "yes", "--cluster-port", f"{free_port()}")
    state = Replica(other.url)
    try:
        assert "it is a cluster" in (await state.trouble() or "")
        with pytest.raises(WriteError, match=r"it is a cluster.*not sent"):
            await state.journal_of("").find("i")
    finally:
        await state.close()
        other.kill()
        shutil.rmtree(other.folder)


@pytest.mark.parametrize("url", ["redis://h/0?unknown={}", "rediss://h/0?ssl_cert_reqs={}", f"redis://{'a' * 70}/0"])
def test_an_address_that_would_fail_at_the_first_connection_is_rejected_at_once(url: str) -> None:
    word = secrets.token_hex(8)
    with pytest.raises(SettingError, match="INCIDENT_MCP_REDIS_URL") as caught:
        Replica(url.format(word))
    assert word not in str(caught.value)
