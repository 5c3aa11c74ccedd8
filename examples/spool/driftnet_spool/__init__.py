"""Folders of finished files between programs, and lines of key=value pairs."""
