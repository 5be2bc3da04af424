"""Drafts of post-mortems whose sentences cite what they rest on."""
