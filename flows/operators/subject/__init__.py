"""The subject stage: one operator per key group."""
