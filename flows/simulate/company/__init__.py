"""The harder world: campaigns that hide among people, and people who keep company as campaigns do."""
