"""The report: one HTML page that needs nothing else, and a summary as JSON."""
