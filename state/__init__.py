"""Arrays, keys and time: what keyed stream processing needs, knowing neither fraud, nor Bytewax, nor River.

A user is a row, a group is a set of arrays, a batch is many users moving one step.
"""
