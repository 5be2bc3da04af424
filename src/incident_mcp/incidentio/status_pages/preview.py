"""What is shown before something is published."""

from pydantic import Field

from incident_mcp.incidentio.status_pages.pages import StatusPage
from incident_mcp.records.record import quoted
from incident_mcp.writing.result import Preview

MOST_SUBSCRIBERS = 1_000
ADVICE = {
    422: f"Subscribers of a page with more than {MOST_SUBSCRIBERS:,} can only be notified from the dashboard or Slack:"
    " pass notify_subscribers=false there. An incident takes at most 100 updates."
}
_MESSAGE = 1_000
"""Characters of the text in a person's question; the model's preview has all of it."""


class PublishPreview(Preview):
    """What would be published."""

    page: str
    public: str
    """Whether everybody can read the page, and where."""
    incident: str
    """Its name; of an update also its ID."""
    status: str
    message: str = Field(exclude=True)
    """For a person's question: the request beside the preview has the exact text."""
    components: list[str] | None = None
    """Components with their new statuses."""
    subscribers: str
    unresolved: list[str] | None = None
    """Other incidents on the page that are not resolved."""
    warning: str | None = None
    problems: list[str] | None = None
    """What could not be read."""


def page_fields(page: StatusPage | None, page_id: str | None) -> tuple[str, str]:
    """Return a page's name and whether it is public; it is None if it could not be read."""
    if page is None:
        return page_id or "unknown", "unknown: the page could not be read"
    return page.name, page.public


def subscribers_told(*, notify: bool) -> str:
    """Return whether subscribers are told; no operation says how many there are."""
    if not notify:
        return "not notified"
    return f"all notified; the service does not say how many, and refuses above {MOST_SUBSCRIBERS:,}"


def question(shown: PublishPreview) -> str:
    """Return what will be published, in one sentence for a person to confirm."""
    components = f", with {quoted(shown.components, 1_000)}" if shown.components else ""
    warnings = f" Warning: {quoted(shown.warning)}." if shown.warning else ""
    return (
        f"Publish on the status page {quoted(shown.page)} (public: {quoted(shown.public)}), incident"
        f" {quoted(shown.incident)}, {shown.status}{components}; subscribers: {shown.subscribers}. Text:"
        f" {quoted(shown.message, _MESSAGE)}.{warnings}"
    )
