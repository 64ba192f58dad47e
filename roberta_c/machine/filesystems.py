"""Whether a path lies on a disk of this machine, as far as Linux tells."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
# Types that keep their data on this machine. What is not here is not known to, such as nfs, cifs, lustre, 9p
# and everything of FUSE.
_LOCAL = {
    *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "nilfs2"),
    *("tmpfs", "ramfs", "overlay"),
}


def is_local(path: str | os.PathLike[str], mounts: Path = MOUNTS) -> bool:
    """Whether `path` is on a file system of this machine. False if that is not known, as on other systems.

    Pages of such a file stay what they are while a process maps it, even after the file is removed. Where
    another machine holds the file, its removal there can take them away.
    """
    try:
        text = mounts.read_text(errors="surrogateescape")
    except OSError:  # not Linux
        return False
    place, kind, longest = os.path.realpath(path), "", -1
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        words = before.split(" ")
        if not separator or len(words) < 5 or not after:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), words[4])
        is_above = place == point or place.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= longest:  # of two at one place, the later one lies above
            kind, longest = after.split(" ")[0], len(point)
    return kind in _LOCAL
