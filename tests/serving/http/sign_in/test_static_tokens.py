"""Static tokens: the file, its changes while a server runs, and what is refused."""

import json
import os
import secrets
from datetime import timedelta

import pytest

from incident_mcp.errors import SettingError
from incident_mcp.records.clock import utc_now
from incident_mcp.serving.http.sign_in import SignIn, static_tokens
from incident_mcp.serving.http.sign_in.token_file import (
    MAX_ROWS,
    PREFIX,
    TokenFileError,
    add_token,
    hash_token,
    read_tokens,
    revoke_token,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens.json"


@pytest.fixture
def token(path):
    return add_token(path, "ci", "responder")


@pytest.fixture
def sign_in(path, token):
    assert token
    return SignIn.from_settings(path, None)


def rewrite(path, text):
    path.write_text(text, encoding="utf-8")


async def test_a_token_signs_in_by_its_name_with_its_role(sign_in, token):
    found = await sign_in.verify_token(token)
    assert (found.token, found.subject, found.scopes) == ("", "ci", ["reader", "responder"])
    assert found.claims == {"iss": "incident-mcp:tokens", "role": "responder", "name": "ci"}


async def test_the_file_holds_only_the_hash_and_is_private(path, token):
    assert token.startswith(PREFIX)
    assert token.removeprefix(PREFIX) not in path.read_text()
    assert hash_token(token) in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_thousand_guesses_are_refused_and_none_is_logged(sign_in, token, caplog):
    guesses = [PREFIX + secrets.token_urlsafe(32) for _ in range(997)] + [token[:-1], token + "A", token.upper()]
    for guess in guesses:
        assert await sign_in.verify_token(guess) is None
    assert await sign_in.verify_token(token)
    assert PREFIX not in caplog.text


@pytest.mark.parametrize("text", ["", PREFIX, PREFIX * 10_000, "\ud800", PREFIX + "\ud800", "a.b.c"])
async def test_what_is_no_token_is_refused(sign_in, text):
    assert await sign_in.verify_token(text) is None


async def test_a_new_token_is_accepted_without_a_restart(sign_in, path):
    new = add_token(path, "other", "pager")
    assert (await sign_in.verify_token(new)).scopes == ["reader", "responder", "pager"]


async def test_a_revoked_token_is_refused_without_a_restart(sign_in, path, token):
    assert await sign_in.verify_token(token)
    revoke_token(path, "ci")
    assert await sign_in.verify_token(token) is None


async def test_a_token_expires_at_its_instant(path):
    past = add_token(path, "past", "reader", utc_now() - timedelta(seconds=1))
    future = add_token(path, "future", "reader", utc_now() + timedelta(days=1))
    sign_in = SignIn.from_settings(path, None)
    assert await sign_in.verify_token(past) is None
    assert (await sign_in.verify_token(future)).expires_at > 0


@pytest.mark.parametrize(
    "broken", ["{", "[]", '{"tokens": [{}]}', '{"tokens": 1}', "[" * 100_000, '{"tokens": [1e999]}']
)
async def test_a_malformed_file_keeps_the_tokens_for_an_hour_and_reports_it_once(
    sign_in, path, token, broken, caplog, monkeypatch
):
    rewrite(path, broken)
    for _ in range(3):
        assert await sign_in.verify_token(token)
    assert "malformed" in await sign_in.ready()
    assert len([each for each in caplog.records if "malformed" in each.message]) == 1
    monkeypatch.setattr(static_tokens, "KEPT_SECONDS", 0.0)
    assert await sign_in.verify_token(token) is None


async def test_a_repaired_file_counts_again(sign_in, path, token):
    good = path.read_text()
    rewrite(path, "{")
    assert await sign_in.ready()
    rewrite(path, good)
    assert await sign_in.verify_token(token)
    assert await sign_in.ready() is None


async def test_a_token_revoked_while_the_file_was_malformed_is_refused_after_the_repair(sign_in, path, token):
    rewrite(path, "{")
    assert await sign_in.verify_token(token)
    rewrite(path, '{"tokens": []}')
    assert await sign_in.verify_token(token) is None


async def test_without_its_file_no_token_is_accepted(sign_in, path, token):
    path.unlink()
    assert await sign_in.verify_token(token) is None
    assert "does not exist" in await sign_in.ready()


async def test_a_file_that_was_moved_away_and_back_counts_again(sign_in, path, token):
    away = path.rename(path.with_suffix(".away"))
    assert await sign_in.verify_token(token) is None
    away.rename(path)
    assert await sign_in.verify_token(token)
    assert await sign_in.ready() is None


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
async def test_a_file_that_others_can_access_is_reported_while_the_server_runs(sign_in, path, token):
    path.chmod(0o666)
    assert await sign_in.verify_token(token)
    assert "chmod 600" in await sign_in.ready()
    path.chmod(0o600)
    assert await sign_in.ready() is None


async def test_a_large_file_is_not_read(sign_in, path):
    rewrite(path, " " * 1_000_001)
    assert "larger than" in await sign_in.ready()


def test_a_file_has_a_limited_number_of_rows(path, token):
    assert token
    row = json.loads(path.read_text())["tokens"][0]
    rewrite(path, json.dumps({"tokens": [{**row, "name": f"n{number}"} for number in range(MAX_ROWS + 1)]}))
    with pytest.raises(SettingError, match="more than 1000"):
        SignIn.from_settings(path, None)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "admin"},
        {"name": "a\nb"},
        {"name": ""},
        {"sha256": "0"},
        {"created_at": "yesterday"},
        {"expires_at": "2026-01-01T00:00:00"},
        {"expires_at": 5},
        {"created_at": "0001-01-01T00:00:00+23:59"},
        {"expires_at": "9999-12-31T23:59:59-05:00"},
    ],
    ids=str,
)
def test_a_row_that_is_not_as_written_is_refused_at_the_start(path, token, change):
    assert token
    row = json.loads(path.read_text())["tokens"][0]
    rewrite(path, json.dumps({"tokens": [{**row, **change}]}))
    with pytest.raises(SettingError, match="malformed"):
        SignIn.from_settings(path, None)


def test_a_name_is_given_once(path, token):
    assert token
    with pytest.raises(TokenFileError, match="already holds"):
        add_token(path, "ci", "reader")
    row = json.loads(path.read_text())["tokens"][0]
    rewrite(path, json.dumps({"tokens": [row, row]}))
    with pytest.raises(SettingError, match="same name twice"):
        SignIn.from_settings(path, None)
    rewrite(path, json.dumps({"tokens": [row, {**row, "name": "other", "role": "pager"}]}))
    with pytest.raises(SettingError, match="same sha256 twice"):
        SignIn.from_settings(path, None)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_can_access_stops_the_start(path, token, mode):
    assert token
    path.chmod(mode)
    with pytest.raises(SettingError, match="chmod 600"):
        SignIn.from_settings(path, None)


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX")
def test_a_pipe_is_refused_at_once(path):
    os.mkfifo(path, 0o600)
    with pytest.raises(SettingError, match="not a regular file"):
        SignIn.from_settings(path, None)


def test_a_missing_file_stops_the_start(path):
    with pytest.raises(SettingError, match="token new"):
        SignIn.from_settings(path, None)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a\u202eb", "x" * 65, "../x"])
def test_a_name_is_plain(path, name):
    with pytest.raises(TokenFileError, match="name takes"):
        add_token(path, name, "reader")


def test_a_link_to_the_file_stays_a_link(path, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(path)
    add_token(link, "ci", "reader")
    assert link.is_symlink()
    assert [row.name for row in read_tokens(path)[1]] == ["ci"]


def test_a_folder_that_is_none_is_reported(tmp_path):
    (tmp_path / "none").touch()
    with pytest.raises(TokenFileError, match="cannot be"):
        add_token(tmp_path / "none" / "tokens.json", "ci", "reader")
