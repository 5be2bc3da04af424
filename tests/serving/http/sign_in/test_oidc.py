"""JWTs of an identity provider: which are accepted, and which are not."""

import base64
import hashlib
import hmac
import json
import time

import pytest

from incident_mcp.errors import SettingError
from incident_mcp.serving.http.sign_in import OidcSettings, SignIn
from tests.serving.http.identity_provider import AUDIENCE, SigningKey, base64url, encode

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sign_in(provider):
    sign_in = SignIn.from_settings(None, OidcSettings(provider.issuer, AUDIENCE))
    yield sign_in
    await sign_in.close()


async def test_a_token_signs_in_the_user_with_the_role(sign_in, provider):
    token = provider.token(sub="u-7", preferred_username="alice@example.com", client_id="host", roles=["pager"])
    found = await sign_in.verify_token(token)
    assert (found.token, found.client_id, found.subject) == ("", "host", "u-7")
    assert found.scopes == ["reader", "responder", "pager"]
    assert found.claims == {"iss": provider.issuer, "role": "pager", "name": "alice@example.com"}


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_each_default_algorithm_is_accepted(sign_in, provider, algorithm):
    provider.rotate(algorithm)
    assert await sign_in.verify_token(provider.token())


async def test_a_token_without_a_role_is_valid_and_has_no_scopes(sign_in, provider):
    found = await sign_in.verify_token(provider.token(roles=["staff"]))
    assert (found.scopes, found.claims["role"]) == ([], None)


NOW = int(time.time())
WRONG_CLAIMS = {
    "expired": {"exp": NOW - 1},
    "without exp": {"exp": None},
    "exp as text": {"exp": str(NOW + 300)},
    "exp that is no number": {"exp": True},
    "infinite exp": {"exp": float("inf")},
    "exp NaN": {"exp": float("nan")},
    "not yet valid": {"nbf": NOW + 86_400},
    "issued in the future": {"iat": NOW + 86_400},
    "infinite nbf": {"nbf": float("inf")},
    "nbf as text": {"nbf": "1"},
    "nbf that is no number": {"nbf": True},
    "iat as text": {"iat": "1"},
    "iat in a list": {"iat": [1]},
    "wrong audience": {"aud": "https://other.example.com/mcp"},
    "audience with a slash": {"aud": AUDIENCE + "/"},
    "audiences without ours": {"aud": ["a", "b"]},
    "audiences of several types": {"aud": [AUDIENCE, 1]},
    "audience in another case": {"aud": AUDIENCE.upper()},
    "audience of another type": {"aud": {AUDIENCE: 1}},
    "without audience": {"aud": None},
    "wrong issuer": {"iss": "https://other.example.com"},
    "issuer of another type": {"iss": ["x"]},
    "without issuer": {"iss": None},
    "without subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject of another type": {"sub": 7},
    "subject with a line break": {"sub": "a\nb"},
    "subject with hidden characters": {"sub": "a\u202eb"},
    "long subject": {"sub": "x" * 256},
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
async def test_a_token_with_wrong_claims_is_refused(sign_in, provider, claims, caplog):
    token = provider.token(**claims)
    assert await sign_in.verify_token(token) is None
    assert token not in caplog.text


@pytest.mark.parametrize(
    "claims", [{"nbf": NOW + 45}, {"iat": NOW + 45}, {"aud": ["other", AUDIENCE]}], ids=["nbf", "iat", "aud"]
)
async def test_clocks_may_differ_and_audiences_may_be_several(sign_in, provider, claims):
    assert await sign_in.verify_token(provider.token(**claims))


WRONG_HEADERS = {
    "crit": {"crit": ["exp"], "exp": 1},
    "crit that a library knows": {"crit": ["b64"], "b64": True},
    "not encoded": {"b64": False, "crit": ["b64"]},
    "another kind": {"typ": "logout+jwt"},
    "kind of another type": {"typ": ["at+jwt"]},
    "kid of another type": {"kid": 1},
    "long kid": {"kid": "k" * 257},
    "unknown kid": {"kid": "unknown"},
    "unknown algorithm": {"alg": "XX"},
    "algorithm of another type": {"alg": ["ES256"]},
    "algorithm none": {"alg": "none"},
    "algorithm None": {"alg": "None"},
    "without algorithm": {"alg": None},
    "algorithm of another key": {"alg": "RS256"},
    "algorithm not allowed": {"alg": "ES384"},
}


@pytest.mark.parametrize("header", WRONG_HEADERS.values(), ids=WRONG_HEADERS)
async def test_a_token_with_a_wrong_header_is_refused(sign_in, provider, header):
    assert await sign_in.verify_token(provider.token(header=header)) is None


async def test_a_token_without_a_signature_is_refused(sign_in, provider):
    head, claims, _ = provider.token(header={"alg": "none"}).split(".")
    for unsigned in (f"{head}.{claims}.", f"{head}.{claims}", f"{head}..", "..", f"{head}.{claims}.AA"):
        assert await sign_in.verify_token(unsigned) is None


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
@pytest.mark.parametrize("form", ["pem", "jwk", "modulus"])
async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(sign_in, provider, algorithm, form):
    key = provider.rotate("RS256")
    modulus = base64.urlsafe_b64decode(key.jwk["n"] + "==")
    secret = {"pem": key.pem, "jwk": json.dumps(key.jwk).encode(), "modulus": modulus}[form]
    head, claims, _ = provider.token(header={"alg": algorithm}).split(".")
    signature = hmac.digest(secret, f"{head}.{claims}".encode(), getattr(hashlib, f"sha{algorithm[2:]}"))
    assert await sign_in.verify_token(f"{head}.{claims}.{base64url(signature)}") is None


async def test_the_kid_of_another_key_is_refused(sign_in, provider):
    first = provider.key
    provider.rotate()
    assert await sign_in.verify_token(provider.token(header={"kid": first.kid})) is None


async def test_a_key_that_the_token_brings_along_is_not_used(sign_in, provider):
    own = SigningKey(provider.key.kid)
    for header in ({"jwk": own.jwk}, {"jku": provider.url + "/own"}, {"x5u": provider.url + "/own"}, {"x5c": ["AA"]}):
        assert await sign_in.verify_token(provider.token(signed_by=own, header=header)) is None
        assert await sign_in.verify_token(provider.token(header=header))
    assert "/own" not in provider.requested


async def test_without_a_kid_the_only_key_of_the_algorithm_is_used(sign_in, provider):
    assert await sign_in.verify_token(provider.token(header={"kid": None}))
    provider.rotate()
    other = SignIn.from_settings(None, OidcSettings(provider.issuer, AUDIENCE))
    assert await other.verify_token(provider.token(header={"kid": None})) is None
    await other.close()


@pytest.mark.parametrize("claim", ["nonce", "at_hash", "c_hash", "events"])
async def test_an_id_token_is_refused_unless_it_says_that_it_is_an_access_token(sign_in, provider, claim):
    extra = {claim: "x"}
    assert await sign_in.verify_token(provider.token(header={"typ": "JWT"}, **extra)) is None
    assert await sign_in.verify_token(provider.token(header={"typ": None}, **extra)) is None
    for other in ({"typ": "ID"}, {"typ": "Refresh"}, {"token_use": "id"}):
        assert await sign_in.verify_token(provider.token(header={"typ": "JWT"}, **other)) is None
    assert await sign_in.verify_token(provider.token(header={"typ": "at+jwt"}, **extra))
    assert await sign_in.verify_token(provider.token(header={"typ": None}, typ="Bearer"))


async def test_a_long_token_is_refused_before_anything_reads_it(sign_in, provider):
    assert await sign_in.verify_token(provider.token(filler="x" * 9_000)) is None
    assert await sign_in.verify_token(provider.token(header={"filler": "x" * 1_000_000})) is None
    assert provider.requested == []


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.b", "a.b.c", "a.b.c.d", "\u00e9.b.c", "a b.c.d", "=.=.=", "e30.e30.e30", "W10.W10.W10"],
    ids=ascii,
)
async def test_what_is_no_jwt_is_refused(sign_in, provider, text):
    assert await sign_in.verify_token(text) is None
    assert provider.requested == []


async def test_deep_nesting_is_refused(sign_in, provider):
    deep = base64url(b"[" * 3_000)
    assert await sign_in.verify_token(f"{deep}.{encode({})}.AA") is None
    head = encode({"alg": "ES256", "kid": provider.key.kid})
    assert await sign_in.verify_token(f"{head}.{deep}.AA") is None


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "a@example.com"}, "a@example.com"),
        ({"preferred_username": 7, "name": "Alice"}, "Alice"),
        ({"name": "![x](http://example.com/a)\nadmin"}, "![x] (http://example.com/a) admin"),
        ({"name": "n" * 2_000}, "n" * 99 + "\u2026"),
        ({"name": " "}, "user-1"),
        ({}, "user-1"),
    ],
    ids=["email", "name", "markup", "long", "blank", "subject"],
)
async def test_the_name_is_short_and_inert(sign_in, provider, claims, name):
    assert (await sign_in.verify_token(provider.token(**claims))).claims["name"] == name


async def test_a_weak_key_is_not_used(sign_in, provider):
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    provider.key.private, provider.key.algorithm = rsa.generate_private_key(65537, 1024), "RS256"  # noqa: S505
    assert await sign_in.verify_token(provider.token()) is None


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"issuer": "http://idp.example.com"}, "OIDC_ISSUER"),
        ({"issuer": "idp.example.com"}, "OIDC_ISSUER"),
        ({"issuer": "https://idp.example.com?x=1"}, "OIDC_ISSUER"),
        ({"jwks_url": "file:///etc/passwd"}, "JWKS_URL"),
        ({"algorithms": ("HS256",)}, "ALGORITHMS"),
        ({"algorithms": ("RS256", "none")}, "ALGORITHMS"),
        ({"algorithms": ()}, "ALGORITHMS"),
        ({"audience": ""}, "AUDIENCE"),
        ({"role_claim": ""}, "ROLE_CLAIM"),
    ],
    ids=str,
)
def test_unsafe_settings_stop_the_start(settings, variable):
    usable = {"issuer": "https://idp.example.com", "audience": AUDIENCE}
    with pytest.raises(SettingError, match=variable):
        SignIn.from_settings(None, OidcSettings(**{**usable, **settings}))
