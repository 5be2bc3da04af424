"""The callers of one server: roles, persons, and keys of a person's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from incident_mcp.catalogue import TOOLS
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.http import team
from incident_mcp.serving.http.app import make_app
from incident_mcp.serving.http.settings import server_settings
from tests.conftest import text_of
from tests.serving.http import by_hand
from tests.serving.http.by_hand import message
from tests.serving.http.identity_provider import identity_provider
from tests.serving.http.in_process import ALL, URL, Keys, app_for, client, http, running, served, signed, tokens, write

pytestmark = pytest.mark.anyio

WRITES = {tool.name for tool in TOOLS if tool.writes}


PAGES = {tool.name for tool in TOOLS if tool.preview}


ROLES = ("reader", "responder", "pager")


@pytest.mark.parametrize(
    ("role", "hidden"),
    [("reader", WRITES), ("responder", PAGES), ("pager", set[str]())],
    ids=ROLES,
)
async def test_each_role_lists_and_reaches_only_its_tools(
    role: str, hidden: set[str], box: Sandbox, tmp_path: Path
) -> None:
    environ, people = tokens(tmp_path, ada=role)
    async with running(app_for(box, tmp_path, **environ, **ALL)) as app, client(app, people["ada"]) as ada:
        listed = {tool.name for tool in (await ada.list_tools()).tools}
        assert listed == {tool.name for tool in TOOLS} - hidden
        for name in sorted(hidden):
            refused = await ada.call_tool(name, {})
            assert refused.is_error
            assert "role" in text_of(refused)
    assert not [request for request in box.requests if request.method != "GET"]


@pytest.mark.parametrize("role", ["reader", "responder"])
async def test_a_tool_above_the_role_is_not_reached_through_the_tools_that_call_others(
    role: str, box: Sandbox, tmp_path: Path
) -> None:
    environ, people = tokens(tmp_path, ada=role)
    core = {"INCIDENT_MCP_TOOLSETS": "core"}
    async with running(app_for(box, tmp_path, **environ, **core)) as app, client(app, people["ada"]) as ada:
        page = {"tool": "incidentio_page_people", "arguments": {"incident": "INC-114"}}
        for caller in ("use_write_tool", "use_read_tool"):
            refused = await ada.call_tool(caller, page)
            assert refused.is_error
            assert f"ours is {role}" in text_of(refused) or f"our role is {role}" in text_of(refused)
        found = await ada.call_tool("find_tools", {"words": "page somebody"})
        assert "incidentio_page_people" not in text_of(found)


async def test_lists_are_private_for_caches(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="reader")
    async with running(app_for(box, tmp_path, **environ)) as app, client(app, people["ada"]) as ada:
        assert (await ada.list_tools()).cache_scope == "private"


async def test_the_audit_log_and_a_repeat_say_who_made_a_write(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="responder", bob="responder")
    log = tmp_path / "audit.jsonl"
    note = {"incident_id": 4512, "body": "Rolled back."}
    async with running(app_for(box, tmp_path, **environ, INCIDENT_MCP_AUDIT_LOG=str(log))) as app:
        async with client(app, people["ada"]) as ada:
            assert not (await ada.call_tool("ionhour_create_note", note)).is_error
        async with client(app, people["bob"], mode="legacy") as bob:
            again = await bob.call_tool("ionhour_create_note", note)
            assert "by ada (token)" in text_of(again)
    assert [json.loads(line)["person"] for line in log.read_text("utf-8").splitlines()] == [
        "ada (token)",
        "bob (token)",
    ]
    assert sum(row["body"] == "Rolled back." for row in box.ionhour.notes) == 1


async def test_a_write_of_somebody_else_in_between_makes_no_repeat_deliberate(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="responder", bob="responder")
    async with (
        running(app_for(box, tmp_path, **environ)) as app,
        client(app, people["ada"]) as ada,
        client(app, people["bob"]) as bob,
    ):
        await ada.call_tool("ionhour_create_note", {"incident_id": 4512, "body": "One."})
        await bob.call_tool("ionhour_create_note", {"incident_id": 4512, "body": "Two."})
        again = await ada.call_tool("ionhour_create_note", {"incident_id": 4512, "body": "One."})
        assert (again.structured_content or {})["repeated"] is True
    assert sorted(row["body"] for row in box.ionhour.notes if row["body"] in ("One.", "Two.")) == ["One.", "Two."]


async def test_limits_count_the_writes_of_each_person(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="responder", bob="responder")
    async with running(app_for(box, tmp_path, **environ, INCIDENT_MCP_MAX_WRITES="1")) as app:
        for name in ("ada", "bob"):
            async with client(app, people[name]) as person:
                first = await person.call_tool("ionhour_create_note", {"incident_id": 4512, "body": f"{name} 1"})
                second = await person.call_tool("ionhour_create_note", {"incident_id": 4512, "body": f"{name} 2"})
                assert (first.is_error, second.is_error) == (False, True)
                assert "1 writes of this person in the last 10 minutes" in text_of(second)


async def test_a_person_s_own_key_is_used_and_everybody_else_s_is_shared(tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="reader", bob="reader", eve="reader")
    own = write(tmp_path / "keys.json", json.dumps({"token:ada": {"incidentio": "of-ada"}}))
    keys = Keys()
    async with served(keys) as address:
        reached = {"INCIDENTIO_API_KEY": "of-all", "INCIDENTIO_API_URL": address, "INCIDENT_MCP_KEYS_FILE": own}
        settings, server = server_settings({**environ, **reached, "INCIDENT_MCP_STATE_DIR": str(tmp_path)})
        async with running(make_app(settings, server)) as app:
            for name in ("ada", "bob", "eve"):
                async with client(app, people[name]) as person:
                    await person.call_tool("incidentio_list_severities", {})
    assert keys.sent == ["of-ada", "of-all", "of-all"]


async def test_a_subject_that_is_written_like_a_static_token_does_not_get_its_keys(tmp_path: Path) -> None:
    own = {"token:ada": {"incidentio": "of-ada"}, "u-7": {"incidentio": "of-u-7"}}
    keys = Keys()
    with identity_provider() as provider:
        async with served(keys) as address:
            environ = {"INCIDENTIO_API_KEY": "of-all", "INCIDENTIO_API_URL": address}
            environ |= {"INCIDENT_MCP_KEYS_FILE": write(tmp_path / "keys.json", json.dumps(own))}
            environ |= {"INCIDENT_MCP_OIDC_ISSUER": provider.issuer, "INCIDENT_MCP_STATE_DIR": str(tmp_path)}
            async with running(make_app(*server_settings(environ))) as app:
                for subject in ("token:ada", "u-7", "U-7"):
                    async with signed(app, provider, sub=subject) as person:
                        await person.call_tool("incidentio_list_severities", {})
    assert keys.sent == ["of-all", "of-u-7", "of-all"]


async def test_a_person_with_another_name_is_still_the_same_and_another_person_with_that_name_is_not(
    box: Sandbox, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    people = [("u-7", "Ada", False), ("u-7", "Ada L.", True), ("u-8", "Ada", False)]
    with identity_provider() as provider:
        environ = {"INCIDENT_MCP_OIDC_ISSUER": provider.issuer, "INCIDENT_MCP_MAX_WRITES": "1"}
        async with running(app_for(box, tmp_path, **environ, INCIDENT_MCP_AUDIT_LOG=str(log))) as app:
            for number, (subject, name, is_limited) in enumerate(people):
                async with signed(app, provider, sub=subject, name=name) as person:
                    note = {"incident_id": 4512, "body": f"Note {number}"}
                    assert (await person.call_tool("ionhour_create_note", note)).is_error is is_limited
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [row["person"] for row in rows if row["outcome"] == "done"] == [
        f"Ada (u-7 at {provider.issuer})",
        f"Ada (u-8 at {provider.issuer})",
    ]


async def test_a_write_under_another_name_is_no_write_of_somebody_else(box: Sandbox, tmp_path: Path) -> None:
    with identity_provider() as provider:
        environ = {"INCIDENT_MCP_OIDC_ISSUER": provider.issuer}
        async with running(app_for(box, tmp_path, **environ)) as app:
            for name, text in (("Ada", "Back to A."), ("Ada L.", "Now B."), ("Ada", "Back to A.")):
                async with signed(app, provider, sub="u-7", name=name) as person:
                    posted = await person.call_tool("incidentio_post_update", {"incident": "INC-114", "message": text})
                    assert "repeated" not in (posted.structured_content or {})


async def test_persons_with_one_key_share_its_rate_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "INCIDENTIO_RATE", (2, 0.001))
    environ, people = tokens(tmp_path, ada="reader", bob="reader", eve="reader")
    own = {"token:ada": {"incidentio": "of-both"}, "token:bob": {"incidentio": "of-both"}}
    environ["INCIDENT_MCP_KEYS_FILE"] = write(tmp_path / "keys.json", json.dumps(own))
    async with served(Keys()) as address:
        reached = {
            "INCIDENTIO_API_KEY": "of-all",
            "INCIDENTIO_API_URL": address,
            "INCIDENT_MCP_STATE_DIR": str(tmp_path),
        }
        async with running(make_app(*server_settings({**environ, **reached}))) as app:
            refused: list[bool] = []
            for name in ("ada", "ada", "bob", "eve"):
                async with client(app, people[name]) as person:
                    answer = await person.call_tool("use_read_tool", {"tool": "incidentio_get_identity"})
                    refused.append("rate limit" in text_of(answer))
    assert refused == [False, False, True, False]


PAGE = {"title": "Paged by Pia", "escalation_path": "Database"}


async def test_a_role_that_was_taken_away_after_the_preview_pages_nobody(box: Sandbox, tmp_path: Path) -> None:
    tool = "incidentio_page_people"
    with identity_provider() as provider:
        environ = {"INCIDENT_MCP_OIDC_ISSUER": provider.issuer, **ALL}
        async with running(app_for(box, tmp_path, **environ)) as app:
            async with signed(app, provider, sub="pia", roles=["reader", "pager"]) as pia:
                code = ((await pia.call_tool(tool, PAGE)).structured_content or {})["confirm"]
            async with signed(app, provider, sub="pia", roles=["responder"]) as pia:
                for name in (tool, f"mcp_{tool}", tool.upper()):
                    assert (await pia.call_tool(name, {**PAGE, "confirm": code})).is_error
            assert not [request for request in box.requests if request.method == "POST"]
            async with signed(app, provider, sub="pia", roles=["pager"]) as pia:
                assert not (await pia.call_tool(tool, {**PAGE, "confirm": code})).is_error


async def test_no_role_writes_where_the_server_is_read_only(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, pia="pager")
    app = app_for(box, tmp_path, **environ, **ALL, INCIDENT_MCP_READ_ONLY="1")
    async with running(app), client(app, people["pia"]) as pia:
        assert {tool.name for tool in (await pia.list_tools()).tools} == {tool.name for tool in TOOLS} - WRITES
        for name in sorted(WRITES):
            assert "INCIDENT_MCP_READ_ONLY" in text_of(await pia.call_tool(name, {}))


async def test_a_question_is_not_answered_with_a_role_that_may_not_write(box: Sandbox, tmp_path: Path) -> None:
    note = {"name": "ionhour_create_note", "arguments": {"incident_id": 4512, "body": "Asked."}}
    with identity_provider() as provider:
        environ = {"INCIDENT_MCP_OIDC_ISSUER": provider.issuer, "INCIDENT_MCP_CONFIRM": "writes"}
        async with running(app_for(box, tmp_path, **environ)) as app, http(app) as web:

            async def send(role: str, **more: Any) -> Any:
                body = message("tools/call", {**note, **more})
                body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = {"elicitation": {"form": {}}}
                token = provider.token(aud=f"{URL}/mcp", sub="rosa", roles=[role])
                sent = by_hand.headers(None, "tools/call", note["name"]) | {"Authorization": f"Bearer {token}"}
                return by_hand.answer(await web.post("/mcp", json=body, headers=sent))["result"]

            asked = await send("responder")
            (question,) = asked["inputRequests"]
            answered: dict[str, Any] = {
                "inputResponses": {question: {"action": "accept", "content": {"confirm": True}}},
                **({"requestState": asked["requestState"]} if "requestState" in asked else {}),
            }
            assert (await send("reader", **answered))["isError"] is True
            assert not [row for row in box.ionhour.notes if row["body"] == "Asked."]
            assert not (await send("responder", **answered)).get("isError")
    assert sum(row["body"] == "Asked." for row in box.ionhour.notes) == 1


async def test_who_signs_in_is_not_the_person_of_the_server_s_settings(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, rita="reader")
    app = app_for(box, tmp_path, **environ, INCIDENT_MCP_ME="petra@example.com")
    async with running(app), client(app, people["rita"]) as rita:
        find = {"tool": "incidentio_find_users", "arguments": {"email": "me"}}
        refused = await rita.call_tool("use_read_tool", find)
        assert refused.is_error
        assert "sign-in" in text_of(refused)
        assert "petra" not in text_of(refused)


async def test_two_persons_with_one_key_have_the_same_accounts_on_each_replica(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="responder", bob="responder")
    own = {f"token:{name}": {"ionhour": "of-both"} for name in people}
    environ["INCIDENT_MCP_KEYS_FILE"] = write(tmp_path / "keys.json", json.dumps(own))
    note = {"incident_id": 4512, "body": "Once."}
    repeated: list[bool] = []
    for first in ("ada", "bob"):
        async with running(app_for(box, tmp_path, **environ)) as app:
            async with client(app, people[first]) as person:
                await person.call_tool("ionhour_list_incidents", {})
            async with client(app, people["ada"]) as ada:
                repeated.append(
                    ((await ada.call_tool("ionhour_create_note", note)).structured_content or {}).get("repeated", False)
                )
    assert repeated == [False, True]


async def test_a_code_of_one_person_does_not_confirm_a_call_of_another(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="pager", bob="pager")
    async with running(app_for(box, tmp_path, **environ, **ALL)) as app:
        async with client(app, people["ada"]) as ada:
            code = ((await ada.call_tool("incidentio_page_people", PAGE)).structured_content or {})["confirm"]
        async with client(app, people["bob"]) as bob:
            refused = await bob.call_tool("incidentio_page_people", {**PAGE, "confirm": code})
            assert "confirm: the code is not of a preview of this call" in text_of(refused)
    assert not [request for request in box.requests if request.method == "POST"]
