"""The catalog."""

EXAMPLES = {
    "incidentio_list_catalog": {},
    "incidentio_find_entries": [{"type": "Product"}, {"type": "Product", "identifier": "checkout"}],
}
