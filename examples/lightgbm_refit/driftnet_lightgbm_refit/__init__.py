"""Gradient boosted trees, refitted on the last labelled rows."""
