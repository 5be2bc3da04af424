"""Recording requests and answers in a file, redacted, and answering from such a file."""
