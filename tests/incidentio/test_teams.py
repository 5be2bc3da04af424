"""Teams."""

EXAMPLES = {"incidentio_list_teams": [{}, {"name_contains": "pay"}]}
