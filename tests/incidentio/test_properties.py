"""Whatever a model passes: the one intended path, the exact filters, or a refusal before anything is sent."""

import re
import unicodedata
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from incident_mcp.errors import InputError
from incident_mcp.incidentio.ids import path_id
from incident_mcp.incidentio.incidents.edit import EDIT
from tests.account import ENTRY, FIELD, INCIDENT, OPTION, ROLE, SEVERITY, STATUS, TYPE, USER

pytestmark = pytest.mark.anyio

quickly = settings(
    deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NASTY = [*"./\\?#;:@% a1", "..", "%2e", "%2e%2e", "%2F", "INC-", "{incident}", "{0}", "\u00e9", "\u0661"]
NASTY += ["\x00", "\n", "\t", "\x7f", "\x85", "\u2028", "\u202e", "\ud800"]
NASTY += ["114", "INC-114", "`inc 114`", "https://app.incident.io/sandbox/incidents/114", INCIDENT["INC-114"]]
ids = (
    st.text()
    | st.sampled_from(NASTY)
    | st.lists(st.sampled_from(NASTY), max_size=5).map("".join)
    | st.text("/.%2eE\\?#:@", max_size=8)
)
HARMFUL = re.compile(r"[/\\?#\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def intended(incident: str) -> str | None:
    """The one path segment for what was passed; None where it must be refused."""
    try:
        segment = path_id(incident)
    except InputError:
        return None
    assert quote(segment, safe="") == segment
    return segment


@settings(derandomize=True, max_examples=500)
@given(ids)
@example("..")
@example("\ud800")
def test_filling_a_path_gives_one_segment_that_reads_back_or_refuses(value):
    try:
        path = EDIT.request(at={"incident": value}).path
    except InputError:
        assert value in ("", ".", "..") or HARMFUL.search(value)
    else:
        before, segment, after = re.fullmatch(r"(/v2/incidents/)([^/?#]+)(/actions/edit)", path).groups()
        assert (before, unquote(segment), after) == ("/v2/incidents/", value, "/actions/edit")


@quickly
@given(ids)
@example("..")
@example("%2e%2e")
@example("INC-114")
@example(INCIDENT["INC-114"])
@example("INC-114/../112")
@example("{incident}")
async def test_any_incident_gives_the_one_intended_path_or_is_refused_before_anything_is_sent(call, box, incident):
    segment = intended(incident)
    for tool, arguments, path in (
        ("incidentio_get_incident", {}, "/v2/incidents/{}"),
        ("incidentio_edit_incident", {"name": "n", "dry_run": True}, "/v2/incidents/{}/actions/edit"),
        ("incidentio_close_incident", {"dry_run": True}, "/v2/incidents/{}/actions/edit"),
        ("incidentio_post_update", {"message": "m", "dry_run": True}, "/v2/incidents/{}"),
        ("incidentio_list_updates", {}, "/v2/incidents/{}"),
    ):
        if tool == "incidentio_list_updates" and not any(unicodedata.category(each)[0] in "LNPS" for each in incident):
            # A blank means all incidents.
            continue
        box.requests.clear()
        result = await call.result(tool, incident=incident, **arguments)
        paths = [request.path for request in box.requests if request.path != "/v1/incident_statuses"]
        if segment is None:
            assert result.is_error
            assert paths == []
        elif "actions" in path:
            assert result.structured_content["would_send"]["path"] == path.format(segment)
            # It was read before, so whether somebody changed it since is checked.
            assert set(paths) <= {f"/v2/incidents/{segment}"}
        else:
            # Its id is then kept for a minute.
            assert set(paths) <= {path.format(segment), "/v2/incident_updates"}
        assert not box.writes()


def some(values: dict[str, str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Some of these, each by its name in any case or by its id, with the id that is to be sent."""

    def spelt(name: str) -> st.SearchStrategy[tuple[str, str]]:
        return st.sampled_from(
            [(said, values[name]) for said in (name, name.upper(), f" {name.lower()} ", values[name])]
        )

    return st.lists(st.sampled_from(sorted(values)), unique=True, max_size=3).flatmap(
        lambda names: st.tuples(*map(spelt, names)).map(list)
    )


def plain(values: list[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=3).map(lambda chosen: [(one, one) for one in chosen])


EARLY = {"2026-11-01": "2026-11-01", "2026-11-20T03:00:00+05:30": "2026-11-19T21:30:00Z"}
LATE = {"2026-11-20T03:00:00Z": "2026-11-20T03:00:00Z", "2026-11-20T03:00:00.5Z": "2026-11-20T03:00:00.5Z"}
early, late = st.sampled_from(list(EARLY.items())), st.sampled_from(list(LATE.items()))
early_day, late_day = early.map(lambda day: [day]), late.map(lambda day: [day])
one_range = st.tuples(early, late).map(
    lambda ends: [("~".join(end for end, _ in ends), "~".join(sent for _, sent in ends))]
)
SERVICES = {name: OPTION[name] for name in ("checkout-api", "search", "ledger")}
TEAMS = {name: OPTION[name] for name in ("Payments", "Platform", "Growth")}
PRODUCTS = dict(ENTRY)
USERS = {name: USER[name] for name in ("Ines Moreau", "Yuki Tanaka")}
FILTERS: dict[str, tuple[str, bool, Any]] = {
    # argument: the API's key, whether it takes several, what to pass with what is to be sent
    "status_category": ("status_category[one_of]", True, plain(["live", "triage", "closed", "paused"])),
    "mode": ("mode[one_of]", True, plain(["standard", "test", "tutorial", "retrospective"])),
    "status": ("status[one_of]", True, some(STATUS)),
    "severity": ("severity[one_of]", True, some(SEVERITY)),
    "incident_type": ("incident_type[one_of]", True, some(TYPE)),
    "severity_gte": ("severity[gte]", False, some(SEVERITY)),
    "severity_lte": ("severity[lte]", False, some(SEVERITY)),
    "created_at_gte": ("created_at[gte]", False, early_day),
    "created_at_lte": ("created_at[lte]", False, late_day),
    "updated_at_gte": ("updated_at[gte]", False, early_day),
    "updated_at_lte": ("updated_at[lte]", False, late_day),
    "created_at_range": ("created_at[date_range]", False, one_range),
    "updated_at_range": ("updated_at[date_range]", False, one_range),
    "status_category_not_in": ("status_category[not_in]", True, plain(["merged", "declined"])),
    "status_not_in": ("status[not_in]", True, some(STATUS)),
    "severity_not_in": ("severity[not_in]", True, some(SEVERITY)),
    "incident_type_not_in": ("incident_type[not_in]", True, some(TYPE)),
    "filter_mode": ("filter_mode", False, st.just([("any", "any")])),
    "Affected services": (f"custom_field[{FIELD['Affected services']}][one_of]", True, some(SERVICES)),
    "Affected team": (f"custom_field[{FIELD['Affected team']}][one_of]", True, some(TEAMS)),
    "Affected product": (f"custom_field[{FIELD['Affected product']}][one_of]", True, some(PRODUCTS)),
    "not Affected team": (f"custom_field[{FIELD['Affected team']}][not_in]", True, some(TEAMS)),
    "Incident Lead": (f"incident_role[{ROLE['Incident Lead']}][one_of]", True, some(USERS)),
    "sort_by": ("sort_by", False, plain(["created_at_newest_first", "created_at_oldest_first"])),
}
PLACES = {name: ("custom_fields", name) for name in FIELD} | {"Incident Lead": ("incident_role", "lead")}
PLACES["not Affected team"] = ("custom_fields_not_in", "affected team")
combinations = st.fixed_dictionaries({}, optional={name: values for name, (_, _, values) in FILTERS.items()})


@quickly
@given(combinations)
async def test_any_combination_of_filters_is_sent_as_exactly_the_intended_query(call, box, chosen):
    arguments: dict[str, Any] = {}
    wanted = [("page_size", "25")]
    for name, pairs in chosen.items():
        key, several, _ = FILTERS[name]
        used = pairs if several else pairs[:1]
        given = [said for said, _ in used]
        wanted += [(key, sent) for _, sent in used]
        if name in PLACES:
            argument, key = PLACES[name]
            arguments.setdefault(argument, {})[key] = given
        elif several or given:
            arguments[name] = given if several else given[0]
    if "sort_by" not in arguments:
        wanted.append(("sort_by", "created_at_newest_first"))
    await call.ok("incidentio_list_incidents", **arguments)
    assert sorted(box.requests[-1].query) == sorted(wanted)
