"""Which tools a server offers, in which order, and what they cost an agent that reads them."""

import json
from typing import Any

import pytest
from mcp import Client
from pydantic import SecretStr

from incident_mcp.catalogue import TOOLS, select
from incident_mcp.errors import SettingError
from incident_mcp.records.tokens import count_tokens, tokenizer
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import INSTRUCTIONS, build_server
from incident_mcp.settings import KEY_VARIABLES, Settings
from tests.account import Scripted
from tests.conftest import NOW, Caller, text_of
from tests.examples import calls, examples

pytestmark = pytest.mark.anyio

# What the project allows itself.
MOST = {"core": (25, 3_600, 4_000), "responder": (45, 6_500, 6_500), "all": (85, 11_500, 11_500)}
"""Tools without those that call others; tokens without them and with them."""
# The contract of the core: its names, in its order.
CORE = [
    "situation",
    "incident_timeline",
    "declare_from_ionhour",
    "incidentio_list_severities",
    "incidentio_list_statuses",
    "incidentio_list_types",
    "incidentio_create_incident",
    "incidentio_get_incident",
    "incidentio_list_incidents",
    "incidentio_edit_incident",
    "incidentio_close_incident",
    "incidentio_post_update",
    "incidentio_list_updates",
    "ionhour_list_incidents",
    "ionhour_get_incident",
    "ionhour_acknowledge_incident",
    "ionhour_list_events",
    "ionhour_list_notes",
    "ionhour_create_note",
    "ionhour_update_note",
    "ionhour_delete_note",
]
SPECS = {spec.name: spec for spec in TOOLS}
WRITES = [spec for spec in TOOLS if spec.writes]
FIND = ["find_tools", "use_read_tool", "use_write_tool"]
OTHERS = [name for name, spec in SPECS.items() if spec.toolset.default and name not in CORE]
BEYOND = [name for name, spec in SPECS.items() if not spec.toolset.default]
RESPONDER = [name for name, spec in SPECS.items() if spec.toolset.default]
IN_LIST = {service: [name for name in RESPONDER if {*SPECS[name].services} <= {service}] for service in KEY_VARIABLES}
"""What the key of one service is enough for."""
INCIDENTIO, IONHOUR = IN_LIST["incidentio"], IN_LIST["ionhour"]
FOUND = FIND if any(SPECS[name].writes for name in BEYOND) else FIND[:2] if BEYOND else []
"""What finds and calls the rest, of which some may not write."""
OF_IONHOUR = [SPECS[name] for name in BEYOND if {*SPECS[name].services} <= {"ionhour"}]
FOUND_IN_IONHOUR = FIND[: 3 if any(spec.writes for spec in OF_IONHOUR) else 2] if OF_IONHOUR else []
"""The same with Ionhour's key alone."""


def _reads(names: list[str]) -> list[str]:
    return [name for name in names if not SPECS[name].writes]


KEYED = {"sandbox": False, "incidentio_key": SecretStr("k")}
KEY, OTHER = {"INCIDENTIO_API_KEY": "k"}, {"IONHOUR_API_KEY": "k"}
OFFERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, RESPONDER + FOUND),
    (KEY | OTHER, RESPONDER + FOUND),
    (KEY, INCIDENTIO + FOUND),
    ({"INCIDENT_API_KEY": "k"}, INCIDENTIO + FOUND),
    (OTHER, IONHOUR + FOUND_IN_IONHOUR),
    (KEY | {"IONHOUR_API_KEY": "${user_config.ionhour_api_key}"}, INCIDENTIO + FOUND),
    (KEY | {"IONHOUR_API_KEY": " "}, INCIDENTIO + FOUND),
    (KEY | {"INCIDENT_MCP_SANDBOX": "1"}, RESPONDER + FOUND),
    ({"INCIDENT_MCP_READ_ONLY": "1"}, [name for name in RESPONDER if not SPECS[name].writes] + FOUND[:2]),
    (KEY | {"INCIDENT_MCP_READ_ONLY": "true"}, [name for name in INCIDENTIO if not SPECS[name].writes] + FOUND[:2]),
    ({"INCIDENT_MCP_DISCOVERY": "0"}, RESPONDER),
    ({"INCIDENT_MCP_DISCOVERY": "off", "INCIDENT_MCP_TOOLSETS": "core"}, CORE),
    ({"INCIDENT_MCP_TOOLSETS": "responder"}, RESPONDER + FOUND),
    ({"INCIDENT_MCP_TOOLSETS": "core"}, CORE + FIND),
    ({"INCIDENT_MCP_TOOLSETS": "core", "INCIDENT_MCP_READ_ONLY": "1"}, [*_reads(CORE), *FIND[:2]]),
    (OTHER | {"INCIDENT_MCP_TOOLSETS": "core"}, IONHOUR + FOUND_IN_IONHOUR),
    ({"INCIDENT_MCP_TOOLSETS": "alerts"}, [name for name in OTHERS if SPECS[name].toolset.name == "alerts"]),
    ({"INCIDENT_MCP_TOOLSETS": "all"}, list(SPECS)),
    (
        {"INCIDENT_MCP_TOOLSETS": "all", "INCIDENT_MCP_READ_ONLY": "1"},
        [spec.name for spec in TOOLS if not spec.writes],
    ),
]


async def listed(settings: Settings, mode: str = "auto") -> list[Any]:
    async with Client(build_server(settings), mode=mode) as client:
        answer = await client.list_tools()
        assert answer.next_cursor is None
        return answer.tools


@pytest.mark.parametrize(("env", "offered"), OFFERS)
async def test_the_settings_decide_which_tools_are_offered(env, offered):
    assert [tool.name for tool in await listed(Settings.from_env(env))] == offered


async def test_the_list_is_the_same_in_both_eras_and_on_every_run():
    lists = [await listed(Settings(), mode) for mode in ("legacy", "auto", "auto")]
    first, *others = [[tool.model_dump(mode="json", exclude={"meta"}) for tool in tools] for tools in lists]
    assert all(tools == first for tools in others)


def test_all_toolsets_hold_the_default_tools_in_their_order():
    assert [name for name in SPECS if name in CORE] == CORE
    assert len(SPECS) == len(TOOLS)


@pytest.mark.parametrize("given", ["corr", "core,corr", "corr , all"])
def test_an_unknown_toolset_is_refused_with_the_list_of_those_there_are(given):
    with pytest.raises(SettingError) as refused:
        build_server(Settings.from_env({"INCIDENT_MCP_TOOLSETS": given}))
    said, _, _ = str(refused.value).partition("There are: ")
    assert "INCIDENT_MCP_TOOLSETS" in said
    assert "corr" in said
    assert "core" in str(refused.value).partition("There are: ")[2]
    assert str(refused.value).endswith("all.")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_without_a_key_every_call_names_the_variable_to_set_and_how_to_try_the_sandbox(mode, tmp_path):
    async with Client(build_server(Settings(toolsets=("all",), state_dir=tmp_path)), mode=mode) as client:
        for spec in TOOLS:
            result = await client.call_tool(spec.name, examples(spec)[0])
            assert result.is_error, spec.name
            first, *_ = spec.services or KEY_VARIABLES
            assert KEY_VARIABLES[first] in text_of(result)
            assert "incident-mcp --sandbox" in text_of(result)


async def test_a_write_that_is_not_offered_cannot_be_called(connect, box):
    async with connect(read_only=True) as call:
        for spec in WRITES:
            await call.error(spec.name, **examples(spec)[0])
    assert box.requests == []


# What a host calls, the settings, and what the answer says.
UNKNOWN: list[tuple[str, dict[str, Any], str]] = [
    ("mcp__incident-mcp__incidentio_get_incident", {}, "call incidentio_get_incident, without the prefix"),
    ("incident_mcp_situation", {}, "call situation, without the prefix"),
    ("functions.ionhour_list_notes", {}, "call ionhour_list_notes, without the prefix"),
    ("incidentio_get_incidents", {}, "Did you mean incidentio_get_incident?"),
    ("incidentio-get-incident", {}, "Did you mean incidentio_get_incident?"),
    ("resolve", {}, "There are: situation, incident_timeline, "),
    (
        "incidentio_edit_incident",
        {"read_only": True},
        "incidentio_edit_incident is not offered here: INCIDENT_MCP_READ_ONLY",
    ),
    (
        "mcp__x__ionhour_delete_note",
        {"read_only": True},
        "ionhour_delete_note is not offered here: INCIDENT_MCP_READ_ONLY",
    ),
    ("ionhour_get_incident", {"toolsets": ()}, "ionhour_get_incident is not offered here: INCIDENT_MCP_TOOLSETS"),
    ("ionhour_get_incident", KEYED, "ionhour_get_incident is not offered here: IONHOUR_API_KEY is not set"),
    ("declare_from_ionhour", KEYED, "declare_from_ionhour is not offered here: IONHOUR_API_KEY is not set"),
    ("use_write_tool", {"discovery": False}, "use_write_tool is not offered here: INCIDENT_MCP_DISCOVERY is 0"),
    ("use_read_tool", {"discovery": False, "toolsets": ("core",)}, "use_read_tool is not offered here"),
    ("find_tools", {"toolsets": ("all",)}, "find_tools is not offered here: there is no unlisted tool for it"),
    ("use_write_tool", {"read_only": True}, "use_write_tool is not offered here: INCIDENT_MCP_READ_ONLY is set"),
    ("\x1b[31m\u202ered", {}, "There is no tool '<U+001B>[31m<U+202E>red'."),
    ("x" * 5_000, {}, "There is no tool 'xxx"),
]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize(("name", "settings", "says"), UNKNOWN, ids=[name[:40] for name, *_ in UNKNOWN])
async def test_a_tool_that_is_not_offered_is_explained(box, tmp_path, mode, name, settings, says):
    chosen = Settings(**{"sandbox": True, "state_dir": tmp_path, **settings})
    async with Client(build_server(chosen, network=box), mode=mode) as client:
        error = await Caller(client, box).error(name)
    assert says in error
    assert len(error) < 1_000
    assert error.isprintable()
    assert box.requests == []


async def test_keys_are_in_no_answer_and_no_error(connect):
    network = Scripted({})
    async with connect(sandbox=network) as call:
        for tool, arguments in calls():
            result = await call.result(tool, **arguments)
            assert "key-of-" not in result.model_dump_json()
    assert {request.headers["authorization"] for request in network.requests} == {
        "Bearer key-of-incidentio",
        "Bearer key-of-ionhour",
    }


@pytest.mark.parametrize("toolset", MOST)
async def test_a_list_stays_inside_its_figures(toolset):
    most_tools, most_tokens, most_in_all = MOST[toolset]
    tools = await listed(Settings(toolsets=(toolset,)))
    costs = {
        tool.name: count_tokens({"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema})
        for tool in tools
    }
    in_all = sum(costs.values())
    alone = sum(cost for name, cost in costs.items() if name not in FIND)
    print(f"{toolset}: {len(tools)} tools, {alone} tokens, {in_all} with those that find others")
    assert tokenizer() is not None
    assert len(costs.keys() - set(FIND)) <= most_tools
    assert alone <= most_tokens
    assert in_all <= most_in_all


def test_the_default_is_the_list_of_a_responder():
    assert [name for name, spec in SPECS.items() if spec.toolset.default] == RESPONDER
    assert select(Settings()) == select(Settings(toolsets=("responder",)))


@pytest.mark.parametrize(("worked_on", "most"), [(False, 1_500), (True, 1_850)])
async def test_a_list_of_25_incidents_stays_inside_its_figure(connect, worked_on, most):
    box = Sandbox(now=NOW, bulk=10)
    for row in box.incidentio.incidents if worked_on else ():
        # In an account that is used nearly every incident was updated after it was declared; an instant costs 13
        # tokens, so rows that tell both cannot stay inside 1,500.
        row["updated_at"] = "2026-11-21T02:59:30.000000Z"
    async with connect(sandbox=box) as call:
        text = text_of(await call.result("incidentio_list_incidents", limit=25))
    cost = count_tokens(json.loads(text))
    print(f"25 incidents: {cost} tokens")
    assert len(json.loads(text)["incidents"]) == 25
    assert cost <= most


def not_offered(service: str, why: str) -> str:
    """Return the line that says how many tools the lack of a service's key hides."""
    return f"{sum(service in spec.services for spec in TOOLS)} tools are not offered: {why}."


NO_KEY = "No key is set: every call fails until INCIDENTIO_API_KEY or IONHOUR_API_KEY is set."
# The settings, and what the instructions say besides.
EXPLAINED: list[tuple[dict[str, str], list[str]]] = [
    (KEY | OTHER, []),
    ({"INCIDENT_MCP_SANDBOX": "1"}, []),
    (KEY, [not_offered("ionhour", "IONHOUR_API_KEY is not set")]),
    (OTHER, [not_offered("incidentio", "INCIDENTIO_API_KEY is not set")]),
    (KEY | {"IONHOUR_API_KEY": "${user_config.x}"}, [not_offered("ionhour", "IONHOUR_API_KEY is not set")]),
    (
        KEY | {"IONHOUR_API_KEY": "$X"},
        [not_offered("ionhour", "IONHOUR_API_KEY holds a placeholder: it counts as not set")],
    ),
    (
        OTHER | {"INCIDENT_API_KEY": '"k"'},
        [not_offered("incidentio", "INCIDENT_API_KEY is in quotes: it counts as not set")],
    ),
    (
        {"IONHOUR_API_KEY": "'k'", "INCIDENTIO_API_KEY": "your key"},
        [
            "IONHOUR_API_KEY is in quotes: it counts as not set.",
            "INCIDENTIO_API_KEY holds a placeholder: it counts as not set.",
            NO_KEY,
        ],
    ),
    ({}, [NO_KEY]),
    (
        KEY | OTHER | {"INCIDENT_MCP_READ_ONLY": "1"},
        [f"{len(WRITES)} tools are not offered: INCIDENT_MCP_READ_ONLY is set."],
    ),
    (
        KEY | OTHER | {"INCIDENT_MCP_ME": "%X%"},
        ["INCIDENT_MCP_ME holds a placeholder: it counts as not set."],
    ),
]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize(("env", "notes"), EXPLAINED)
async def test_the_instructions_say_what_is_not_offered_and_why(env, notes, mode):
    settings = Settings.from_env(env | {"INCIDENT_MCP_TOOLSETS": "all"})
    async with Client(build_server(settings), mode=mode) as client:
        _, plain, said = (client.instructions or "").partition(INSTRUCTIONS)
    assert plain
    assert said.splitlines() == [f"- {note}" for note in notes]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_call_says_that_its_key_is_in_quotes(mode):
    env = {"INCIDENTIO_API_KEY": '"planted"', "IONHOUR_API_KEY": "%X%"}
    async with Client(build_server(Settings.from_env(env)), mode=mode) as client:
        texts = [text_of(await client.call_tool(name, {})) for name in ("incidentio_list_severities", "situation")]
    for text in texts:
        assert "INCIDENTIO_API_KEY is in quotes: it counts as not set" in text
        assert "planted" not in text
    assert "IONHOUR_API_KEY holds a placeholder" in texts[1]
