"""Texts of others, ids above all, as people see them: nothing in them moves a cursor, sets a colour or turns a line."""


def visible(text: str, keep: str = "") -> str:
    """A question mark for each character that cannot be printed.  keep: those that stay as they are."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else "?" for c in text)
