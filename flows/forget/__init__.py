"""Forgetting a person: out of saved state, savepoints, stores and files of records, with a record that it was done."""
