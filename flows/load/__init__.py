"""Load on a running job: events at times fixed in advance, and what comes of them, seen from outside."""
