"""Ionhour's REST API over records in memory: one file a resource, each with its `ROUTES`.

Where the documents are silent the sandbox does what NestJS, on which Ionhour is built, does by default: 201 for a POST,
an empty body after DELETE. Undocumented parameters and keys are rejected, so that a misspelling shows.
"""
