"""Roles in the forms in which identity providers write them."""

import pytest

from incident_mcp.serving.http.sign_in.roles import read_role, scopes_of


@pytest.mark.parametrize(
    ("claims", "claim", "role"),
    [
        ({"roles": ["reader"]}, "roles", "reader"),
        ({"roles": "responder"}, "roles", "responder"),
        ({"roles": ["reader", "pager", "responder"]}, "roles", "pager"),
        ({"roles": ["staff", "incident-mcp:pager"]}, "roles", "pager"),
        ({"scope": "openid reader incident-mcp:responder"}, "scope", "responder"),
        ({"scope": "openid incident-mcp/reader"}, "scope", "reader"),
        ({"resource_access": {"incidents": {"roles": ["pager"]}}}, "resource_access.incidents.roles", "pager"),
        ({"https://example.com/roles": ["reader"]}, "https://example.com/roles", "reader"),
        ({"resource_access": {"my.client": {"roles": ["pager"]}}}, "resource_access.my.client.roles", "pager"),
        ({"https://a.example.com": {"my.roles": ["pager"]}}, "https://a.example.com.my.roles", "pager"),
        ({"a.b": {"roles": ["pager"]}, "a": {"b": {"roles": ["reader"]}}}, "a.b.roles", "pager"),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": ["pager"]}}}}}}}}, "a.b.c.d.e.f.g.h.i", None),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": ["pager"]}}}}}}}}}, "a.b.c.d.e.f.g.h.i", "pager"),
        ({"a": {"b": ["pager"]}}, "a..b", None),
        ({"a": {"b": ["pager"]}}, ".", None),
        ({"roles": []}, "roles", None),
        ({"roles": None}, "roles", None),
        ({"roles": {"pager": True}}, "roles", None),
        ({"roles": [["pager"], 1, None]}, "roles", None),
        ({"roles": ["Team pager reader"]}, "roles", None),
        ({"roles": ["PAGER", "pagers", "other:pager"]}, "roles", None),
        ({"roles": "pager"}, "roles.deeper", None),
        ({"scope": "pager"}, "roles", None),
        ({}, "a.b.c", None),
    ],
)
def test_the_highest_role_of_the_claim_counts(claims, claim, role):
    assert read_role(claims, claim) == role


def test_a_role_includes_the_lower_ones():
    assert scopes_of("pager") == ["reader", "responder", "pager"]
    assert scopes_of("reader") == ["reader"]
    assert scopes_of(None) == []
