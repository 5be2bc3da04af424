"""Post-mortems: one file a tool, and the documents that they share."""
