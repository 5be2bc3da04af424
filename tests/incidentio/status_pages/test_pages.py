"""Status pages and their components, which are named as people name them."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid
from incident_mcp.sandbox.seeds.incidentio_status_pages import component_id

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_status_pages": [{}, {"page": "01HR4B1YM0HEKQJTT09YP32MSC"}]}

LIST, PUBLISH = "incidentio_list_status_pages", "incidentio_publish_incident"
PAGE = account_ulid("status page Paysand")
STRUCTURE = "/v2/status_page_structures/"
NEW = {
    "page": "Paysand",
    "name": "Card payments fail",
    "message": "We are looking into it.",
    "status": "investigating",
    "notify_subscribers": False,
}


async def test_all_pages_are_listed_with_the_public_url_of_those_that_have_one(call, box):
    answer = await call.ok(LIST)

    assert [(row["name"], row.get("public_url")) for row in answer["status_pages"]] == [
        ("Paysand", "https://status.paysand.example"),
        ("Paysand for partners", None),
    ]
    assert "components" not in answer
    assert len(box.requests) == 1


async def test_a_page_shows_its_components_with_their_groups_and_sub_pages(call):
    components = (await call.ok(LIST, page="paysand for PARTNERS"))["components"]

    places = [(row["name"], row.get("group"), row.get("sub_page")) for row in components]
    assert places == [
        ("Partner API", None, None),
        ("Settlement files", None, "Banks"),
        ("SFTP", "Transfer", "Banks"),
    ]


async def test_components_of_the_same_name_have_their_group_in_their_name(call):
    components = (await call.ok(LIST, page=PAGE))["components"]

    assert [row["name"] for row in components if row.get("group")] == ["Europe: API", "Payouts", "Asia: API"]
    assert [row["name"] for row in components if row.get("hidden")] == ["Old gateway"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("checkout", ("Checkout",)),
        ("Europe: API", ("API", "Europe")),
        ("asia:  api", ("API", "Asia")),
        ("Payouts", ("Payouts", "Europe")),
        ("Europe: Payouts", ("Payouts", "Europe")),
        (component_id("Paysand", "API", "Asia"), ("API", "Asia")),
    ],
)
async def test_a_component_is_found_by_name_with_and_without_its_group_or_by_id(call, name, place):
    answer = await call.ok(PUBLISH, **NEW, components={name: "full_outage"})

    [status] = answer["would_send"]["body"]["component_statuses"]
    assert status == {"component_id": component_id("Paysand", *place), "component_status": "full_outage"}


async def test_an_ambiguous_component_is_rejected_with_the_candidates(call, box):
    error = await call.error(PUBLISH, **NEW, components={"API": "full_outage"})

    assert f"Europe: API ({component_id('Paysand', 'API', 'Europe')})" in error
    assert f"Asia: API ({component_id('Paysand', 'API', 'Asia')})" in error
    assert box.writes() == []


@pytest.mark.parametrize(
    ("components", "says"),
    [
        ({"Chekout": "full_outage"}, "Pass one of: Checkout, Webhooks"),
        ({"SFTP": "full_outage"}, "Unknown component 'SFTP' of status page Paysand"),
        ({"Checkout": "down"}, "operational"),
        ({"Payouts": "full_outage", "Europe: Payouts": "operational"}, "names the same item twice"),
    ],
)
async def test_unknown_components_statuses_and_repeats_are_rejected(call, box, components, says):
    assert says in await call.error(PUBLISH, **NEW, components=components)
    assert box.writes() == []


async def test_an_unknown_page_is_rejected_with_the_pages(call):
    assert "Pass one of: Paysand, Paysand for partners" in await call.error(LIST, page="Pay")


@pytest.mark.parametrize("body", [{}, {"current_structure": None}, {"current_structure": {"items": None}}])
async def test_a_structure_that_cannot_be_read_is_an_error_and_not_a_page_without_components(call, box, body):
    box.fail(Fault("status", status=200, body=body, path=STRUCTURE))

    assert "is not as documented" in await call.error(LIST, page=PAGE)


async def test_odd_components_are_counted_and_nested_sub_pages_are_not_followed(call, box):
    good = {"component_id": "01GOOD", "name": "Good"}
    deep = {"component": good | {"component_id": "01DEEP"}}
    for _ in range(300):
        deep = {"sub_page": {"name": "x", "items": [deep]}}
    items = [
        {"component": good, "group": {"name": 7, "components": [good, {"name": "no id"}, None]}, "sub_page": 3},
        {"component": {"component_id": "01X", "name": None}},
        "x",
        deep,
    ]
    box.fail(Fault("status", status=200, body={"current_structure": {"items": items}}, path=STRUCTURE))

    answer = await call.ok(LIST, page=PAGE)
    assert [row["id"] for row in answer["components"]] == ["01GOOD"]
    assert answer["unreadable"] == 2


async def test_ten_thousand_components_fit_and_the_cut_is_told(call, box):
    items = [{"component": {"component_id": f"01C{number}", "name": f"Shop {number}"}} for number in range(10_000)]
    box.fail(Fault("status", status=200, body={"current_structure": {"items": items}}, path=STRUCTURE))

    answer = await call.ok(LIST, page=PAGE)
    assert 0 < len(answer["components"]) < 10_000
    assert "rows are omitted" in answer["cut"]
