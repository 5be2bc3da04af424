"""Answers about checks in the envelope and bare, with and without what no page documents: all are read, tokens are not.

The pages show fields of requests and no answers; the values are made up.
"""

from typing import Any

import pytest

from tests.account import Scripted

from .test_mutations_checks import CONFIG, check, dependency, enveloped, window

pytestmark = pytest.mark.anyio

CHECKS, DEPENDENCIES, WINDOWS = "/api/checks", "/api/dependencies", "/api/maintenance-windows"
LISTS: list[tuple[str, dict[str, Any], str, str, Any]] = [
    ("ionhour_list_checks", {"limit": 3}, CHECKS, "checks", check),
    ("ionhour_list_checks", {"name_contains": "probe", "limit": 3}, CHECKS, "checks", check),
    ("ionhour_list_dependencies", {"limit": 3}, DEPENDENCIES, "dependencies", dependency),
    ("ionhour_list_maintenance", {"state": "ACTIVE"}, WINDOWS, "maintenance_windows", window),
]


@pytest.mark.parametrize(("tool", "arguments", "path", "key", "row"), LISTS)
async def test_a_list_is_read_bare_and_enveloped_and_of_ids_alone(connect, tool, arguments, path, key, row):
    whole = [row(number) for number in (1, 2, 3)]
    lean = [{"id": number} for number in (1, 2, 3)]
    for rows in (whole, lean, [{**each, **dict.fromkeys(set(whole[0]) - {"id"})} for each in lean]):
        for answer in (rows, enveloped(rows), {"data": rows}):
            async with connect(sandbox=Scripted({("GET", path): answer})) as call:
                found = await call.ok(tool, **arguments)
            if "name_contains" in arguments and rows is not whole:
                assert found[key] == []
            else:
                assert [each["id"] for each in found[key]] == [1, 2, 3]
            assert "made-up" not in str(found)
    assert all(set(each) == {"id"} for each in found[key])


CONFIGURED = [
    check(2) | CONFIG,
    check(2) | {"outboundConfig": CONFIG},
    check(2) | {"config": CONFIG, "probe": {"url": "https://other.example", "latencyMs": 3}},
    check(2) | dict.fromkeys(CONFIG) | {"outbound": CONFIG},
]


@pytest.mark.parametrize("answer", CONFIGURED, ids=range(len(CONFIGURED)))
async def test_an_outbound_check_s_configuration_is_read_wherever_it_lies(connect, answer):
    async with connect(sandbox=Scripted({("GET", f"{CHECKS}/2"): answer})) as call:
        found = await call.ok("ionhour_get_check", check="2")
    assert (found["url"], found["timeout_ms"], found["regions"]) == ("https://pay.example/health", 5000, ["us-east-1"])
    assert "made-up" not in str(found)


@pytest.mark.parametrize("tool", ["ionhour_get_check", "ionhour_get_dependency"])
async def test_one_of_an_id_alone_is_read(connect, tool):
    network = Scripted({("GET", f"{CHECKS}/2"): {"id": 2}, ("GET", f"{DEPENDENCIES}/2"): {"id": 2, "checks": None}})
    arguments = {"check": "2"} if tool == "ionhour_get_check" else {"dependency_id": 2}
    async with connect(sandbox=network) as call:
        assert await call.ok(tool, **arguments) == {"id": 2}


async def test_a_token_is_in_no_error_about_an_answer_that_cannot_be_read(connect):
    spoilt = [{"id": check(1)}, [[check(1)]], {"items": check(1)}, "made-up-made-up"]
    for answer in spoilt:
        network = Scripted({("GET", path): answer for path in (CHECKS, f"{CHECKS}/2", f"{DEPENDENCIES}/2")})
        async with connect(sandbox=network) as call:
            for tool, arguments in (
                ("ionhour_list_checks", {}),
                ("ionhour_get_check", {"check": "2"}),
                ("ionhour_get_check", {"check": "probe"}),
                ("ionhour_get_dependency", {"dependency_id": 2}),
                ("situation", {}),
            ):
                assert "made-up" not in (await call.result(tool, **arguments)).model_dump_json()
