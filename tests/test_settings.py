"""The environment's variables, and how each is read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from incident_mcp.errors import SettingError
from incident_mcp.settings import INCIDENTIO_URL, IONHOUR_URL, Settings

USER = "user:secret"
UNSET = ("", "  ", "\t\n", "${user_config.x}", "${user_config.incidentio_api_key}", " ${INCIDENTIO_API_KEY} ")
VARIABLES = (
    "INCIDENTIO_API_KEY",
    "INCIDENT_API_KEY",
    "INCIDENTIO_API_URL",
    "IONHOUR_API_KEY",
    "IONHOUR_API_URL",
    "IONHOUR_WORKSPACE_ID",
    "INCIDENT_MCP_READ_ONLY",
    "INCIDENT_MCP_TOOLSETS",
    "INCIDENT_MCP_STATE_DIR",
    "INCIDENT_MCP_SANDBOX",
    "INCIDENT_MCP_CONFIRM",
    "INCIDENT_MCP_ME",
    "INCIDENT_MCP_IGNORE_ARGUMENTS",
    "INCIDENT_MCP_MAX_DECLARES",
    "INCIDENT_MCP_MAX_WRITES",
    "INCIDENT_MCP_STALE_MINUTES",
    "INCIDENT_MCP_AUDIT_LOG",
    "INCIDENT_MCP_RECORD",
)
READ: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"INCIDENTIO_API_KEY": "a"}, {"incidentio_key": SecretStr("a")}),
    ({"INCIDENT_API_KEY": "b"}, {"incidentio_key": SecretStr("b")}),
    ({"INCIDENTIO_API_KEY": "a", "INCIDENT_API_KEY": "b"}, {"incidentio_key": SecretStr("a")}),
    ({"INCIDENTIO_API_KEY": "", "INCIDENT_API_KEY": "b"}, {"incidentio_key": SecretStr("b")}),
    ({"INCIDENTIO_API_KEY": "${user_config.k}", "INCIDENT_API_KEY": "b"}, {"incidentio_key": SecretStr("b")}),
    ({"INCIDENTIO_API_KEY": " a\n"}, {"incidentio_key": SecretStr("a")}),
    ({"IONHOUR_API_KEY": "c"}, {"ionhour_key": SecretStr("c")}),
    ({"IONHOUR_WORKSPACE_ID": "12"}, {"ionhour_workspace_id": 12}),
    ({"INCIDENT_MCP_TOOLSETS": " core , all,"}, {"toolsets": ("core", "all")}),
    ({"INCIDENT_MCP_TOOLSETS": "all"}, {"toolsets": ("all",)}),
    ({"INCIDENT_MCP_STATE_DIR": "state"}, {"state_dir": Path("state")}),
    *[({"INCIDENT_MCP_READ_ONLY": yes}, {"read_only": True}) for yes in ("1", "true", "TRUE", "yes", "On")],
    *[({"INCIDENT_MCP_READ_ONLY": no}, {"read_only": False}) for no in ("0", "false", "No", "off", "")],
    ({"INCIDENT_MCP_SANDBOX": "1"}, {"sandbox": True}),
    *[({"INCIDENT_MCP_CONFIRM": value}, {"confirm": value.lower()}) for value in ("never", "Destructive", "WRITES")],
    ({"INCIDENT_MCP_ME": " Sam.Okafor@paysand.example "}, {"me": "Sam.Okafor@paysand.example"}),
    ({"INCIDENT_MCP_IGNORE_ARGUMENTS": "sessionId, x ,,"}, {"ignore_arguments": ("sessionId", "x")}),
    ({"INCIDENT_MCP_IGNORE_ARGUMENTS": ","}, {"ignore_arguments": ()}),
    ({"INCIDENT_MCP_MAX_DECLARES": "0", "INCIDENT_MCP_MAX_WRITES": "7"}, {"max_declares": 0, "max_writes": 7}),
    ({"INCIDENT_MCP_STALE_MINUTES": "15"}, {"stale_minutes": 15}),
    ({"INCIDENT_MCP_AUDIT_LOG": "audit.jsonl"}, {"audit_log": Path("audit.jsonl")}),
    ({"INCIDENT_MCP_RECORD": "recording.jsonl"}, {"record": Path("recording.jsonl")}),
    ({"INCIDENT_MCP_RECORD": " "}, {"record": None}),
]
INCIDENTIO_URLS = {
    "https://api.incident.io/": INCIDENTIO_URL,
    "https://proxy.example/incidentio//": "https://proxy.example/incidentio",
    "http://localhost:8080": "http://localhost:8080",
    "http://127.0.0.1:8080/incidentio": "http://127.0.0.1:8080/incidentio",
    "http://[::1]:8080/": "http://[::1]:8080",
}
IONHOUR_URLS = {
    "https://api.ionhour.com": IONHOUR_URL,
    "https://api.ionhour.com/": IONHOUR_URL,
    "https://api.ionhour.com/api": IONHOUR_URL,
    "https://api.ionhour.com/api/": IONHOUR_URL,
    "https://api.ionhour.com/api/api": IONHOUR_URL,
    "https://api.ionhour.com/api/api//": IONHOUR_URL,
    "https://api.ionhour.com//api//api/": IONHOUR_URL,
    "http://127.0.0.1:9000/ionhour": "http://127.0.0.1:9000/ionhour/api",
}
REFUSED = [
    ({"INCIDENTIO_API_URL": "http://api.incident.io"}, "INCIDENTIO_API_URL is plain http"),
    ({"INCIDENTIO_API_URL": "http://127.0.0.1.example"}, "INCIDENTIO_API_URL is plain http"),
    ({"IONHOUR_API_URL": "http://api.ionhour.com/api"}, "IONHOUR_API_URL is plain http"),
    ({"IONHOUR_API_URL": "https://mcp.ionhour.com"}, "IONHOUR_API_URL points to an MCP endpoint"),
    ({"IONHOUR_API_URL": "https://MCP.ionhour.com/api"}, "IONHOUR_API_URL points to an MCP endpoint"),
    ({"INCIDENTIO_API_URL": "api.incident.io"}, "INCIDENTIO_API_URL takes an address"),
    ({"INCIDENTIO_API_URL": "ftp://api.incident.io"}, "INCIDENTIO_API_URL takes an address"),
    ({"INCIDENTIO_API_URL": "https://"}, "INCIDENTIO_API_URL takes an address"),
    ({"INCIDENTIO_API_URL": f"https://{USER}@api.incident.io"}, "INCIDENTIO_API_URL takes an address without"),
    ({"INCIDENTIO_API_URL": "https://api.incident.io?key=secret"}, "INCIDENTIO_API_URL takes an address without"),
    ({"INCIDENTIO_API_URL": "https://[api.incident.io"}, "INCIDENTIO_API_URL takes an address"),
    ({"IONHOUR_API_URL": "https://api.ionhour.com:port"}, "IONHOUR_API_URL takes an address"),
    ({"IONHOUR_WORKSPACE_ID": "main"}, "IONHOUR_WORKSPACE_ID takes a whole number"),
    ({"IONHOUR_WORKSPACE_ID": "-1"}, "IONHOUR_WORKSPACE_ID takes a whole number"),
    ({"IONHOUR_WORKSPACE_ID": "²"}, "IONHOUR_WORKSPACE_ID takes a whole number"),
    ({"INCIDENT_MCP_READ_ONLY": "maybe"}, "INCIDENT_MCP_READ_ONLY takes one of"),
    ({"INCIDENT_MCP_SANDBOX": "2"}, "INCIDENT_MCP_SANDBOX takes one of"),
    ({"INCIDENT_MCP_CONFIRM": "always"}, "INCIDENT_MCP_CONFIRM takes one of never, destructive, writes"),
    ({"INCIDENT_MCP_ME": "Sam Okafor"}, "INCIDENT_MCP_ME takes an email address"),
    ({"INCIDENT_MCP_ME": "secret"}, "INCIDENT_MCP_ME takes an email address"),
    ({"INCIDENT_MCP_ME": "<a@b.example>"}, "INCIDENT_MCP_ME takes an email address"),
    ({"INCIDENT_MCP_ME": "a@b@c.example"}, "INCIDENT_MCP_ME takes an email address"),
    ({"INCIDENT_MCP_MAX_DECLARES": "-1"}, "INCIDENT_MCP_MAX_DECLARES takes a whole number"),
    ({"INCIDENT_MCP_MAX_WRITES": "1_0"}, "INCIDENT_MCP_MAX_WRITES takes a whole number"),
    ({"INCIDENT_MCP_STALE_MINUTES": "1e3"}, "INCIDENT_MCP_STALE_MINUTES takes a whole number"),
    ({"INCIDENTIO_API_KEY": "secret\nX-Header: 1"}, "INCIDENTIO_API_KEY holds a character"),
    ({"INCIDENTIO_API_KEY": "Bearer secret"}, "INCIDENTIO_API_KEY holds a character"),
    ({"IONHOUR_API_KEY": "secrét"}, "IONHOUR_API_KEY holds a character"),
]


def test_an_empty_environment_gives_the_defaults():
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.incidentio_url == INCIDENTIO_URL
    assert settings.ionhour_url == IONHOUR_URL
    assert not settings.read_only
    assert not settings.sandbox
    assert settings.toolsets is None


@pytest.mark.parametrize("value", UNSET)
@pytest.mark.parametrize("name", VARIABLES)
def test_a_blank_value_or_a_hosts_unfilled_setting_counts_as_unset(name, value):
    assert Settings.from_env({name: value}) == Settings()


@pytest.mark.parametrize(("env", "expected"), READ)
def test_a_value_is_read(env, expected):
    assert Settings.from_env(env) == replace(Settings(), **expected)


@pytest.mark.parametrize(("given", "expected"), INCIDENTIO_URLS.items())
def test_incidentios_address_is_read_without_slashes_at_the_end(given, expected):
    assert Settings.from_env({"INCIDENTIO_API_URL": given}).incidentio_url == expected


@pytest.mark.parametrize(("given", "expected"), IONHOUR_URLS.items())
def test_ionhours_address_ends_in_one_api_however_it_is_written(given, expected):
    assert Settings.from_env({"IONHOUR_API_URL": given}).ionhour_url == expected


@pytest.mark.parametrize(("env", "text"), REFUSED)
def test_a_value_that_cannot_be_used_is_refused_by_name_and_secrets_are_not_repeated(env, text):
    with pytest.raises(SettingError) as refused:
        Settings.from_env(env)
    assert text in str(refused.value)
    assert "secr" not in str(refused.value)


def test_the_command_line_can_ask_for_the_sandbox():
    assert Settings.from_env({}, sandbox=True).sandbox


def test_a_home_folder_is_found_for_the_state():
    assert Settings.from_env({"INCIDENT_MCP_STATE_DIR": "~/state"}).state_dir == Path.home() / "state"


def test_keys_are_not_in_the_text_of_the_settings():
    settings = Settings.from_env({"INCIDENTIO_API_KEY": "inc_abcdef", "IONHOUR_API_KEY": "ionh_abcdef"})
    for text in (repr(settings), str(settings), f"{settings}"):
        assert "abcdef" not in text


PLACEHOLDERS = (
    *("null", "NULL", "None", "nil", "undefined", '"null"', "'None'", '""', "''", "``", "\u201c\u201d"),
    *("$INCIDENTIO_API_KEY", "$env:INCIDENTIO_API_KEY", "$(pass incident.io)", "%INCIDENTIO_API_KEY%", '"$X"', "'%X%'"),
    *("${env:X}", "${input:incidentio}", "${INCIDENTIO_API_KEY:-}", "{{X}}", "{{ X }}", "{X}"),
    *("your key", "your-api-key", "YOUR_INCIDENTIO_API_KEY", "your incident.io key", "<your key>", "<YOUR-API-KEY>"),
    *("xxx", "xxxxxxxx", "***", "...", "…", "changeme", "change-me", "paste your key here", "TODO"),
)


SAFETY = ("INCIDENT_MCP_READ_ONLY", "INCIDENT_MCP_CONFIRM")


@pytest.mark.parametrize("value", ["$READ_ONLY", "%READ_ONLY%", "null", "TODO"])
@pytest.mark.parametrize("name", SAFETY)
def test_a_placeholder_turns_no_safety_switch_off(name, value):
    with pytest.raises(SettingError, match=f"{name} takes one of"):
        Settings.from_env({name: value})


@pytest.mark.parametrize("value", PLACEHOLDERS)
@pytest.mark.parametrize("name", [name for name in VARIABLES if name not in SAFETY])
def test_a_placeholder_in_any_variable_counts_as_unset(name, value):
    assert Settings.from_env({name: value}) == Settings()


@pytest.mark.parametrize(
    "value",
    ['"inc_secret"', "'inc_secret'", '"inc_secret', "inc_secret'", "`inc_secret`", "“inc_secret”", ' " inc_secret " '],
)
@pytest.mark.parametrize("name", ["INCIDENTIO_API_KEY", "INCIDENT_API_KEY", "IONHOUR_API_KEY"])
def test_a_key_in_quotes_counts_as_unset_and_the_reason_names_it(name, value):
    settings = Settings.from_env({name: value})
    assert settings == Settings()
    assert (
        settings.why_no_key("ionhour" if "IONHOUR" in name else "incidentio")
        == f"{name} is in quotes: it counts as not set"
    )
    assert "secret" not in repr(settings)


def test_another_setting_is_read_without_its_quotes():
    env = {"INCIDENT_MCP_READ_ONLY": '"true"', "INCIDENT_MCP_MAX_WRITES": "'7'", "INCIDENT_MCP_STATE_DIR": '"it\'s"'}
    assert Settings.from_env(env) == Settings(read_only=True, max_writes=7, state_dir=Path("it's"))


@pytest.mark.parametrize("key", ["inc_null", "null0", "nonesuch", "a$X", "50%", "yourself", "inc-your-key-1", "xx1xx"])
def test_a_key_that_holds_a_placeholder_s_word_is_a_key(key):
    assert Settings.from_env({"IONHOUR_API_KEY": key}).ionhour_key == SecretStr(key)


def test_a_variable_of_somebody_else_is_not_read():
    assert Settings.from_env({"INCIDENT_ID": "null", "INCIDENTS": '"x"', "PATH": "$X"}).unfilled == {}
