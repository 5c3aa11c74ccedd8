"""Savepoints: named copies of a run's state that can be looked into, compared and started from."""
