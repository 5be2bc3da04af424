"""Settings of the server, and files with keys, that are refused or read."""

import os
from pathlib import Path

import pytest

from incident_mcp.errors import SettingError
from incident_mcp.serving.http.app import make_app
from incident_mcp.serving.http.files import WatchedFile, read_key
from incident_mcp.serving.http.settings import ServerSettings, server_settings
from incident_mcp.settings import Settings
from tests.serving.http.in_process import tokens, write

BEHIND = {"INCIDENT_MCP_PUBLIC_URL": "https://incidents.example.com/mcp"}


@pytest.mark.parametrize(
    ("environ", "host", "named"),
    [
        ({}, "0.0.0.0", "INCIDENT_MCP_TOKENS_FILE"),  # noqa: S104  # what is refused
        ({"INCIDENT_MCP_TOKENS_FILE": "tokens.json"}, "0.0.0.0", "INCIDENT_MCP_ALLOWED_HOSTS"),  # noqa: S104  # likewise
        ({"INCIDENT_MCP_TOKENS_FILE": "tokens.json", **BEHIND}, "::", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_REDIS_URL": "redis://127.0.0.1"}, "127.0.0.1", "INCIDENT_MCP_SECRET"),
        ({"INCIDENT_MCP_REDIS_URL": "$REDIS_URL"}, "127.0.0.1", "INCIDENT_MCP_REDIS_URL"),
        ({"INCIDENT_MCP_TOKENS_FILE": "<path>"}, "127.0.0.1", "INCIDENT_MCP_TOKENS_FILE"),
        ({"INCIDENT_MCP_KEYS_FILE": "keys.json"}, "127.0.0.1", "INCIDENT_MCP_KEYS_FILE"),
        ({"INCIDENT_MCP_OIDC_AUDIENCE": "x"}, "127.0.0.1", "INCIDENT_MCP_OIDC_ISSUER"),
        ({"INCIDENT_MCP_PUBLIC_URL": "http://incidents.example.com/mcp"}, "127.0.0.1", "INCIDENT_MCP_PUBLIC_URL"),
        ({"INCIDENT_MCP_RECORD": "calls"}, "127.0.0.1", "INCIDENT_MCP_RECORD"),
        ({"IONHOUR_API_KEY": "x", "IONHOUR_API_KEY_FILE": "y"}, "127.0.0.1", "IONHOUR_API_KEY_FILE"),
        ({"INCIDENT_API_KEY": "x", "INCIDENTIO_API_KEY_FILE": "y"}, "127.0.0.1", "INCIDENT_API_KEY"),
        ({"INCIDENT_MCP_ROLE_CLAIM": "groups"}, "127.0.0.1", "INCIDENT_MCP_OIDC_ISSUER"),
        ({"INCIDENT_MCP_AUDIT_LOG": "${LOG}"}, "127.0.0.1", "INCIDENT_MCP_AUDIT_LOG"),
        ({"INCIDENT_MCP_LOG_FORMAT": "${FORMAT}"}, "127.0.0.1", "INCIDENT_MCP_LOG_FORMAT"),
        (BEHIND, "127.0.0.1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": ","}, "localhost", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": "https://incidents.example.com"}, "::1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": "*.example.com"}, "::1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": "::1"}, "::1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": "*"}, "::1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": "127.0.0.1:99999"}, "::1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": "[1.2]"}, "::1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_ORIGINS": "inspector.example.com"}, "::1", "INCIDENT_MCP_ALLOWED_ORIGINS"),
        ({"INCIDENT_MCP_ALLOWED_ORIGINS": "https://x.example/path"}, "::1", "INCIDENT_MCP_ALLOWED_ORIGINS"),
        ({"INCIDENT_MCP_ALLOWED_ORIGINS": "https://*.example"}, "::1", "INCIDENT_MCP_ALLOWED_ORIGINS"),
    ],
    ids=str,
)
def test_settings_that_would_leave_the_server_open_or_contradict_each_other_are_refused(
    environ: dict[str, str], host: str, named: str
) -> None:
    with pytest.raises(SettingError, match=named):
        server_settings(environ)[1].check_reach(host)


def test_origins_are_compared_as_browsers_write_them() -> None:
    written = {
        "INCIDENT_MCP_ALLOWED_ORIGINS": "HTTPS://Inspector.Example.com:443/, http://[::1]:80, http://localhost:6274"
    }
    origins = ("https://inspector.example.com", "http://[::1]", "http://localhost:6274")
    assert server_settings(written)[1].allowed_origins == origins


@pytest.mark.parametrize(
    ("content", "key", "why"),
    [
        ("abc", "abc", ""),
        (" abc\r\n", "abc", ""),
        (' "abc"\n', None, "is in quotes"),
        ("'abc", None, "is in quotes"),
        ("${KEY}", None, "a placeholder"),
        ("your key\n", None, "a placeholder"),
        ("a\nb", None, "a character that no API key has"),
        (" \n", None, "is empty"),
    ],
)
def test_what_a_key_file_holds_is_read_like_a_variable(content: str, key: str | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(content, "utf-8")
    file.chmod(0o600)
    if key is None:
        with pytest.raises(SettingError, match=f"^INCIDENTIO_API_KEY_FILE.*{why}"):
            WatchedFile("INCIDENTIO_API_KEY_FILE", file, read_key("INCIDENTIO_API_KEY_FILE"))
    else:
        assert WatchedFile("INCIDENTIO_API_KEY_FILE", file, read_key("INCIDENTIO_API_KEY_FILE")).value == key


def test_a_file_with_keys_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("x", "utf-8")
    file.chmod(0o644)
    if os.name == "nt":
        pytest.skip("modes of files do not tell there")
    with pytest.raises(SettingError, match="INCIDENTIO_API_KEY_FILE"):
        make_app(Settings(), ServerSettings(key_files={"incidentio": file}))


BAD_KEYS = ["", "[]", "null", "7", '{"a": null}', '{"a": {"incidentio": ""}}', '{"a": {"incidentio": "x y"}}']


BAD_KEYS += ['{"a": {"incidentio": 7}}', '{"a": {"key": "x"}}', '{"a": {"me": null}}', "[" * 5_000, "1" * 1_000_001]


@pytest.mark.parametrize("content", BAD_KEYS, ids=lambda text: text[:24])
def test_keys_of_persons_that_cannot_be_read_stop_the_start_and_are_not_repeated(content: str, tmp_path: Path) -> None:
    environ, _ = tokens(tmp_path, ada="reader")
    file = write(tmp_path / "keys.json", content)
    with pytest.raises(SettingError, match="INCIDENT_MCP_KEYS_FILE") as refused:
        make_app(*server_settings({**environ, "INCIDENT_MCP_KEYS_FILE": file}))
    assert "x y" not in str(refused.value)


def test_a_pipe_in_place_of_a_file_does_not_hold_up_the_start(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(SettingError, match="not a file"):
        make_app(Settings(), ServerSettings(key_files={"incidentio": pipe}))
