"""The catalog."""

EXAMPLES = {
    "incidentio_list_catalog": {},
    "incidentio_find_entries": [{"type": "01HR4B1YM0FJ915AD2RMMGRBNJ"}, {"type": "Product", "identifier": "checkout"}],
}
