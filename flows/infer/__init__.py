"""A configuration for events that nobody has described: proposed from a sample of them.

sample.py    the first lines of a file, as JSON objects
fields.py    what is at the end of each path: how often, of which types, how many different values
roles.py     which of them says when, whose and which event it is, and why
columns.py   what the others are
proposal.py  the configuration, with comments, checked on the sample
"""
