"""Declared window features: declarations are compiled to one plan that computes each shared part once.

declare.py    what a person writes down
kinds.py      what each kind of feature is: the one table of them
derived.py    what each kind of sequence is: the one table of them
where.py      row conditions -> masks
sequences.py  columns derived from a subject's rows in their order
parts.py      partial aggregates, and where cells hold them
kernel.py     the rows of a pane -> cells (partial aggregates)
formulas.py   quantities of a window -> values of features
finish.py     the cells of a window -> a feature matrix
plan.py       compiles declarations into the above
reference.py  the tables of docs/features.md
"""
