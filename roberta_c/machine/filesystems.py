"""Whether a path lies on a disk of this machine, as far as Linux tells."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

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
    place = os.path.realpath(path)
    on_the_way: dict[str, _Mount] = {}
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        words = before.split(" ")
        if not separator or len(words) < 5 or not after:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), words[4])
        if place == point or place.startswith(point.rstrip("/") + "/"):
            on_the_way[words[0]] = _Mount(words[1], point, after.split(" ")[0])
    # As the system walks: from the root, at each folder, into what is mounted there on the file system that
    # was reached. So a mount that lies hidden below a later one is not entered.
    roots = [
        one for one, mount in on_the_way.items() if mount.parent not in on_the_way and mount.point == "/"
    ]
    if len(roots) != 1:
        return False
    current = roots[0]
    for _ in on_the_way:
        next_ones = [one for one, mount in on_the_way.items() if mount.parent == current and one != current]
        if not next_ones:
            break
        current = min(next_ones, key=lambda one: len(on_the_way[one].point))
    return on_the_way[current].kind in _LOCAL


class _Mount(NamedTuple):
    parent: str
    point: str
    kind: str
