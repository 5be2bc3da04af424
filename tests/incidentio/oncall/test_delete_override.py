"""Deleting an override."""

EXAMPLES = {"incidentio_delete_override": {"override": "01HR4B1YM0E74H2FECRZM73TB6"}}
EFFECTS = {
    "incidentio_delete_override": {
        "request": "DELETE /v2/schedule_overrides/01HR4B1YM0E74H2FECRZM73TB6",
        "rows": "incidentio.deleted_overrides",
        "where": {"id": "01HR4B1YM0E74H2FECRZM73TB6"},
        "deletes": True,
    }
}
