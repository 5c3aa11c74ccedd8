"""Files and folders that nobody but their owner reads: people's ids and what they did are in all of them."""

import logging
import os
from pathlib import Path
from typing import Final

from state.errors import ConfigError

VARIABLE: Final = "DRIFTNET_UMASK"
_PRIVATE: Final = 0o077
_log: Final = logging.getLogger("driftnet")


def make_files_private() -> None:
    """From here on this process, and those that it starts, make files of mode 0600 and folders of mode 0700.

    DRIFTNET_UMASK, in octal digits, allows more; what the process was not allowed before stays so.  Raises ConfigError.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        mask = int(text, 8) if text else _PRIVATE
    except ValueError:
        mask = -1
    if not 0 <= mask <= 0o777:
        raise ConfigError(f"{VARIABLE}: seen {text!r}, allowed: octal digits such as 027 (the group may read)")
    os.umask(mask if text else os.umask(mask) | mask)


def close_directory(directory: Path) -> None:
    """Takes from others what earlier builds, or whoever made the directory, gave them."""
    mask = os.umask(_PRIVATE)
    os.umask(mask)
    opened = []
    for path in (directory, *directory.rglob("*")):
        status = path.lstat()
        if status.st_mode & mask & _PRIVATE and status.st_uid == os.geteuid() and not path.is_symlink():
            path.chmod(status.st_mode & ~mask & 0o7777)
            opened.append(path)
    if opened:
        _log.warning("%s could be read by others: closed, with %d files and folders", directory, len(opened))
