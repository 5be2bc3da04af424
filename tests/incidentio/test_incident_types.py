import pytest

from tests.account import TYPE

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_types": {}}


async def test_types_say_which_is_the_default_and_which_are_private(call):
    told = await call.ok("incidentio_list_types")
    assert told["incident_types"][:2] == [
        {
            "id": TYPE["Production"],
            "name": "Production",
            "is_default": True,
            "private_incidents_only": False,
            "create_in_triage": "optional",
            "description": "Anything that customers can feel.",
        },
        {
            "id": TYPE["Security"],
            "name": "Security",
            "is_default": False,
            "private_incidents_only": True,
            "create_in_triage": "always",
            "description": "Suspected abuse, leaks and vulnerabilities.",
        },
    ]


async def test_a_type_that_starts_in_triage_is_declared_there_without_a_severity(call):
    created = await call.ok("incidentio_create_incident", name="Leak", incident_type="security")
    assert (created["status_category"], created["visibility"]) == ("triage", "private")
