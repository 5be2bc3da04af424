"""Call sessions that Scribe attended, and their transcripts."""

from incident_mcp.sandbox.engine.service import ApiError, Call, Reply

from .account import IncidentIO, Routes, by_id
from .pages import PAGING, list_page, page, read_query

TRANSCRIPTS_OFF = "transcripts.off"
"""Among the key's missing scopes: the organisation has disabled viewing transcripts."""


def list_sessions(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/call_sessions of an incident, newest first."""
    rows = sorted(account.rows["call_sessions"], key=lambda row: row["started_at"], reverse=True)
    return list_page(call, "call_sessions", rows, "incident_id", required=("incident_id",))


def list_entries(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/call_transcript_entries of a call session, oldest first; none if viewing transcripts is disabled."""
    query = read_query(call, "call_session_id", *PAGING, required=("call_session_id",))
    session = query["call_session_id"]
    if by_id(account.rows["call_sessions"], session) is None:
        raise ApiError(404, "The call session could not be found")
    off = TRANSCRIPTS_OFF in account.missing_scopes
    rows = sorted(account.rows["call_transcript_entries"], key=lambda row: (row["timestamp"], row["id"]))
    mine = [row for row in rows if row["call_session_id"] == session]
    shown, meta = page([] if off else mine, {} if off else query)
    entries = [{key: value for key, value in row.items() if key != "call_session_id"} for row in shown]
    return Reply(200, {"call_transcript_entries": entries, "pagination_meta": meta})


ROUTES: Routes = {
    ("GET", "/v2/call_sessions"): list_sessions,
    ("GET", "/v2/call_transcript_entries"): list_entries,
}
SCOPES = dict.fromkeys(ROUTES, ("call_transcripts.view",))
