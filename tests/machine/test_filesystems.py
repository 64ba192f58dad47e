"""is_local(): the file system of a path, from a list of mounts."""

from __future__ import annotations

import sys

import pytest

from roberta_c.machine.filesystems import is_local

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:25 / /home rw,relatime shared:2 - nfs4 server:/home rw
31 30 0:26 / /home/local\040disk rw - xfs /dev/sdb rw
32 22 0:27 / /mnt/fuse rw - fuse.sshfs host: rw
33 22 0:28 / /mnt/twice rw - tmpfs tmpfs rw
34 33 0:29 / /mnt/twice rw - 9p share rw
35 22 0:30 / /mnt/odd rw - lustre
37 22 8:3 / /mnt/deep/inner rw - ext4 /dev/sdc rw
38 22 0:31 / /mnt/deep rw - nfs4 server:/deep rw
39 38 8:4 / /mnt/deep/other rw - ext4 /dev/sdd rw
nonsense
36 22
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", True),
        ("/var/cache", True),
        ("/homely", True),
        ("/home", False),
        ("/home/ada/.cache", False),
        ("/home/local disk/a", True),
        ("/mnt/fuse/a", False),
        ("/mnt/twice/a", False),
        ("/mnt/odd/a", False),
        ("/mnt/deep/inner/a", False),  # hidden below what was mounted later
        ("/mnt/deep/other/a", True),
    ],
)
def test_the_innermost_and_last_mount_counts(tmp_path, path, expected):
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert is_local(path, tmp_path / "mountinfo") is expected


def test_without_a_list_nothing_is_local(tmp_path):
    assert is_local("/", tmp_path / "nothing") is False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_this_machine(tmp_path):
    assert isinstance(is_local(tmp_path), bool)
    assert is_local("/proc") is False
