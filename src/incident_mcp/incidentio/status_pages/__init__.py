"""Status pages: one file a tool or resource."""
