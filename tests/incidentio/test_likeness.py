"""Alike names: `same` only for one and the same outage, since a declaration stops there."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from incident_mcp.incidentio.likeness import likeness

SAME = [
    ("Checkout is down", "checkout down"),
    ("Checkout is down", "CHECKOUT IS DOWN!"),
    ("Checkout is down", "  The checkout is still down.  "),
    ("Checkout is down", "Checkout: outage"),
    ("Checkout is down", "Outage: checkout"),
    ("Checkout is down", "Checkout unavailable"),
    ("Checkout is down", "checkout unreachable"),
    ("Checkout is down", "Down: \u201ccheckout\u201d"),
    ("Checkout is down", "Check out is down"),
    ("Checkout's down", "Checkout\u2019s down"),
    ("Checkout is down", "[P1] Checkout is down"),
    ("[P2] Checkout is down", "[SEV-1] Checkout is down"),
    ("Checkout is down", "SEV-2: Checkout is down"),
    ("Checkout is down", "P1 - Checkout is down"),
    ("Checkout is down", "P1: Checkout is down"),
    ("Checkout is down", "sev1 checkout is down"),
    ("Checkout is down", "(Priority 1) [Sev 2] | Checkout is down"),
    ("Checkout API is down", "checkout-api down"),
    ("Checkout API is down", "`checkout_api` is down"),
    ("Checkout API is down in EU", "EU: Checkout API outage"),
    ("db-1 is unreachable", "DB 1 down"),
    ("us-east-1: search down", "Search is down in us-east-1"),
    ("us-east-1: search down", "US East 1 search outage"),
    ("Cluster A is down", "Down: Cluster A"),
    ("A cluster is down", "Cluster is down"),
    ("Webhook deliveries are delayed", "Webhook delivery delays"),
    ("Webhooks are delayed", "webhook latency"),
    ("Search is slow", "Search latency"),
    ("Search is slow", "Slowness in search"),
    ("Payments are failing", "Payment failures"),
    ("Payments are failing", "Payment errors"),
    ("Payments are failing", "Errors in payments"),
    ("Card payments are failing", "Card payments failing after deploy"),
    ("Payments failing with invoices missing", "Payment failing, invoice missing"),
    ("Users cannot log in", "Users can't login"),
    ("Users cannot log in", "Login broken for users"),
    ("Databases rejecting connections", "Connections rejected by database"),
    ("Replicating orders stopped", "Replication of orders stops"),
    ("Sync from Salesforce to Zendesk broken", "Sync from Salesforce to Zendesk failing"),
    ("Checkout down", "\uff23\uff48\uff45\uff43\uff4b\uff4f\uff55\uff54 down"),
    ("決済サービスの障害", "決済サービスの障害。"),
    ("Платежи не проходят", "ПЛАТЕЖИ не проходят"),
    ("결제 장애", "[P1] 결제 장애"),
]
SIMILAR = [
    ("db-1 is down", "db-2 is down"),
    ("Checkout down in EU", "Checkout down in US"),
    ("checkout-api is down", "search-api is down"),
    ("Cluster A is down", "Cluster B is down"),
    ("Cluster A is down", "Cluster is down"),
    ("CLUSTER A DOWN", "CLUSTER B DOWN"),
    ("cluster b down", "cluster c down"),
    ("Invoice 1041 failed", "Invoice 1042 failed"),
    ("Read replica is lagging", "Write replica is lagging"),
    ("us-east-1 is down", "us-east-2 is down"),
    ("US-EAST-1 IS DOWN", "us-east-2 is down"),
    ("Login fails for users", "Logout fails for users"),
    ("Users cannot log in", "Users cannot log out"),
    ("Users cannot sign in", "Users cannot sign up"),
    ("Webhooks to Slack delayed", "Websockets to Slack delayed"),
    ("Card payments failing", "Card payouts failing"),
    ("Checkout down", "Checkout down on mobile"),
    ("Checkout down", "Checkout down in production"),
    ("Checkout down in staging", "Checkout down in production"),
    ("Checkout down", "Checkout not down"),
    ("Checkout down", "Checkout down again"),
    ("Checkout down", "Drill: checkout down"),
    ("Checkout was down", "Checkout is down"),
    ("Payments failing", "Payments failing for Acme"),
    ("Product search down", "Production search down"),
    ("HTTP endpoint down", "HTTPS endpoint down"),
    ("payment-service down", "payment-gateway service down"),
    ("Failover from primary to replica failed", "Failover from replica to primary failed"),
    ("Sync from Salesforce to Zendesk broken", "Sync from Zendesk to Salesforce broken"),
    ("EU search and US cache down", "US search and EU cache down"),
    ("Search down, login slow", "Login down, search slow"),
    ("Dashboards slow with login down", "Login slow with dashboards down"),
    ("db-1 and cache-2 down", "cache-1 and db-2 down"),
    ("Host 10.0.0.1 down", "Host 10.0.1.0 down"),
    ("Payments failing", "Payments failing after deploy"),
    ("Payments are failing", "Card payments failing"),
    ("Payments failing", "Payment webhooks failing"),
    ("Payment service failing", "Payment webhooks service failing"),
    ("Database down", "Billing database down"),
    ("Search is slow", "Search indexing is slow"),
    ("Users cannot log in", "Users cannot log in to dashboards"),
    ("Users cannot pay", "Enterprise users cannot pay"),
    ("User errors", "User search errors"),
    ("C++ builds failing", "C# builds failing"),
    ("Checkout down \U0001f1ea\U0001f1fa", "Checkout down \U0001f1fa\U0001f1f8"),
    ("iOS login broken", "Android login broken"),
    ("Blue cluster down", "Green cluster down"),
    ("Weekly report failing", "Daily report failing"),
    ("Uploads fail for users", "Downloads fail for users"),
    ("Primary DB unavailable", "Secondary DB unavailable"),
    ("Service unavailable", "Payments service unavailable"),
    ("決済サービス 障害 東京", "決済サービス 障害 大阪"),
    ("\u0926\u093f\u0928 \u0930\u093f\u092a\u094b\u0930\u094d\u091f \u092c\u0902\u0926",
     "\u0926\u093e\u0928 \u0930\u093f\u092a\u094b\u0930\u094d\u091f \u092c\u0902\u0926"),
]  # fmt: skip
DIFFERENT = [
    ("Checkout is down", "Search is down"),
    ("Payments failing", "Payouts failing"),
    ("Login broken", "Logout broken"),
    ("Upgrade to v1.2 broken", "Upgrade to v2.1 broken"),
    ("Webhooks delayed", "Websockets delayed"),
    ("Checkout is down", "Checkout is slow"),
    ("DNS outage", "SSO outage"),
    ("Checkout is down", "Disk full on the build hosts"),
    ("Checkout is down", ""),
    ("", "[P1]"),
    ("!!!", "???"),
    ("🔥", "🔥🔥"),
    ("The", "A"),
    ("決済サービスの障害", "検索サービスの障害"),
    ("Платежи не проходят", "Поиск не работает"),
]
MILLION = 1_000_000
names = st.text() | st.lists(
    st.sampled_from([word for pair in [*SAME, *SIMILAR] for name in pair for word in name.split()]), max_size=6
).map(" ".join)


@pytest.mark.parametrize(("a", "b"), SAME)
def test_one_outage(a: str, b: str) -> None:
    assert (likeness(a, b), likeness(b, a)) == ("same", "same")


@pytest.mark.parametrize(("a", "b"), SIMILAR)
def test_what_tells_outages_apart_is_never_the_same(a: str, b: str) -> None:
    assert (likeness(a, b), likeness(b, a)) == ("similar", "similar")


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different_outages(a: str, b: str) -> None:
    assert (likeness(a, b), likeness(b, a)) == ("different", "different")


@pytest.mark.parametrize("name", ["", " ", "!!!", "🔥", "the", "[P1]", "\ud800", "x" * 1000])
def test_equal_texts_are_the_same(name: str) -> None:
    assert likeness(name, f" {name}\n") == "same"


def test_a_name_beyond_the_bound_is_the_same_as_itself_only() -> None:
    name = "Checkout is down " * 20
    assert likeness(name + "1", name + "2") == "similar"
    assert likeness("checkout down", name) == "similar"


@pytest.mark.parametrize(
    "piece", ["<a", "&", '"', "\u0301", "\u0316\u0301", "0", "a ", " ", "-", "a-", "\ufdfa", "p1:", "sev1 "]
)
def test_a_megabyte_of_one_piece(piece: str) -> None:
    text = piece * (MILLION // len(piece))
    assert likeness(text, text) == "same"
    assert likeness(text, text + "x") != "same"
    assert likeness(text, "Checkout is down") == "different"


@settings(max_examples=500, deadline=None, derandomize=True)
@given(names, names)
def test_likeness_is_reflexive_and_symmetric(a: str, b: str) -> None:
    assert likeness(a, a) == "same"
    assert likeness(a, b) == likeness(b, a)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(names, st.integers(0, 10**6), st.booleans())
def test_a_name_with_another_number_is_never_the_same(name: str, number: int, first: bool) -> None:
    assume(name.strip())
    assert likeness(name, f"{number} {name}" if first else f"{name} {number}") != "same"


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["checkout", "search", "Payments", "login", "webhooks"]), min_size=1, unique=True))
def test_case_and_order_of_plain_words_make_no_difference(words: list[str]) -> None:
    name = " ".join(words)
    for other in (" ".join(reversed(words)), name.upper(), f"[P1] {name}", f"The {name.title()}!"):
        assert likeness(name, other) == "same"
