"""Readers of event lines, without an engine: a source has named partitions, each gives lines and its position."""
