"""What the machine, or the container, allows."""

from functools import cache
from pathlib import Path
from typing import Final

_CGROUPS: Final = Path("/sys/fs/cgroup")


@cache
def memory_limit_bytes(cgroups: Path = _CGROUPS, proc: Path = Path("/proc")) -> int:
    """What this process and its children may have: the smallest limit of its control groups, else all there is."""
    lines = (proc / "meminfo").read_text().splitlines()
    limits = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemTotal:")]
    for line in (proc / "self" / "cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        place = Path(path.strip("/"))
        for folder in (place, *place.parents):
            file = top / folder / name
            if file.is_file() and (text := file.read_text().strip()).isdigit():
                limits.append(int(text))
    return min(limits)
