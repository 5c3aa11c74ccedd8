"""How much is read at a time."""

from typing import Final

BATCH_LINES: Final = 32_768
"""Lines: what closes together is worked out together, and more panes close at once.  Beyond that memory grows faster
than anything is gained."""
