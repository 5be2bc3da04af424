"""The identity provider's keys: rotation, and an identity provider that is slow, absent or hostile."""

import asyncio
import json

import pytest

from incident_mcp.serving.http.sign_in import IdentityProviderDown, OidcSettings
from incident_mcp.serving.http.sign_in.jwks import Jwks, metadata_urls
from incident_mcp.serving.http.sign_in.oidc import JwtVerifier
from tests.loopback import answering, listening
from tests.serving.http.identity_provider import (
    AUDIENCE,
    KEYS,
    METADATA,
    OAUTH_METADATA,
    IdentityProvider,
    SigningKey,
    identity_provider,
)

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def verifier(provider, clock):
    settings = OidcSettings(provider.issuer, AUDIENCE)
    verifier = JwtVerifier(settings, Jwks(provider.issuer, None, settings.algorithms, clock=clock))
    yield verifier
    provider.resume()
    await verifier.close()


async def idle(verifier):
    """Wait for a refresh in the background."""
    task = verifier._jwks._refreshing
    if task:
        await asyncio.wait({task})


async def test_one_refresh_serves_all_who_wait(verifier, provider):
    found = await asyncio.gather(*(verifier.verify(provider.token(sub=f"u-{number}")) for number in range(20)))
    assert [each.subject for each in found] == [f"u-{number}" for number in range(20)]
    assert provider.requested == [METADATA, KEYS]


async def test_a_new_key_is_accepted_at_once(verifier, provider, clock):
    assert await verifier.verify(provider.token())
    provider.rotate()
    clock.now += 31
    assert await verifier.verify(provider.token())


async def test_unknown_keys_cause_one_refresh_in_30_seconds(verifier, provider, clock):
    assert await verifier.verify(provider.token())
    clock.now += 31
    for number in range(20):
        assert await verifier.verify(provider.token(header={"kid": f"unknown-{number}"})) is None
    assert provider.requested.count(KEYS) == 2
    clock.now += 31
    assert await verifier.verify(provider.token(header={"kid": "unknown"})) is None
    assert provider.requested.count(KEYS) == 3


async def test_a_removed_key_is_refused_after_the_next_refresh(verifier, provider, clock):
    old = provider.token()
    assert await verifier.verify(old)
    provider.rotate(keep=False)
    clock.now += 601
    assert await verifier.verify(old) is None


async def test_an_old_and_a_new_key_with_one_id_both_verify(verifier, provider, clock):
    first = provider.token()
    assert await verifier.verify(first)
    kid = provider.key.kid
    provider.rotate().kid = kid
    for seconds, is_known in ((0, False), (31, True)):
        clock.now += seconds
        assert bool(await verifier.verify(provider.token())) is is_known
        assert await verifier.verify(first)
    provider.keys = [SigningKey(kid)]
    clock.now += 31
    assert await verifier.verify(provider.token())
    assert await verifier.verify(first) is None


async def test_forged_signatures_cause_one_refresh_in_30_seconds(verifier, provider, clock):
    assert await verifier.verify(provider.token())
    forged = provider.token(signed_by=SigningKey(provider.key.kid))
    for seconds, refreshes in ((0, 1), (31, 2), (0, 2)):
        clock.now += seconds
        assert [await verifier.verify(forged) for _ in range(5)] == [None] * 5
        assert provider.requested.count(KEYS) == refreshes
    provider.hang(5)
    clock.now += 31
    assert await verifier.verify(forged) is None
    assert await verifier.verify(provider.token())


async def test_the_cache_is_refreshed_in_the_background_before_it_ends(verifier, provider, clock):
    token = provider.token()
    assert await verifier.verify(token)
    clock.now += 500
    assert await verifier.verify(token)
    await idle(verifier)
    assert provider.requested.count(KEYS) == 2


async def test_while_the_provider_hangs_only_unknown_keys_wait(verifier, provider, clock):
    token = provider.token()
    assert await verifier.verify(token)
    provider.rotate()
    provider.hang(5)
    clock.now += 31
    waiting = asyncio.create_task(verifier.verify(provider.token()))
    await asyncio.to_thread(provider.hanging.wait, 5)
    for _ in range(50):
        assert await verifier.verify(token)
    assert not waiting.done()
    provider.resume()
    assert await waiting


async def test_one_who_leaves_does_not_end_the_refresh_of_the_others(verifier, provider):
    provider.hang(5)
    first = asyncio.create_task(verifier.verify(provider.token()))
    second = asyncio.create_task(verifier.verify(provider.token()))
    await asyncio.to_thread(provider.hanging.wait, 5)
    first.cancel()
    provider.resume()
    assert await second
    assert first.cancelled()


async def test_cached_keys_are_used_for_a_day_without_the_provider(verifier, provider, clock, caplog):
    token = provider.token()
    assert await verifier.verify(token)
    provider.close()
    for _ in range(20):
        clock.now += 4_000
        assert await verifier.verify(token)
        assert await verifier.ready() is None
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1
    clock.now += 10_000
    with pytest.raises(IdentityProviderDown):
        await verifier.verify(token)
    assert "not known" in await verifier.ready()


async def test_an_unknown_key_cannot_be_decided_without_the_provider(verifier, provider, clock):
    assert await verifier.verify(provider.token())
    provider.close()
    clock.now += 31
    for _ in range(2):
        with pytest.raises(IdentityProviderDown):
            await verifier.verify(provider.token(header={"kid": "unknown"}))


async def test_a_provider_that_is_down_at_the_start_is_found_once_it_is_up(verifier, provider, clock):
    token = provider.token()
    provider.answers[METADATA] = (503, {}, b"")
    provider.answers[OAUTH_METADATA] = (503, {}, b"")
    with pytest.raises(IdentityProviderDown):
        await verifier.verify(token)
    assert "503" in await verifier.ready()
    provider.answers.clear()
    clock.now += 6
    assert await verifier.ready() is None
    assert await verifier.verify(token)


async def test_nothing_listens_at_the_issuers_address(clock):
    with identity_provider() as gone:
        token = gone.token()
    jwks = Jwks(gone.issuer, None, ["ES256"], clock=clock)
    with pytest.raises(IdentityProviderDown):
        await JwtVerifier(OidcSettings(gone.issuer, AUDIENCE), jwks).verify(token)


LARGE = b'{"keys": [' + b" " * 50_000_000 + b"]}"
DEEP = b'{"keys": ' + b"[" * 300 + b"]" * 300 + b"}"
HOSTILE = {
    "no JSON": (200, {}, b"\xff<html>"),
    "nothing": (200, {}, b""),
    "another JSON": (200, {}, b"[1]"),
    "keys of another type": (200, {}, b'{"keys": {"kid": 1}}'),
    "odd keys": (
        200,
        {},
        b'{"keys": [1, null, {}, {"kty": 5}, {"kty": "RSA", "n": 1}, {"kty": "EC", "crv": "P-256"}]}',
    ),
    "a shared secret": (200, {}, b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "key-1"}]}'),
    "no keys": (200, {}, b'{"keys": []}'),
    "50 MB": (200, {}, LARGE),
    "300 levels": (200, {}, DEEP),
    "100,000 levels": (200, {}, b"[" * 100_000),
    "compressed": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"),
    "cut off": (200, {"Content-Length": "100"}, b"{"),
    "status 500": (500, {}, b"{}"),
}


@pytest.mark.parametrize("path", [METADATA, KEYS])
@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
async def test_an_answer_that_cannot_be_used_leaves_sign_in_undecided(verifier, provider, path, answer):
    provider.answers[path] = answer
    with pytest.raises(IdentityProviderDown):
        await verifier.verify(provider.token())


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
async def test_an_answer_that_cannot_be_used_keeps_the_cached_keys(verifier, provider, clock, answer):
    token = provider.token()
    assert await verifier.verify(token)
    provider.answers[KEYS] = answer
    clock.now += 601
    assert await verifier.verify(token)


@pytest.mark.parametrize("path", [METADATA, KEYS])
async def test_a_redirect_is_not_followed(verifier, provider, path):
    with identity_provider() as other:
        provider.answers[path] = (302, {"Location": other.url + path}, b"")
        with pytest.raises(IdentityProviderDown):
            await verifier.verify(provider.token())
        assert other.requested == []


@pytest.mark.parametrize("issuer", ["https://idp.example.com", "", None, 5])
async def test_metadata_of_another_issuer_is_not_used(verifier, provider, issuer):
    provider.answers[METADATA] = (200, {}, json.dumps({"issuer": issuer, "jwks_uri": provider.url + KEYS}).encode())
    with pytest.raises(IdentityProviderDown):
        await verifier.verify(provider.token())
    assert KEYS not in provider.requested


@pytest.mark.parametrize("url", ["http://idp.example.com/keys", "file:///etc/passwd", "//x", "", 5, "https://a@b/keys"])
async def test_metadata_with_an_unsafe_address_is_not_used(verifier, provider, url):
    provider.answers[METADATA] = (200, {}, json.dumps({"issuer": provider.issuer, "jwks_uri": url}).encode())
    with pytest.raises(IdentityProviderDown):
        await verifier.verify(provider.token())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/keys", "https://localhost/keys", "https://[::ffff:127.0.0.1]/keys"]
)
async def test_the_metadata_of_a_remote_issuer_names_no_local_address(url):
    asked = []

    async def fetch(address):
        asked.append(address)
        return {"issuer": "https://idp.example.com", "jwks_uri": url}

    with pytest.raises(IdentityProviderDown):
        await Jwks("https://idp.example.com", None, ["ES256"], fetch=fetch).find("any", "ES256")
    assert url not in asked


async def test_metadata_is_found_by_rfc_8414_as_well(verifier, provider):
    provider.answers[OAUTH_METADATA] = provider._answer(METADATA)
    provider.answers[METADATA] = (404, {}, b"")
    assert await verifier.verify(provider.token())


def test_where_the_metadata_of_an_issuer_with_a_path_is():
    assert metadata_urls("https://idp.example.com/tenant/") == (
        "https://idp.example.com/tenant/.well-known/openid-configuration",
        "https://idp.example.com/.well-known/oauth-authorization-server/tenant",
    )


async def test_a_named_jwks_address_needs_no_metadata(provider):
    settings = OidcSettings(provider.issuer, AUDIENCE, jwks_url=provider.url + KEYS)
    verifier = JwtVerifier(settings)
    assert await verifier.verify(provider.token())
    assert provider.requested == [KEYS]
    await verifier.close()


async def test_keys_for_encryption_and_keys_of_another_algorithm_verify_nothing(provider):
    jwk = provider.key.jwk
    for change in ({"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "ES384"}, {"kid": 7}, {"x": "A" * 2_000}):
        rows = json.dumps({"keys": [{**jwk, **change}]}).encode()
        provider.answers[KEYS] = (200, {}, rows)
        verifier = JwtVerifier(OidcSettings(provider.issuer, AUDIENCE))
        with pytest.raises(IdentityProviderDown):
            await verifier.verify(provider.token())
        await verifier.close()


async def test_a_private_key_that_is_published_by_mistake_still_verifies(verifier, provider):
    private = {**provider.key.jwk, "d": "AAAA"}
    provider.answers[KEYS] = (200, {}, json.dumps({"keys": [private]}).encode())
    assert await verifier.verify(provider.token())


async def test_only_the_first_100_keys_are_read(verifier, provider):
    filler = [{**provider.key.jwk, "kid": f"filler-{number}"} for number in range(100)]
    provider.answers[KEYS] = (200, {}, json.dumps({"keys": [*filler, provider.key.jwk]}).encode())
    assert await verifier.verify(provider.token()) is None


async def test_an_answer_that_is_no_http_leaves_sign_in_undecided(clock):
    with listening(answering(b"\x00\xff garbage\r\n\r\n")) as server:
        issuer = f"http://127.0.0.1:{server.port}"
        jwks = Jwks(issuer, None, ["ES256"], clock=clock)
        with pytest.raises(IdentityProviderDown):
            await jwks.find("any", "ES256")


async def test_closing_ends_a_refresh_that_is_under_way():
    hanging = IdentityProvider()
    try:
        hanging.hang(5)
        jwks = Jwks(hanging.issuer, None, ["ES256"])
        waiting = asyncio.create_task(jwks.find("any", "ES256"))
        await asyncio.to_thread(hanging.hanging.wait, 5)
        await jwks.close()
        with pytest.raises(IdentityProviderDown):
            await waiting
    finally:
        hanging.close()
