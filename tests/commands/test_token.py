"""`incident-mcp token`: what it prints where, and its exit codes."""

import os
import re
from datetime import timedelta

import pytest

from incident_mcp.commands.cli import main
from incident_mcp.serving.http.sign_in.token_file import PREFIX, hash_token, read_tokens


@pytest.fixture
def path(tmp_path, monkeypatch):
    path = tmp_path / "tokens.json"
    monkeypatch.setenv("INCIDENT_MCP_TOKENS_FILE", str(path))
    return path


def test_a_new_token_is_printed_alone_and_once(path, capsys):
    assert main(["token", "new", "--name", "ci", "--role", "responder", "--days", "90"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"{PREFIX}[\w-]{{43}}\n", out)
    assert "ci" in err
    assert "responder" in err
    assert out.strip() not in err
    (row,) = read_tokens(path)[1]
    assert (row.name, row.role, row.sha256) == ("ci", "responder", hash_token(out.strip()))
    assert 89.9 < (row.expires_at - row.created_at) / timedelta(days=1) <= 90


def test_a_list_shows_no_token_and_no_hash(path, capsys):
    main(["token", "new", "--name", "ci", "--role", "reader"])
    capsys.readouterr()
    assert main(["token", "list"]) == 0
    out = capsys.readouterr().out
    assert re.fullmatch(r"ci  reader  created \S+ \S+ UTC  does not expire\n", out)
    assert read_tokens(path)[1][0].sha256 not in out


def test_a_revoked_token_is_gone(path, capsys):
    main(["token", "new", "--name", "ci", "--role", "reader"])
    assert main(["token", "revoke", "--name", "ci"]) == 0
    assert read_tokens(path)[1] == ()
    assert main(["token", "revoke", "--name", "ci"]) == 2
    assert "no token with this name" in capsys.readouterr().err


def test_the_option_names_another_file(path, tmp_path):
    other = tmp_path / "other.json"
    assert main(["token", "new", "--name", "ci", "--role", "reader", "--file", str(other)]) == 0
    assert other.exists()
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["new", "--name", "a b", "--role", "reader"], "name takes"),
        (["new", "--name", "ci", "--role", "reader", "--days", "0"], "--days takes"),
        (["new", "--name", "ci", "--role", "reader", "--days", "99999999"], "--days takes"),
        (["list"], "does not exist"),
        (["revoke", "--name", "ci"], "no token"),
    ],
)
def test_what_cannot_be_done_is_explained(path, capsys, arguments, text):
    assert path
    assert main(["token", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err


def test_a_name_is_given_once(path, capsys):
    assert path
    main(["token", "new", "--name", "ci", "--role", "reader"])
    capsys.readouterr()
    assert main(["token", "new", "--name", "ci", "--role", "pager"]) == 2
    assert capsys.readouterr().out == ""


def test_without_a_file_the_variable_is_named(monkeypatch, capsys):
    monkeypatch.delenv("INCIDENT_MCP_TOKENS_FILE", raising=False)
    assert main(["token", "list"]) == 2
    assert "INCIDENT_MCP_TOKENS_FILE" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")  # noqa: PTH110
def test_a_token_that_could_not_be_printed_is_revoked_again(path):
    with open("/dev/full", "w") as full, pytest.MonkeyPatch.context() as patch:  # noqa: PTH123
        patch.setattr("sys.stdout", full)
        patch.setattr("incident_mcp.commands.cli.discard_stdout", lambda: None)
        assert main(["token", "new", "--name", "ci", "--role", "reader"]) == 1
        with pytest.raises(OSError, match="No space"):
            full.close()
    assert read_tokens(path)[1] == ()


@pytest.mark.parametrize("quote", ["'", '"'])
def test_the_variable_is_read_as_the_server_reads_it(quote, path, monkeypatch):
    monkeypatch.setenv("INCIDENT_MCP_TOKENS_FILE", f" {quote}{path}{quote}")
    assert main(["token", "new", "--name", "ci", "--role", "reader"]) == 0
    assert path.exists()


def test_a_placeholder_names_no_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INCIDENT_MCP_TOKENS_FILE", "${TOKENS}")
    assert main(["token", "new", "--name", "ci", "--role", "reader"]) == 2
    assert "placeholder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_revoking_in_a_file_that_is_missing_makes_no_file(tmp_path, capsys):
    assert main(["token", "revoke", "--name", "ci", "--file", str(tmp_path / "tokens.json")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
