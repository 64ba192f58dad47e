"""Folders: private ones alone are used; those that cannot be written change no answer; files that go."""

from __future__ import annotations

import logging
import os
import time

import pytest
from samples.caches import allow_tiny_models, bits, load, packed_files

from roberta_c.cache import folder as private
from roberta_c.cache import settings, wait_for_writers, writer
from roberta_c.cache.errors import UnusableError

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def warnings_of(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def assert_packed_with_one_warning(made, cache, caplog, reason: str) -> None:
    """Two loads give the right answer, and together one warning."""
    expected = bits(load(made, None))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            model = load(made, cache)
            assert model.cache_report.state == "not used"
            assert bits(model) == expected
    [warning] = warnings_of(caplog)
    assert reason in warning
    assert "\n" not in warning


@pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
def test_a_read_only_folder(made, cache_folder, caplog):
    """Case 87."""
    cache_folder.mkdir(mode=0o500)
    assert_packed_with_one_warning(made, cache_folder, caplog, "Permission denied")


def test_a_folder_that_cannot_be_made(made, tmp_path, caplog):
    """Case 87: below a file, and in /proc, where root cannot write either."""
    (tmp_path / "file").write_text("")
    assert_packed_with_one_warning(made, tmp_path / "file" / "cache", caplog, "Not a directory")


def test_a_folder_whose_name_is_long_or_has_a_line_end(made, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    below = "/".join(["a\nb", *["c" * 200] * 9])
    assert_packed_with_one_warning(made, tmp_path / "file" / below, caplog, "Not a directory")
    [warning] = warnings_of(caplog)
    assert len(warning) < 1200


def test_a_read_only_file_system(made, monkeypatch, caplog, cache_folder):
    """Case 87: as in a container whose root may not be written."""

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "makedirs", refuse)
    assert_packed_with_one_warning(made, cache_folder, caplog, "Read-only file system")


def test_a_folder_with_files_is_read_without_being_writable(made, cache_folder):
    load(made, cache_folder)
    cache_folder.chmod(0o500)
    try:
        assert load(made, cache_folder).cache_report.state == "read"
    finally:
        cache_folder.chmod(0o700)


def test_too_little_room_on_the_disk(made, cache_folder, monkeypatch, caplog):
    """Case 88: nothing is begun that would fill the disk."""
    monkeypatch.setattr(settings, "FREE_BYTES", 1 << 60)
    assert_packed_with_one_warning(made, cache_folder, caplog, "bytes left")
    assert list(cache_folder.iterdir()) == []


@pytest.mark.parametrize("error", [28, 122, 5])  # no space, quota exceeded, input/output error
def test_a_disk_that_becomes_full(made, cache_folder, monkeypatch, caplog, error):
    """Case 88: in the middle of a file, of which nothing stays."""
    written = os.pwrite

    def pwrite(descriptor, data, offset):
        if offset:
            raise OSError(error, os.strerror(error))
        return written(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    assert_packed_with_one_warning(made, cache_folder, caplog, os.strerror(error))
    assert list(cache_folder.iterdir()) == []


def test_a_disk_that_fails_to_sync(made, cache_folder, monkeypatch, caplog):
    """Case 88: errors of writing that fsync tells."""

    def fsync(_):
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fsync", fsync)
    assert_packed_with_one_warning(made, cache_folder, caplog, os.strerror(5))
    assert list(cache_folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["dangling", "loop", "file", "fifo"])
def test_links_and_other_things_in_the_folder_s_place(made, tmp_path, caplog, kind):
    """Case 95."""
    place = tmp_path / "cache"
    if kind == "dangling":
        place.symlink_to(tmp_path / "nowhere" / "at all")
    elif kind == "loop":
        place.symlink_to(place)
    elif kind == "file":
        place.write_text("")
    else:
        os.mkfifo(place)
    assert_packed_with_one_warning(made, place, caplog, "")


def test_a_link_to_a_folder_is_followed(made, tmp_path, cache_folder):
    """Case 95: the user's own link, to a larger disk."""
    (tmp_path / "disk").mkdir(mode=0o700)
    cache_folder.symlink_to(tmp_path / "disk")
    load(made, cache_folder)
    assert load(made, cache_folder).cache_report.state == "read"
    assert len(packed_files(tmp_path / "disk")) == 1


@pytest.mark.parametrize("target", ["nowhere", "file", "itself"])
def test_links_in_a_file_s_place(made, tmp_path, cache_folder, target):
    """Case 95: no link is followed; what it points to stays as it is."""
    load(made, cache_folder)
    [path] = packed_files(cache_folder)
    outside = tmp_path / "outside"
    outside.write_bytes(path.read_bytes())
    before = outside.read_bytes()
    path.unlink()
    path.symlink_to({"nowhere": tmp_path / "no", "file": outside, "itself": path}[target])
    expected = bits(load(made, None))
    for state in ("written", "read"):  # without cleaning by hand
        model = load(made, cache_folder)
        assert model.cache_report.state == state
        assert bits(model) == expected
    assert not path.is_symlink()
    assert outside.read_bytes() == before


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_other_things_in_a_file_s_place(made, cache_folder, caplog, kind):
    """Case 95: what can be removed is; else the warning says how to clean."""
    load(made, cache_folder)
    [path] = packed_files(cache_folder)
    path.unlink()
    if kind == "folder":
        path.mkdir()
        (path / "kept").touch()
        assert_packed_with_one_warning(made, cache_folder, caplog, f"{path.name}: no regular file")
        assert "remove it by hand" in warnings_of(caplog)[0]
    else:
        os.mkfifo(path)
        assert load(made, cache_folder).cache_report.state == "written"
        assert load(made, cache_folder).cache_report.state == "read"


@pytest.mark.skipif(not IS_ROOT, reason="only root can make a link of another user")
def test_a_link_of_another_user_is_not_followed(made, tmp_path, cache_folder, caplog):
    """Cases 95 and 97."""
    (tmp_path / "own").mkdir(mode=0o700)
    cache_folder.symlink_to(tmp_path / "own")
    os.lchown(cache_folder, 12345, 12345)
    assert_packed_with_one_warning(made, cache_folder, caplog, "a link that another user has made")


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o722])
def test_a_folder_that_others_may_write(made, cache_folder, caplog, mode):
    """Case 97: neither read nor written."""
    load(made, cache_folder)
    cache_folder.chmod(mode)
    before = {path: path.read_bytes() for path in cache_folder.iterdir()}
    assert_packed_with_one_warning(made, cache_folder, caplog, "others may write the folder")
    assert {path: path.read_bytes() for path in cache_folder.iterdir()} == before


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder away")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_belongs_to_another_user(made, cache_folder, caplog, what):
    """Case 97."""
    load(made, cache_folder)
    os.chown(cache_folder if what == "folder" else packed_files(cache_folder)[0], 12345, 12345)
    assert_packed_with_one_warning(made, cache_folder, caplog, "belongs to another user")


def test_a_file_that_others_may_write(made, cache_folder, caplog):
    """Case 97."""
    load(made, cache_folder)
    packed_files(cache_folder)[0].chmod(0o666)
    assert_packed_with_one_warning(made, cache_folder, caplog, "others may write")
    assert "`roberta-c cache clear` removes it" in warnings_of(caplog)[0]


def test_what_is_made_is_private(made, tmp_path):
    """Case 97: whatever the umask."""
    mask = os.umask(0)
    try:
        load(made, tmp_path / "new" / "cache")
    finally:
        os.umask(mask)
    [path] = packed_files(tmp_path / "new" / "cache")
    assert path.parent.stat().st_mode & 0o7777 == 0o700
    assert path.stat().st_mode & 0o7777 == 0o400
    mask = os.umask(0o777)
    try:
        load(made, path.parent, dtype="int8")
    finally:
        os.umask(mask)
    assert [one.stat().st_mode & 0o7777 for one in packed_files(path.parent)] == [0o400, 0o400]


# ---- which files stay ----------------------------------------------------------------------------------


def test_files_that_were_not_used_go_first(made, cache_folder, monkeypatch):
    now, paths = time.time(), {}
    for dtype, age in (("float32", 9000), ("bfloat16", 8000), ("int8", 5000)):
        load(made, cache_folder, dtype=dtype)
        [paths[dtype]] = set(packed_files(cache_folder)) - set(paths.values())
        os.utime(paths[dtype], (now - age, now - age))
    load(made, cache_folder, dtype="float32")  # marks its file as used
    assert paths["float32"].stat().st_mtime > now - 1000
    order = [paths[dtype].name for dtype in ("bfloat16", "int8", "float32")]
    total = sum(path.stat().st_size for path in paths.values())
    with private.opened_folder(cache_folder) as folder:
        assert [entry.name for entry in private.entries(folder)] == order
        for size, count in ((0, 0), (10, 1), (paths["bfloat16"].stat().st_size + 1, 2), (total, 3)):
            assert [entry.name for entry in private.superfluous(folder, size, total)] == order[:count]
    monkeypatch.setattr(settings, "MAX_FOLDER_BYTES", total)
    assert load(made, cache_folder, isa="reference").cache_report.state == "written"
    assert not paths["bfloat16"].exists()
    assert paths["float32"].exists()
    monkeypatch.setattr(settings, "MAX_FOLDER_BYTES", 100)
    model = load(made, cache_folder, isa="reference", dtype="int8")
    assert model.cache_report.state == "not used"
    assert "limit" in model.cache_report.reason
    assert paths["float32"].exists()


def test_a_nearly_full_disk_loses_no_old_file_for_nothing(made, cache_folder, monkeypatch):
    """Case 88: the room that removing them would make is not enough."""
    load(made, cache_folder)
    [old] = packed_files(cache_folder)
    monkeypatch.setattr(settings, "MAX_FOLDER_BYTES", old.stat().st_size + 10)
    with monkeypatch.context() as patch:
        patch.setattr(settings, "FREE_BYTES", 1 << 60)
        assert "bytes left" in load(made, cache_folder, dtype="int8").cache_report.reason
    assert packed_files(cache_folder) == [old]
    assert load(made, cache_folder, dtype="int8").cache_report.state == "written"
    assert not old.exists()


def test_other_files_in_the_folder_are_left_alone(made, cache_folder, monkeypatch):
    cache_folder.mkdir(mode=0o700)
    others = ["notes.txt", "0123.packed", "model.safetensors", ".hidden", "0123456789abcdef.packed.txt"]
    for name in others:
        (cache_folder / name).write_text("mine")
        os.utime(cache_folder / name, (0, 0))
    monkeypatch.setattr(settings, "MAX_FOLDER_BYTES", 20000)
    load(made, cache_folder)
    load(made, cache_folder, dtype="int8")
    assert all((cache_folder / name).read_text() == "mine" for name in others)


def test_unfinished_files_of_writers_that_have_ended_are_removed(made, cache_folder, monkeypatch):
    """Case 89: without cleaning by hand."""
    cache_folder.mkdir(mode=0o700)
    left = cache_folder / f".{'0' * 16}.packed.{'a' * 16}"
    left.write_bytes(b"unfinished")
    load(made, cache_folder)
    assert left.exists()  # too young to tell
    monkeypatch.setattr(private, "UNLOCKED_SECONDS", 0)
    load(made, cache_folder, dtype="int8")
    assert not left.exists()


def test_unfinished_files_where_locks_do_nothing(made, cache_folder, monkeypatch):
    """Case 94: every lock is granted, so that another's file is taken for abandoned."""
    import fcntl

    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    monkeypatch.setattr(private, "UNLOCKED_SECONDS", -1)
    expected = bits(load(made, None))
    pieces, inner = writer._pieces, []

    def write_beside(*arguments):
        if not inner:
            inner.append(list(cache_folder.glob(".*")))
            inner.append(load(made, cache_folder))
            assert not any(path.exists() for path in inner[0])
        return pieces(*arguments)

    monkeypatch.setattr(writer, "_pieces", write_beside)
    outer = load(made, cache_folder)
    assert len(inner[0]) == 1  # the outer one's, which it lost
    assert outer.cache_report.state == inner[1].cache_report.state == "written"
    again = load(made, cache_folder)
    assert again.cache_report.state == "read"
    assert bits(outer) == bits(inner[1]) == bits(again) == expected
    assert len(list(cache_folder.iterdir())) == 1


def test_who_asks_for_a_lock_does_not_keep_its_writer_from_it(made, cache_folder, monkeypatch):
    """Case 94: else a writer that syncs for long would lose its file."""
    import fcntl

    refusals, flock, pieces, found = [BlockingIOError(11, "held")] * 3, fcntl.flock, writer._pieces, []

    def busy(descriptor, operation):
        if operation & fcntl.LOCK_EX and refusals:
            raise refusals.pop()
        flock(descriptor, operation)

    def look(*arguments):
        [name] = [path.name for path in cache_folder.glob(".*")]
        with private.opened_folder(cache_folder) as folder:
            found.append(private.is_being_written(folder, name))
        return pieces(*arguments)

    monkeypatch.setattr(fcntl, "flock", busy)
    monkeypatch.setattr(writer, "_pieces", look)
    assert load(made, cache_folder).cache_report.state == "written"
    assert found == [True]


def test_a_writer_whose_file_was_taken_away(made, cache_folder, monkeypatch, caplog):
    """Case 94: its rename fails, its answer is right, and the next load writes."""
    expected = bits(load(made, None))
    renamed = os.rename

    def rename(source, target, **options):
        os.unlink(source, dir_fd=options["src_dir_fd"])
        return renamed(source, target, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        model = load(made, cache_folder)
    assert model.cache_report.state == "not used"
    assert bits(model) == expected
    assert load(made, cache_folder).cache_report.state == "written"


# ---- where it is ---------------------------------------------------------------------------------------


def test_the_variable_and_the_argument(made, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("ROBERTA_C_CACHE", raising=False)
    assert settings.chosen("auto").folder == tmp_path / "xdg" / "roberta_c"
    assert settings.chosen(None) is settings.chosen("off") is None
    assert settings.chosen(tmp_path / "own").folder == tmp_path / "own"
    monkeypatch.setenv("ROBERTA_C_CACHE", "off")
    assert settings.chosen("auto") is None
    assert settings.chosen(str(tmp_path / "own")).folder == tmp_path / "own"
    monkeypatch.setenv("ROBERTA_C_CACHE", str(tmp_path / "variable"))
    assert settings.chosen("auto").folder == tmp_path / "variable"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROBERTA_C_CACHE", "~/packed")  # in a file of settings, which no shell reads
    assert settings.chosen("auto").folder == tmp_path / "home" / "packed"
    monkeypatch.setenv("ROBERTA_C_CACHE", "auto")
    load(made, "auto")
    wait_for_writers()
    assert len(packed_files(tmp_path / "xdg" / "roberta_c")) == 1
    assert load(made, "auto").cache_report.state == "read"


def test_a_user_without_a_home(made, monkeypatch, caplog):
    """Case 87: as in a container with an unknown user."""
    allow_tiny_models(monkeypatch)
    for name in ("ROBERTA_C_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(UnusableError):
        settings.user_folder()
    assert_packed_with_one_warning(made, "auto", caplog, "no home folder")
    monkeypatch.setenv("ROBERTA_C_CACHE", "~/packed")
    with pytest.raises(UnusableError, match=r"^ROBERTA_C_CACHE: this user has no home folder$"):
        settings.chosen("auto")


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder away")
def test_root_makes_nothing_in_the_home_of_a_user(made, tmp_path, monkeypatch):
    """Case 97: as sudo may leave HOME; the user could not write the folder later."""
    for name in ("ROBERTA_C_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, 12345)
    monkeypatch.setenv("HOME", str(home))
    model = load(made, "auto")
    wait_for_writers()
    assert "belongs to another user" in model.cache_report.reason
    assert not list(home.iterdir())
