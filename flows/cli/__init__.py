"""The command line, one family of commands per file.  Heavy imports happen inside commands, so that help is instant."""

from flows.cli.main import app, main

__all__ = ["app", "main"]
