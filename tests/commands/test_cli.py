"""The command line: what it prints where, and its exit codes."""

import json
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from incident_mcp.catalogue import DISCOVERY, MOST_NAMED, TOOLS, TOOLSETS, select
from incident_mcp.commands.call import describe_write
from incident_mcp.commands.cli import main
from incident_mcp.records.tokens import count_tokens
from incident_mcp.settings import Settings
from tests.response.served import served
from tests.spawned import OURS, ROOT, SERVER, environment, run

PLANTED = "planted-for-the-test"


@dataclass
class Said:
    code: int
    out: str
    err: str


Shell = Callable[..., Said]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    """Run a command in this process: `shell("call", "--sandbox", "incidentio_list_types")`."""
    for name in environment(tmp_path):
        if name.startswith(OURS):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INCIDENT_MCP_STATE_DIR", str(tmp_path))

    def shell_(*arguments: str, **settings: str) -> Said:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        try:
            code = main(list(arguments))
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return shell_


def test_call_prints_the_answer_as_json_and_nothing_else(shell: Shell) -> None:
    said = shell("call", "--sandbox", "incidentio_get_incident", "incident=INC-114")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out)["reference"] == "INC-114"
    assert said.out.count("\n") == 1


def test_a_preview_of_one_sandbox_command_is_confirmed_by_the_next(shell: Shell) -> None:
    page = ("call", "--sandbox", "incidentio_page_people", "users=Yuki Tanaka")
    code = json.loads(shell(*page, "title=Help").out)["confirm"]
    sent = shell(*page, "title=Help", f"confirm={code}")
    assert (sent.code, sent.err) == (0, "")
    assert json.loads(sent.out)["outcome"].endswith("notified Yuki Tanaka")
    assert shell(*page, "title=Other", f"confirm={code}").code == 1


@pytest.mark.parametrize("options", [("--sandbox", "call"), ("call", "--sandbox")], ids=" ".join)
def test_sandbox_is_taken_before_and_after_the_command(shell: Shell, options: tuple[str, str]) -> None:
    assert shell(*options, "incidentio_list_types").code == 0


def test_pairs_carry_numbers_switches_and_json(shell: Shell) -> None:
    said = shell(
        "call",
        "--sandbox",
        "incidentio_create_incident",
        "name=Payouts stop = all of them",
        "severity=minor",
        'custom_fields={"Affected team": ["Payments"]}',
        "dry_run=true",
    )
    assert said.code == 0, said.err
    body = json.loads(said.out)["would_send"]["body"]
    assert body["name"] == "Payouts stop = all of them"
    assert body["custom_field_entries"]
    said = shell("call", "--sandbox", "incidentio_list_incidents", 'status_category=["live","triage"]', "limit=3")
    assert len(json.loads(said.out)["incidents"]) == 3


def test_json_carries_all_arguments_at_once(shell: Shell) -> None:
    said = shell(
        "call", "--sandbox", "incidentio_list_incidents", "--json", '{"status_category": ["live"], "limit": 2}'
    )
    assert said.code == 0, said.err
    assert len(json.loads(said.out)["incidents"]) == 2


def test_text_of_any_language_is_printed_as_it_is(shell: Shell) -> None:
    assert "加盟店" in shell("call", "--sandbox", "incidentio_get_incident", "incident=110").out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["incidentio_get_incident", "incident=INC-9999"], "404"),
        (["incidentio_get_incident"], "incident is required"),
        (["incidentio_list_incidents", "statsu=live"], "unknown argument statsu"),
        (["incidentio_create_incident", "name=X", "severity=Awful"], "Minor, Major, Critical"),
        (["ionhour_acknowledge_incident", "incident_id=4507"], "resolved"),
        (["ionhour_get_incident", "incident_id=abc"], "incident_id"),
    ],
)
def test_a_failed_tool_says_why_on_stderr_and_ends_with_1(shell: Shell, arguments: list[str], reason: str) -> None:
    said = shell("call", "--sandbox", *arguments)
    assert (said.code, said.out) == (1, "")
    assert reason in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["incidentio_list_types", "category"], "key=value"),
        (["incidentio_list_types", "=live"], "key=value"),
        (["incidentio_list_incidents", "limit=1", "limit=2"], "twice"),
        (["incidentio_list_incidents", "limit=1", "--json", "{}"], "not both"),
        (["incidentio_list_incidents", "--json", "{"], "JSON object"),
        (["incidentio_list_incidents", "--json", "[]"], "JSON object"),
        ([], "TOOL"),
        (["incidentio_list_types", "--no-such-option"], "--no-such-option"),
    ],
)
def test_a_command_line_that_cannot_be_read_ends_with_2(shell: Shell, arguments: list[str], reason: str) -> None:
    said = shell("call", "--sandbox", *arguments)
    assert (said.code, said.out) == (2, "")
    assert reason in said.err


def test_an_unknown_tool_is_answered_with_the_list_of_tools(shell: Shell) -> None:
    said = shell("call", "--sandbox", "incidentio_resolve_incident", INCIDENT_MCP_TOOLSETS="all")
    assert (said.code, said.out) == (2, "")
    assert all(tool.name in said.err for tool in TOOLS[:MOST_NAMED])
    assert f"and {len(TOOLS) - MOST_NAMED} more" in said.err


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("mcp__incident-mcp__situation", {}, "call situation, without the prefix"),
        ("incidentio_edit_incident", {"INCIDENT_MCP_READ_ONLY": "1"}, "INCIDENT_MCP_READ_ONLY"),
        ("\x1b[2Jsituation", {}, "There is no tool '<U+001B>[2Jsituation': call situation"),
    ],
)
def test_a_tool_that_is_not_offered_is_explained(shell: Shell, name: str, settings: dict[str, str], says: str) -> None:
    said = shell("call", "--sandbox", name, **settings)
    assert (said.code, said.out) == (2, "")
    assert says in said.err


def test_a_tool_whose_key_is_missing_is_explained(shell: Shell) -> None:
    said = shell("call", "ionhour_list_notes", "incident_id=1", INCIDENTIO_API_KEY=PLANTED)
    assert (said.code, said.out) == (2, "")
    assert "ionhour_list_notes is not offered here: IONHOUR_API_KEY is not set" in said.err


TERMINAL = "\x1b[31mred\x1b]0;title\x07\x9b2J\x7f\r\x08\u202e\u2066\ufeff\U000e0041"
"""What a terminal obeys, or shows other than it is."""


def test_no_name_reaches_the_terminal_as_a_control_sequence(shell: Shell) -> None:
    with served() as sandbox:
        variables = sandbox.variables()
        arguments = {"name": f"Carts {TERMINAL}", "summary": TERMINAL, "severity": "Minor", "roles": {"lead": "me"}}
        variables["INCIDENT_MCP_ME"] = "ines.moreau@paysand.example"
        printed = [shell("call", "incidentio_create_incident", "--json", json.dumps(arguments), **variables)]
        assert printed[0].code == 0, printed[0].err
        reference = json.loads(printed[0].out)["reference"]
        for tool, *pairs in (
            ("incidentio_get_incident", f"incident={reference}"),
            ("incidentio_list_incidents", "name_contains=carts"),
            ("incidentio_post_update", f"incident={reference}", f"message={TERMINAL}"),
            ("incidentio_list_updates", f"incident={reference}"),
            ("incident_timeline", f"incident={reference}"),
            ("situation",),
            ("ionhour_create_note", "incident_id=4514", f"body=x{TERMINAL}x"),
            ("ionhour_list_notes", "incident_id=4514"),
        ):
            printed.append(shell("call", tool, *pairs, **variables))
            assert printed[-1].code == 0, printed[-1].err
            assert "<U+001B>" in printed[-1].out, tool
        for tool, *pairs in (
            ("incidentio_create_incident", f"name=Carts {TERMINAL}", "severity=Minor", f"summary=2{TERMINAL}"),
            ("incidentio_create_incident", "name=n", f"severity={TERMINAL}"),
            ("incidentio_edit_incident", f"incident={reference}", f'custom_fields={{"{TERMINAL[-4:]}": "x"}}'),
            ("incidentio_edit_incident", f"incident={reference}", "roles=" + json.dumps({"lead": TERMINAL})),
            ("incidentio_get_incident", f"incident={TERMINAL}"),
            ("incidentio_list_incidents", f"{TERMINAL}=1"),
            ("incidentio_list_incidents", f"created_at_gte={TERMINAL}"),
            (f"nothing{TERMINAL}",),
            ("incidentio_list_types", TERMINAL),
            ("incidentio_list_types", f"{TERMINAL}=1", f"{TERMINAL}=2"),
        ):
            printed.append(shell("call", tool, *pairs, **variables))
            assert printed[-1].code != 0, printed[-1].out
            assert printed[-1].err
    for said in printed:
        assert (said.out + said.err).replace("\n", "").isprintable()


def test_the_table_of_tools_holds_no_control_sequence_in_a_pipe(shell: Shell) -> None:
    for command in (("tools",), ("tools", "--json")):
        assert shell(*command).out.replace("\n", "").isprintable()


def test_an_unusable_setting_ends_with_2_and_names_the_variable(shell: Shell) -> None:
    said = shell("tools", INCIDENT_MCP_READ_ONLY="perhaps")
    assert (said.code, said.out) == (2, "")
    assert "INCIDENT_MCP_READ_ONLY" in said.err


def test_without_a_key_a_call_says_which_variable_to_set(shell: Shell) -> None:
    said = shell("call", "ionhour_list_incidents")
    assert (said.code, said.out) == (1, "")
    assert "IONHOUR_API_KEY" in said.err


def test_tools_lists_every_tool_once_in_the_order_of_the_server(shell: Shell) -> None:
    said = shell("tools", "--json")
    assert said.code == 0
    tools = json.loads(said.out)
    assert [tool["name"] for tool in tools] == [tool.name for tool in select(Settings())]
    assert all(tool["description"] and tool["inputSchema"]["type"] == "object" for tool in tools)


def test_the_table_of_tools_names_each_in_full_in_a_pipe_and_on_a_wide_screen(shell: Shell) -> None:
    for width in ("80", "200"):
        said = shell("tools", COLUMNS=width)
        assert said.code == 0
        assert [tool.name for tool in TOOLS if tool.name not in said.out] == [], f"at {width} columns"


def test_the_cost_that_is_printed_is_the_one_that_the_figures_are_held_to(shell: Shell) -> None:
    tools = {tool["name"]: tool for tool in json.loads(shell("tools", "--json").out)}
    for toolset in TOOLSETS.values():
        names = [spec.name for spec in (*TOOLS, *DISCOVERY) if spec.toolset == toolset]
        shown = [tools[name] for name in names if name in tools]
        cost = sum(count_tokens({key: tool[key] for key in ("name", "description", "inputSchema")}) for tool in shown)
        line = f"{toolset.name}: {len(shown)} of {len(names)} tools offered, {cost:,} tokens"
        assert line in shell("tools").out


def test_tools_shows_what_the_settings_offer(shell: Shell) -> None:
    said = shell("tools", "--json", INCIDENT_MCP_READ_ONLY="1", IONHOUR_API_KEY=PLANTED)
    names = [tool["name"] for tool in json.loads(said.out)]
    assert "ionhour_get_incident" in names
    assert not [name for name in names if name.startswith("incidentio_")]
    assert "ionhour_create_note" not in names


@pytest.mark.parametrize("command", [[], ["call"], ["tools"], ["demo"]], ids=" ".join)
def test_help_names_no_key(shell: Shell, command: list[str]) -> None:
    said = shell(*command, "--help", INCIDENTIO_API_KEY=PLANTED, IONHOUR_API_KEY=PLANTED)
    assert said.code == 0
    assert "usage: incident-mcp" in said.out
    assert PLANTED not in said.out + said.err
    assert "API_KEY" not in said.out


def test_version_is_the_package_s(shell: Shell) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert shell("--version").out.strip() == project["version"]


def test_a_real_process_behaves_the_same(tmp_path: Path) -> None:
    good = run(*SERVER, "call", "--sandbox", "incidentio_list_types", env=environment(tmp_path))
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["incident_types"]
    bad = run(*SERVER, "call", "--sandbox", "nothing", env=environment(tmp_path))
    assert (bad.returncode, bad.stdout) == (2, "")


EMOJI = "Kasse \U0001f525 é 加盟店"
CREATE = ("call", "--sandbox", "incidentio_create_incident", f"name={EMOJI}", "severity=minor")
READ = ("call", "--sandbox", "incidentio_list_types")
ENCODINGS = ("ascii", "cp1252", "cp1252:strict", "cp437", "latin-1:strict", "utf-16")


def on(tmp_path: Path, *arguments: str, to: str = "", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a process, with a shell's redirections."""
    line = f"{shlex.join([*SERVER, *arguments])} {to}"
    env = environment(tmp_path, **settings)
    return subprocess.run(["sh", "-c", line], capture_output=True, env=env, timeout=60, check=False)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_answer_is_the_same_json_on_any_console(tmp_path: Path, encoding: str) -> None:
    codec = encoding.partition(":")[0]
    done = on(tmp_path, *CREATE, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode(codec))["name"] == EMOJI


def test_an_answer_is_the_same_json_in_the_c_locale(tmp_path: Path) -> None:
    settings = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = on(tmp_path, *READ, **settings)
    assert (done.returncode, done.stderr) == (0, b"")
    refused = on(tmp_path, "call", "--sandbox", "incidentio_create_incident", "name=x", "severity=加盟店", **settings)
    assert refused.returncode == 1
    assert b"Minor, Major, Critical" in refused.stderr


@pytest.mark.parametrize(
    ("command", "encoding"),
    [
        *((("tools",), encoding) for encoding in ("ascii", "cp1252:strict", "utf-16")),
        (("tools", "--json"), "ascii"),
        (("demo",), "cp1252:strict"),
        (("demo",), "utf-16"),
        (("audit", "verify", "加盟店.jsonl"), "ascii"),
    ],
)
def test_no_command_fails_on_a_console_s_encoding(tmp_path: Path, command: tuple[str, ...], encoding: str) -> None:
    done = on(tmp_path, *command, PYTHONIOENCODING=encoding)
    assert done.returncode == (2 if command[0] == "audit" else 0), done.stderr
    assert b"Traceback" not in done.stderr


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")


@POSIX
@pytest.mark.parametrize("to", [">&-", "> /dev/full", "| true"], ids=["closed", "full", "unread"])
def test_an_answer_that_cannot_be_written_says_what_was_done(tmp_path: Path, to: str) -> None:
    wrote, read, planned = (on(tmp_path, *call, to=to) for call in (CREATE, READ, (*CREATE, "dry_run=true")))
    said = wrote.stderr.decode()
    assert "The write was done, do not repeat it: " in said
    answer = json.loads(said.partition("do not repeat it: ")[2])
    assert (answer["name"], answer["reference"][:4]) == (EMOJI, "INC-")
    for done in (wrote, read, planned):
        assert done.returncode == (0 if to == "| true" else 1)  # of a pipe the shell returns true's
        assert b"could not be written to stdout" in done.stderr
        assert b"Traceback" not in done.stderr
        assert b"Exception ignored" not in done.stderr
    assert b"Nothing was written to the service." in read.stderr
    assert b"Nothing was written to the service." in planned.stderr


@POSIX
@pytest.mark.parametrize("command", [READ, ("tools",), ("demo",)], ids=" ".join)
def test_closed_and_full_consoles_end_a_command_with_1(tmp_path: Path, command: tuple[str, ...]) -> None:
    for to, says in ((">&-", b"stdout is closed"), ("> /dev/full", b"No space left"), (">&- 2>&-", b"")):
        done = on(tmp_path, *command, to=to)
        assert (done.returncode, done.stdout) == (1, b""), to
        assert says in done.stderr
        assert b"Traceback" not in done.stderr
    assert on(tmp_path, *command, to="2>&-").stdout


@POSIX
def test_an_error_never_goes_to_stdout_in_place_of_a_closed_stderr(tmp_path: Path) -> None:
    for command, code in ((("call", "--sandbox", "nothing"), 2), ((*READ[:2], "incidentio_get_incident"), 1)):
        done = on(tmp_path, *command, to="2>&-")
        assert (done.returncode, done.stdout) == (code, b"")


def test_tools_names_those_that_are_not_offered_and_why(shell: Shell) -> None:
    settings = {"INCIDENTIO_API_KEY": PLANTED, "IONHOUR_API_KEY": f'"{PLANTED}"', "INCIDENT_MCP_READ_ONLY": "1"}
    settings |= {"INCIDENT_MCP_TOOLSETS": "all"}
    table, listed = shell("tools", **settings), shell("tools", "--json", **settings)
    assert (table.code, table.err, listed.code) == (0, "", 0)
    offered = [tool["name"] for tool in json.loads(listed.out)]
    for said in (table.out, listed.err):
        writing, keyed = sorted(line for line in said.splitlines() if line.startswith("Not offered: "))
        assert "ionhour_list_notes, " in keyed
        assert keyed.endswith(": IONHOUR_API_KEY is in quotes: it counts as not set.")
        assert writing.endswith(": INCIDENT_MCP_READ_ONLY is set.")
        named = [name for line in (keyed, writing) for name in line.split(": ")[1].split(", ")]
        assert sorted(named + offered) == sorted(tool.name for tool in TOOLS)
        assert PLANTED not in said


def test_tools_says_that_there_is_no_key(shell: Shell) -> None:
    assert "No key is set: every call fails until" in shell("tools").out
    assert "No key is set" not in shell("tools", "--sandbox").out


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ({"reference": "INC-119"}, "The write was done, do not repeat it: "),
        ({"reference": "INC-119", "repeated": True}, "An earlier, identical call had done it, and nothing was written"),
        ({"steps": [{"step": "declare", "outcome": "done"}, {"step": "note", "outcome": "failed"}]}, "done in part."),
        ({"dry_run": True}, "Nothing was written to the service."),
    ],
)
def test_a_lost_result_says_how_far_the_write_went(result: dict[str, Any], says: str) -> None:
    assert says in describe_write("declare_from_ionhour", result)


def test_what_one_command_read_keeps_the_next_from_overwriting_what_somebody_else_changed(shell: Shell) -> None:
    with served() as sandbox:
        ours = sandbox.variables()
        assert shell("call", "incidentio_get_incident", "incident=INC-114", **ours).code == 0
        headers = {"Authorization": f"Bearer {ours['INCIDENTIO_API_KEY']}"}
        changed = sandbox.http.post(
            f"{ours['INCIDENTIO_API_URL']}/v2/incidents/114/actions/edit",
            json={"incident": {"summary": "By Ada."}, "notify_incident_channel": False},
            headers=headers,
        )
        now = changed.json()["incident"]["updated_at"]
        refused = shell("call", "incidentio_edit_incident", "incident=INC-114", "severity=Minor", **ours)
        assert refused.code == 1
        assert f"pass seen={now}." in refused.err
        sent = shell("call", "incidentio_edit_incident", "incident=INC-114", "severity=Minor", f"seen={now}", **ours)
        assert sent.code == 0, sent.err
        # An own write is known to the next command, too.
        closed = shell("call", "incidentio_close_incident", "incident=114", **ours)
        assert closed.code == 0, closed.err
