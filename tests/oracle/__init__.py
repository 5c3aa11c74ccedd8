"""The slow, obvious twin of the subject stage: plain dicts and loops, written from the definitions, not from the code.

An event is a dict: event_time_us, event_key, subject (ints) and its columns. Ids are ints, enums words, numbers and
times floats; None is missing.
"""
