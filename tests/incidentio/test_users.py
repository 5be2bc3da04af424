"""Users."""

EXAMPLES = {"incidentio_find_users": [{"name_contains": "a"}, {"email": "Yuki.Tanaka@paysand.example"}]}
