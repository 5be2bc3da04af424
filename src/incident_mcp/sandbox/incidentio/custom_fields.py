"""Custom fields and their options."""

from incident_mcp.sandbox.engine.service import ApiError, Call, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .account import IncidentIO, Routes, by_id
from .pages import PAGING, list_all, list_page, read_query


def list_options(account: IncidentIO, call: Call) -> Reply:
    """GET /v1/custom_field_options, of one field."""
    key = "custom_field_id"
    field_id = read_query(call, key, *PAGING, required=(key,))[key]
    if by_id(account.custom_fields, field_id) is None:
        raise ApiError(422, Problem(f"{key}: nothing has the id {field_id!r}", key, "not_found"))
    return list_page(call, "custom_field_options", account.options, key)


ROUTES: Routes = {
    ("GET", "/v2/custom_fields"): lambda account, call: list_all(call, "custom_fields", account.custom_fields),
    ("GET", "/v1/custom_field_options"): list_options,
}
