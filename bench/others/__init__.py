"""The same job in other systems: SPECIFICATION.md says what it is, one module per system does it, run.py measures."""
