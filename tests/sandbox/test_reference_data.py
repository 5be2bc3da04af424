"""incident.io's read-only lists, keys, headers and errors."""

from email.utils import parsedate_to_datetime

import httpx2
import pytest

from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio


async def test_identity_needs_only_a_valid_key(incidentio):
    reply = await incidentio.get("/v1/identity")

    assert reply.json()["identity"]["name"] == "Sandbox key"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({}, "missing_authorization_material"),
        ({"Authorization": "Bearer other"}, "unauthenticated"),
        ({"Authorization": "sandbox-incidentio-key"}, "unauthenticated"),
    ],
)
async def test_a_wrong_and_a_missing_key_are_rejected_with_different_codes(box, header, code):
    async with httpx2.AsyncClient(
        transport=box.transport("incidentio"), base_url="https://x", headers=header
    ) as client:
        reply = await client.get("/v1/severities")

    assert reply.status_code == 401
    body = reply.json()
    assert body["request_id"]
    assert [error["code"] for error in body["errors"]] == [code]
    assert "X-RateLimit-Limit" not in reply.headers


async def test_every_authenticated_reply_has_the_rate_limit_headers(box, incidentio):
    box.incidentio.bucket.level = 100.0

    fine = await incidentio.get("/v1/severities")
    missing = await incidentio.get("/v2/incidents/999")

    for reply in (fine, missing):
        assert reply.headers["X-RateLimit-Limit"] == "1200, 1200;window=60"
        left = int(reply.headers["X-RateLimit-Remaining"])
        assert int(reply.headers["X-RateLimit-Used"]) == 1200 - left
        assert int(reply.headers["X-RateLimit-Reset"]) > 0
        assert left <= 100


@pytest.mark.parametrize(
    ("path", "key", "name"),
    [
        ("/v1/severities", "severity", "Critical"),
        ("/v1/incident_statuses", "incident_status", "Paused"),
        ("/v1/incident_types", "incident_type", "Security"),
        ("/v2/users", "user", "Yuki Tanaka"),
    ],
)
async def test_single_records_are_found_by_id_only(incidentio, path, key, name):
    found = await incidentio.get(f"{path}/{account_ulid(name)}")
    missing = await incidentio.get(f"{path}/{name}")

    assert found.json()[key]["name"] == name
    assert (missing.status_code, missing.json()["type"]) == (404, "not_found")


async def test_severities_rank_upwards_and_come_unsorted(incidentio):
    rows = (await incidentio.get("/v1/severities")).json()["severities"]

    assert {row["name"]: row["rank"] for row in rows} == {"Minor": 1, "Major": 2, "Critical": 3}
    assert [row["rank"] for row in rows] != [1, 2, 3]


async def test_there_is_one_status_of_each_managed_category(incidentio):
    rows = (await incidentio.get("/v1/incident_statuses")).json()["incident_statuses"]

    categories = [row["category"] for row in rows]
    assert {name: categories.count(name) for name in categories} == {
        "triage": 1,
        "live": 3,
        "paused": 1,
        "learning": 2,
        "closed": 1,
        "declined": 1,
        "merged": 1,
        "canceled": 1,
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"email": "sam.okafor@paysand.example"}, ["Sam Okafor"]),
        ({"slack_user_id": "U04SAML"}, ["Sam Lindqvist"]),
        ({"email": "nobody@example.com"}, []),
        ({"email": "tom.baker@paysand.example"}, []),
        ({"email": "tom.baker@paysand.example", "include_inactive": "true"}, ["Tom Baker"]),
    ],
)
async def test_users_are_found_by_email_and_slack_id(incidentio, query, names):
    reply = await incidentio.get("/v2/users", params=query)

    assert [user["name"] for user in reply.json()["users"]] == names


async def test_include_inactive_is_true_or_false(incidentio):
    assert (await incidentio.get("/v2/users", params={"include_inactive": "yes"})).status_code == 422


async def test_options_need_a_field_and_come_in_pages(incidentio):
    query = {"custom_field_id": account_ulid("Affected services"), "page_size": "4"}
    first = (await incidentio.get("/v1/custom_field_options", params=query)).json()
    query["after"] = first["pagination_meta"]["after"]
    second = (await incidentio.get("/v1/custom_field_options", params=query)).json()

    assert [len(page["custom_field_options"]) for page in (first, second)] == [4, 2]
    assert second["pagination_meta"] == {"page_size": 4}
    assert (await incidentio.get("/v1/custom_field_options")).status_code == 422
    unknown = await incidentio.get("/v1/custom_field_options", params={"custom_field_id": "x"})
    assert unknown.status_code == 422


async def test_the_catalog_field_names_its_type_and_has_no_options(incidentio):
    fields = (await incidentio.get("/v2/custom_fields")).json()["custom_fields"]

    [product] = [field for field in fields if "catalog_type_id" in field]
    assert product["name"] == "Affected product"
    query = {"custom_field_id": product["id"]}
    assert (await incidentio.get("/v1/custom_field_options", params=query)).json()["custom_field_options"] == []


PRODUCT = account_ulid("catalog type Product")


async def entries(client, **query):
    reply = await client.get("/v3/catalog_entries", params={"catalog_type_id": PRODUCT, "page_size": 25, **query})
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_the_catalog_field_s_type_lists_its_entries(box, incidentio):
    fields = (await incidentio.get("/v2/custom_fields")).json()["custom_fields"]
    [type_id] = [field["catalog_type_id"] for field in fields if "catalog_type_id" in field]

    listed = await entries(incidentio, catalog_type_id=type_id)

    assert (listed["catalog_type"]["id"], listed["catalog_type"]["name"]) == (type_id, "Product")
    assert [entry["name"] for entry in listed["catalog_entries"]] == [
        "Hosted Checkout",
        "Payouts",
        "Merchant Dashboard",
    ]
    assert {entry["catalog_type_id"] for entry in listed["catalog_entries"]} == {type_id}
    assert listed["pagination_meta"] == {"page_size": 25, "total_record_count": 3}
    embedded = box.incidentio.incidents[0]["custom_field_entries"][-1]["values"][0]["value_catalog_entry"]
    assert embedded.items() < listed["catalog_entries"][1].items()
    assert set(embedded) == {"id", "name", "aliases", "external_id"}


@pytest.mark.parametrize(
    ("identifier", "names"),
    [
        (account_ulid("Payouts"), ["Payouts"]),
        ("product-payouts", ["Payouts"]),
        ("settlements", ["Payouts"]),
        ("pAYOUTS", ["Payouts"]),
        ("merchant dashboard", ["Merchant Dashboard"]),
        ("Settlements", []),
        ("Product-Payouts", []),
        ("Payout", []),
        ("Merchant", []),
        ("", ["Hosted Checkout", "Payouts", "Merchant Dashboard"]),
    ],
)
async def test_a_catalog_entry_is_found_by_id_external_id_alias_and_name(incidentio, identifier, names):
    listed = await entries(incidentio, identifier=identifier)

    assert [entry["name"] for entry in listed["catalog_entries"]] == names
    assert listed["pagination_meta"]["total_record_count"] == len(names)


async def test_catalog_entries_come_in_pages(incidentio):
    first = await entries(incidentio, page_size=2)
    second = await entries(incidentio, page_size=2, after=first["pagination_meta"]["after"])

    assert [len(page["catalog_entries"]) for page in (first, second)] == [2, 1]
    assert second["pagination_meta"] == {"page_size": 2, "total_record_count": 3}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"page_size": "25"}, "catalog_type_id"),
        ({"catalog_type_id": PRODUCT}, "page_size"),
        ({"catalog_type_id": PRODUCT, "page_size": "0"}, "page_size"),
        ({"catalog_type_id": PRODUCT, "page_size": "251"}, "page_size"),
        ({"catalog_type_id": PRODUCT, "page_size": "25", "after": "x"}, "after"),
        ({"catalog_type_id": PRODUCT, "page_size": "25", "name": "x"}, "name"),
    ],
)
async def test_an_invalid_query_for_catalog_entries_is_rejected(incidentio, query, field):
    reply = await incidentio.get("/v3/catalog_entries", params=query)

    assert reply.status_code == 422
    assert [error["source"]["field"] for error in reply.json()["errors"]] == [field]


async def test_the_rate_limit_resets_after_the_sandbox_s_current_time(box, incidentio):
    box.incidentio.bucket.level = 201.0

    reply = await incidentio.get("/v1/severities")

    full_in = int(reply.headers["X-RateLimit-Reset"]) - parsedate_to_datetime(reply.headers["Date"]).timestamp()
    assert 45 <= full_in <= 50


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v2/nothing", 404, "not_found"),
        ("GET", "/v2/incidents/", 404, "not_found"),
        ("DELETE", "/v2/incidents/114", 405, "method_not_allowed"),
        ("PATCH", "/v2/incidents/114", 405, "method_not_allowed"),
        ("GET", "/v2/incidents/114/actions/edit", 405, "method_not_allowed"),
        ("GET", "/v1/severities?name=Major", 422, "validation_error"),
    ],
)
async def test_undocumented_operations_are_rejected(incidentio, method, path, status, kind):
    reply = await incidentio.request(method, path)

    assert (reply.status_code, reply.json()["type"]) == (status, kind)


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"", 422), (b"[]", 422), (b'"text"', 422)])
async def test_a_body_other_than_a_json_object_is_rejected(incidentio, body, status):
    reply = await incidentio.post("/v2/incidents", content=body)

    assert reply.status_code == status


async def test_requests_are_logged_as_they_arrived(box, incidentio):
    await incidentio.get("/v2/incidents", params=[("mode[one_of]", "test"), ("mode[one_of]", "standard")])
    await incidentio.post("/v2/incidents", json={"name": "x"})

    first, second = box.requests
    assert first.query == [("mode[one_of]", "test"), ("mode[one_of]", "standard")]
    assert (first.service, first.method, first.path, first.body, first.status) == (
        "incidentio",
        "GET",
        "/v2/incidents",
        None,
        200,
    )
    assert (second.body, second.status) == ({"name": "x"}, 422)
    assert box.writes() == box.writes("incidentio") == [second]
    assert box.writes("ionhour") == []
