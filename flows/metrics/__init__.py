"""Seen from outside: what a run tells, how it becomes metrics, and whether it is alive and ready."""
