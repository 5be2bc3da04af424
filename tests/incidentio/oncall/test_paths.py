"""Escalation paths."""

EXAMPLES = {"incidentio_list_paths": [{"name_contains": "pay"}, {"team": "01HR4B1YM0H8RCV220P483NFXZ"}]}
