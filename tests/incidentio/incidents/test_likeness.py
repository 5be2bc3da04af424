"""Alike names: `same` only for one and the same outage, since a declaration stops there."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from incident_mcp.incidentio.incidents.likeness import likeness

SAME = [
    ("Checkout is down", "checkout down"),
    ("Checkout is down", "CHECKOUT IS DOWN!"),
    ("Checkout is down", "  The checkout is still down.  "),
    ("Checkout is down", "Checkout: outage"),
    ("Checkout is down", "Outage: checkout"),
    ("Checkout is down", "Outage: checkout is down"),
    ("Checkout is down", "Checkout unavailable"),
    ("Checkout is down", "checkout unreachable"),
    ("Checkout is down", "Checkout is not working"),
    ("Checkout is down", "Checkout isn't working"),
    ("Checkout is down", "Checkout not available"),
    ("Checkout is down", "Checkout offline"),
    ("Checkout is down", "Down: \u201ccheckout\u201d"),
    ("Checkout is down", "Check out is down"),
    ("Checkout is down", "Checkout is completely down again"),
    ("Checkout is down", "Checkout is down for all users"),
    ("Checkout is down", "Checkout down for everyone"),
    ("Checkout is down in EU", "Checkout down for many of the customers in EU"),
    ("Checkout is down", "Checkout down - investigating"),
    ("Checkout is down", "Incident: checkout down"),
    ("Checkout is down", "Major incident: checkout down"),
    ("Checkout is down", "Checkout outage (issue)"),
    ("Checkout's down", "Checkout\u2019s down"),
    ("Checkout is down", "[P1] Checkout is down"),
    ("[P2] Checkout is down", "[SEV-1] Checkout is down"),
    ("Checkout is down", "SEV-2: Checkout is down"),
    ("Checkout is down", "P1 - Checkout is down"),
    ("Checkout is down", "P1: Checkout is down"),
    ("Checkout is down", "P1 Checkout is down"),
    ("Checkout is down", "sev1 checkout is down"),
    ("Checkout is down", "Checkout is down SEV1"),
    ("Checkout is down", "Checkout is down (P1)"),
    ("Checkout is down", "Checkout is down - SEV-1."),
    ("Checkout is down", "[URGENT] Checkout is down"),
    ("Checkout is down", "URGENT: Checkout is down"),
    ("Checkout is down", "Checkout is down URGENT"),
    ("Checkout is down", "(Priority 1) [Sev 2] | Checkout is down"),
    ("Checkout API is down", "checkout-api down"),
    ("Checkout API is down", "API checkout is down"),
    ("Checkout API is down", "`checkout_api` is down"),
    ("Checkout API is down in EU", "EU: Checkout API outage"),
    ("db-1 is unreachable", "DB 1 down"),
    ("Billing DB down", "Billing database outage"),
    ("us-east-1: search down", "Search is down in us-east-1"),
    ("Checkout is down in production", "Production checkout outage"),
    ("us-east-1: search down", "US East 1 search outage"),
    ("Cluster A is down", "Down: Cluster A"),
    ("A cluster is down", "Cluster is down"),
    ("Webhook deliveries are delayed", "Webhook delivery delays"),
    ("Webhooks are delayed", "webhook latency"),
    ("Search is slow", "Search latency"),
    ("Search is slow", "Slowness in search"),
    ("Search is late", "Search lagging"),
    ("Gateway timeouts", "Gateway timing out"),
    ("Gateway timeout", "Gateway timed out"),
    ("Connection pool exhausted", "Exhaustion of connection pool"),
    ("Checkout returning 500s", "Checkout returning 500"),
    ("Payments are failing", "Payment failures"),
    ("Payments are failing", "Payment errors"),
    ("Payments are failing", "Errors in payments"),
    ("Errors in card payment form", "Card payment forms broken"),
    ("Payments failing with invoices missing", "Payment failing, invoice missing"),
    ("Users cannot log in", "Users can't login"),
    ("Users cannot log in", "Users are unable to log in"),
    ("Users cannot log in", "Cannot log in"),
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
    ("frontend cannot reach backend", "backend cannot reach frontend"),
    ("gateway rejects search traffic", "search rejects gateway traffic"),
    ("checkout caused by stripe outage", "stripe caused by checkout outage"),
    ("orders replicating billing failing", "billing replicating orders failing"),
    ("Orders replicating, billing failing", "Orders failing, billing replicating"),
    ("Gateway failing search", "Search failing gateway"),
    ("auth-proxy down", "proxy-auth down"),
    ("Primary EU down, replica US", "Primary US down, replica EU"),
    ("GCP AWS sync failing", "AWS sync GCP failing"),
    ("order total is < 0", "order total is > 0"),
    ("-5 balance", "5 balance"),
    ("[P1] -5 balance", "[P1] 5 balance"),
    ("+1 country code", "1 country code"),
    ("prices in $", "prices in \u20ac"),
    ("$ 5 of 6 charged", "5 of $ 6 charged"),
    (".NET agent", "NET agent"),
    ("Sensor \U0001f525", "Sensor \U0001f4a7"),
    ("\U0001f525", "\U0001f525\U0001f525"),
    ("a != b in ledger", "a = b in ledger"),
    ("5% errors in search", "5 errors in search"),
    ("Order #1041 failing", "Order 1041 failing"),
    ("Certificate expired", "Certificate expiring"),
    ("Training models failing", "Trained models failing"),
    ("posting invoices failing", "post invoices failing"),
    ("news feed failing", "new feed failing"),
    ("Billing orders failing", "Billed orders failing"),
    ("Databases rejecting connections", "Connections rejected by database"),
    ("Webhook deliveries delayed", "Webhook deliveries delayed for initech tenant"),
    ("Card payments failing", "Card payments failing with visa"),
    ("search indexing failing", "search indexing queue failing"),
    ("database backup failing", "database backup restore failing"),
    ("api gateway timeouts", "api gateway timeouts payments"),
    ("import job failing partner feed", "import job failing partner orders"),
    ("billing invoices generated", "billing invoices generated twice"),
    ("paid = unpaid mismatch", "paid mismatch"),
    ("Card payments are failing", "Card payments failing after deploy"),
    ("Users table locked", "Table locked"),
    ("Import of customers failing", "Import failing"),
    ("Cannot delete users", "Cannot delete customers"),
    ("Login broken for users", "Login broken for customers"),
    ("Alert routing down", "Routing down"),
    ("Critical alerts failing", "Alerts failing"),
    ("Checkout down for users/admins", "Checkout down for admins"),
    ("P1 database down", "P2 database down"),
    ("Failover to P1 failed", "Failover to P2 failed"),
    ("Paging broken for SEV-1", "Paging broken for SEV-2"),
    ("Sync to Salesforce failing", "Sync from Salesforce failing"),
    ("Search and login down", "Search or login down"),
    ("IT portal down", "Portal down"),
    ("Checkout down in AT", "Checkout down"),
    ("A-1 crane down", "1 crane down"),
    ("A: crane down", "B: crane down"),
    ("cluster a down", "cluster down"),
    ("Version 1.2 down", "Version 1/2 down"),
    ("30s timeouts in search", "30 timeouts in search"),
    ("Latency dashboard down", "Lag dashboard down"),
    ("error-tracker down", "failure-tracker down"),
    ("Checkout partially down", "Checkout down"),
    ("Outage", "Down!"),
    ("Upgrade to v1.2 broken", "Upgrade to v2.1 broken"),
]  # fmt: skip
DIFFERENT = [
    ("Checkout is down", "Search is down"),
    ("Payments failing", "Payouts failing"),
    ("Login broken", "Logout broken"),
    ("Failover broken", "Failing over broken"),
    ("Webhooks delayed", "Websockets delayed"),
    ("Checkout is down", "Checkout is slow"),
    ("DNS outage", "SSO outage"),
    ("Checkout is down", "Disk full on the build hosts"),
    ("Checkout is down", ""),
    ("", "[P1]"),
    ("!!!", "???"),
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
def test_case_and_the_order_of_two_plain_words_make_no_difference(words: list[str]) -> None:
    name = " ".join(words)
    assert (likeness(name, " ".join(reversed(words))) == "same") is (len(words) <= 2)
    for other in (name.upper(), f"[P1] {name}", f"The {name.title()}!"):
        assert likeness(name, other) == "same"
