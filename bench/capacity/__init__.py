"""From measured growth to machines: the page docs/capacity.md, and the command that writes it."""
