"""Words for people who mistyped a name: what there is, and what they may have meant."""

import difflib
from collections.abc import Iterable


def did_you_mean(seen: object, known: Iterable[str]) -> str:
    """A hint such as "did you mean 'plays'?", or nothing."""
    close = difflib.get_close_matches(str(seen), [str(word) for word in known], n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def one_of(known: Iterable[str]) -> str:
    """What is allowed, as a list for people."""
    return ", ".join(known) or "nothing"
