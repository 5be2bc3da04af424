"""The journal: what must survive a lost response or a crash."""
