"""The last stage: one operator, who is alerted."""
