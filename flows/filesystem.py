"""Whether a path is on a disk of this machine, as SQLite needs it: its locks and shared memory end at the host."""

import os
from pathlib import Path
from typing import Final

_NETWORK: Final = frozenset(
    """
    9p afs beegfs ceph cifs coda davfs fuse.ceph fuse.glusterfs fuse.s3fs fuse.sshfs fuse.davfs2 fuse.gcsfuse
    fuse.mount-s3 fuse.blobfuse fuse.blobfuse2 gfs2 gpfs glusterfs lustre ncpfs nfs nfs4 ocfs2 orangefs smb3 smbfs
    """.split()  # noqa: SIM905 - as /proc/self/mountinfo names them
)
OF_ALL_HOSTS: Final = frozenset({"gfs2", "ocfs2"})
"""Those whose locks and mapped memory are the same for all hosts that mount them."""
OF_ONE_HOST: Final = frozenset(
    "9p beegfs ceph fuse.ceph fuse.glusterfs glusterfs gpfs lustre nfs nfs4".split()  # noqa: SIM905
)
"""Those that have locks, mapped memory and `fsync` for a host that is the only one to use a directory."""
_MOUNTS: Final = Path("/proc/self/mountinfo")


def network_type(path: str | os.PathLike[str]) -> str | None:
    """The type of the network file system that a path is on, or would be made on; None for a local one, and where the
    system does not tell.
    """
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    place = os.path.realpath(path)
    found, length = None, -1
    for line in lines:
        # 36 35 98:0 /root /mount/point options - type source (proc(5))
        head, _, tail = line.partition(" - ")
        point = head.split(" ")[4].encode().decode("unicode_escape")
        if len(point) >= length and (place == point or place.startswith(point.rstrip("/") + "/")):
            found, length = tail.split(" ")[0], len(point)
    return found if found in _NETWORK else None
