"""The list of accounts that are not alerted: a file that people keep."""

from pathlib import Path

from detectors.alerting.exempt import Exemption
from flows.wire.reject import BadLineError
from flows.wire.told import Kinds, read_exempt
from state.errors import ConfigError


def read_list(file: str, kinds: Kinds) -> tuple[Exemption, ...]:
    """The entries of a JSON Lines file; empty lines and those that begin with # say nothing.  kinds: of subjects.

    Raises ConfigError, with file and line, for a file that cannot be read, a line that is no entry, and a subject that
    is in two.
    """
    try:
        lines = Path(file).read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; an empty file is a list too") from None
    found: dict[int, tuple[int, Exemption]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        try:
            entry = read_exempt(line, kinds)
        except BadLineError as error:
            reason, detail = error.why
            raise ConfigError(
                f'{file}:{number}: {reason.value}: {detail}; allowed: {{"subject": "u1", "until":'
                ' "2027-01-01T00:00:00Z", "reason": "test account"}, with "since" and "by" if you like'
            ) from None
        before, _ = found.setdefault(entry.subject, (number, entry))
        if before != number:
            raise ConfigError(f"{file}:{number}: {entry.name!r} is in line {before} already, allowed: once")
    return tuple(entry for _, entry in found.values())
