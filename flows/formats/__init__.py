"""Formats of values: what turns them into the JSON lines that are decoded."""
