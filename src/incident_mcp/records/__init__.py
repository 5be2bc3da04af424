"""What answers are made of: records, text, HTML, instants, and what they cost."""
