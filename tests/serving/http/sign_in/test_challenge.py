"""What a client sees that has not signed in, and what an app sees of one that has."""

import re

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from incident_mcp.serving.http.sdk import get_access_token
from incident_mcp.serving.http.sign_in import (
    IdentityProviderDown,
    OidcSettings,
    SignIn,
    metadata_route,
    require_sign_in,
)
from incident_mcp.serving.http.sign_in.token_file import add_token
from tests.serving.http.identity_provider import AUDIENCE

pytestmark = pytest.mark.anyio
METADATA_URL = "https://incidents.example.com/.well-known/oauth-protected-resource/mcp"


async def whoami(scope, receive, send):
    principal = get_access_token()
    names = [name.decode() for name, _ in scope["headers"]]
    body = {"subject": principal.subject, "user": scope["user"].access_token.subject, "headers": names}
    body["scopes"] = list(scope["auth"].scopes)
    await JSONResponse(body)(scope, receive, send)


@pytest.fixture
async def sign_in(provider, tmp_path):
    path = tmp_path / "tokens.json"
    add_token(path, "other", "reader")
    sign_in = SignIn.from_settings(path, OidcSettings(provider.issuer, AUDIENCE))
    yield sign_in
    await sign_in.close()


@pytest.fixture
async def client(sign_in):
    async with connected(require_sign_in(whoami, sign_in, public_url=AUDIENCE)) as client:
        yield client


def connected(app):
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://incidents.example.com")


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def challenge(response):
    """Read the parameters of the challenge, which must be nothing but quoted strings."""
    header = response.headers["www-authenticate"]
    assert re.fullmatch(r'Bearer \w+="[^"\\]*"(, \w+="[^"\\]*")*', header)
    return dict(re.findall(r'(\w+)="([^"]*)"', header))


async def test_without_a_token_the_challenge_says_where_to_sign_in(client):
    response = await client.post("/mcp")
    assert response.status_code == 401
    assert challenge(response) == {"scope": "reader responder pager", "resource_metadata": METADATA_URL}


@pytest.mark.parametrize("value", ["Basic YTpi", "bearerx", "", "Token x"])
async def test_another_scheme_counts_as_no_token(client, value):
    response = await client.post("/mcp", headers={"Authorization": value})
    assert response.status_code == 401
    assert "error" not in challenge(response)


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer a b", "Bearer a, Bearer b", 'Bearer "a"', "Bearer a\tb"]
)
async def test_a_malformed_token_is_invalid(client, value):
    response = await client.post("/mcp", headers={"Authorization": value})
    assert response.status_code == 401
    assert challenge(response)["error"] == "invalid_token"


@pytest.mark.parametrize("value", [b"Bearer \xc3\xa9", b"Bearer \xff\xfe", b"Bearer " + b"a" * 1_000_000])
async def test_odd_and_long_headers_are_invalid(client, value, provider):
    response = await client.post("/mcp", headers=[(b"Authorization", value)])
    assert response.status_code == 401
    assert challenge(response)["error"] == "invalid_token"
    assert provider.requested == []


async def test_two_authorization_headers_are_refused(client, provider):
    headers = [("Authorization", f"Bearer {provider.token()}")] * 2
    assert (await client.post("/mcp", headers=headers)).status_code == 400


async def test_a_token_in_the_address_does_not_count(client, provider, caplog):
    caplog.set_level("WARNING", "httpx2")  # the client of the test logs its own address
    response = await client.post(f"/mcp?access_token={provider.token()}")
    assert response.status_code == 401


async def test_the_app_sees_the_principal_and_not_the_token(client, provider):
    response = await client.post("/mcp", headers=bearer(provider.token(sub="u-1")))
    seen = response.json()
    assert (seen["subject"], seen["user"], seen["scopes"]) == ("u-1", "u-1", ["reader", "responder"])
    assert "authorization" not in [name.lower() for name in seen["headers"]]
    assert get_access_token() is None


async def test_a_static_token_signs_in_beside_the_provider(sign_in, tmp_path):
    token = add_token(tmp_path / "tokens.json", "ci", "pager")
    async with connected(require_sign_in(whoami, sign_in, public_url=AUDIENCE)) as client:
        for scheme in ("Bearer", "bearer", "BEARER"):
            response = await client.post("/mcp", headers={"Authorization": f"{scheme} {token}"})
            assert response.json()["subject"] == "ci"


async def test_an_expired_token_is_invalid_and_not_logged(client, provider, caplog):
    token = provider.token(exp=1)
    response = await client.post("/mcp", headers=bearer(token))
    assert response.status_code == 401
    assert challenge(response)["error"] == "invalid_token"
    for part in token.split("."):
        assert part not in caplog.text
        assert part not in response.text


async def test_a_token_without_a_role_lacks_the_scope(client, provider):
    response = await client.post("/mcp", headers=bearer(provider.token(roles=None)))
    assert response.status_code == 403
    assert challenge(response)["error"] == "insufficient_scope"
    assert challenge(response)["scope"] == "reader responder pager"


async def test_without_the_provider_the_client_is_asked_to_try_again(client, provider):
    token = provider.token()
    provider.close()
    response = await client.post("/mcp", headers=bearer(token))
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert "www-authenticate" not in response.headers


async def test_what_the_settings_do_not_offer_is_refused(tmp_path, provider):
    path = tmp_path / "tokens.json"
    token = add_token(path, "ci", "reader")
    assert await SignIn.from_settings(path, None).verify_token(provider.token()) is None
    assert await SignIn.from_settings(None, None).verify_token(token) is None


class Down:
    async def verify_token(self, token):
        raise IdentityProviderDown(token)


@pytest.mark.parametrize(
    "public", ['https://a"b/mcp', "https://a/m\\cp", "https://a/\r\nX: y", "https://\u00e9.example/mcp"]
)
async def test_no_address_breaks_the_header(public):
    async with connected(require_sign_in(whoami, Down(), public_url=public)) as client:
        response = await client.post("/mcp")
        assert challenge(response)["resource_metadata"].isascii()
        assert "x" not in response.headers


async def test_web_sockets_are_closed():
    sent = []

    async def send(message):
        sent.append(message)

    await require_sign_in(whoami, Down(), public_url=AUDIENCE)({"type": "websocket"}, None, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("path", ["", "/", "/mcp"])
async def test_the_metadata_names_the_provider(path):
    app = Starlette(routes=[metadata_route(AUDIENCE, "https://idp.example.com/")])
    async with connected(app) as client:
        document = (await client.get(f"/.well-known/oauth-protected-resource{path}")).json()
    assert document == {
        "resource": AUDIENCE,
        "authorization_servers": ["https://idp.example.com/"],
        "scopes_supported": ["reader", "responder", "pager"],
        "bearer_methods_supported": ["header"],
        "resource_name": "incident-mcp",
    }


async def test_other_paths_have_no_metadata_and_static_tokens_name_no_provider():
    async with connected(Starlette(routes=[metadata_route(AUDIENCE, None)])) as client:
        assert (await client.get("/.well-known/oauth-protected-resource/other")).status_code == 404
        assert (await client.get("/.well-known/oauth-protected-resourcex")).status_code == 404
        document = (await client.get("/.well-known/oauth-protected-resource/mcp")).json()
    assert "authorization_servers" not in document
