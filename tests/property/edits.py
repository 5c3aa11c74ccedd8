"""What is right, changed: bytes that are edited, values of other types; and what may come out of that."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from state.errors import ConfigError, DriftnetError

MANY: Final = settings(max_examples=300, deadline=None)
FEW: Final = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Edits = list[tuple[float, int, bytes]]
edits: Final = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 8), st.binary(max_size=8)), min_size=1, max_size=3
)
"""Places in a text as a share of it, how many bytes are taken out there, and what is put in."""
values: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def edited(data: bytes, changes: Edits) -> bytes:
    for where, gone, put in changes:
        at = int(where * len(data))
        data = data[:at] + put + data[at + gone :]
    return data


@contextmanager
def only_ours() -> Iterator[None]:
    """Passes errors of ours; those of a configuration have a line for each key, all others one line."""
    found: DriftnetError | None = None
    try:
        yield
    except DriftnetError as error:
        found = error
    if found is not None:
        assert all(str(found).splitlines())
        assert isinstance(found, ConfigError) or str(found).count("\n") == 0
