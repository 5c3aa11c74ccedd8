"""Declared window features: declarations are compiled to one plan that computes each shared part once.

declare.py    what a person writes down
where.py      row conditions -> masks
sequences.py  columns derived from a subject's rows in their order
kernel.py     the rows of a pane -> cells (partial aggregates)
finish.py     the cells of a window -> a feature matrix
plan.py       compiles declarations into the above
"""
