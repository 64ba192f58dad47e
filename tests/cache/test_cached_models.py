"""A model from the cache is the model from its files: the same bits, the same checks."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from samples.caches import IDS, bits, load, packed_files
from samples.tiny_model import make_tiny_model

import roberta_c
from roberta_c import AutoModel, RobertaModel, bundled_model_path
from roberta_c import cache as cache_room
from roberta_c.cache import identity, settings, wait_for_writers
from roberta_c.checkpoint import open_checkpoint, weight_file
from roberta_c.checkpoint.names import encoder_shapes, lm_head_shapes
from roberta_c.checkpoint.safetensors_writer import write_safetensors
from roberta_c.config import RobertaConfig
from roberta_c.errors import InputError, ModelFileError
from roberta_c.kernels import available_isas
from roberta_c.model import weights


@pytest.mark.parametrize("place", ["mapped", "copied"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("isa", [*available_isas(), "reference"])
def test_same_bits_with_and_without_cache(tmp_path, cache_folder, monkeypatch, isa, dtype, place):
    """Case 91: each instruction set and arithmetic has a file of its own, and finds no other's."""
    sizes = {"hidden_size": 48, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 70}
    folder = make_tiny_model(tmp_path / "model", **sizes)
    monkeypatch.setattr("roberta_c.cache.reader.is_local", lambda _: place == "mapped")
    others = [(one, "float32") for one in available_isas()[:1]]
    for other_isa, other_dtype in others:
        load(folder, cache_folder, isa=other_isa, dtype=other_dtype)
    options = {"isa": isa, "dtype": dtype}
    expected = bits(load(folder, None, **options))
    first = load(folder, cache_folder, **options)
    second = load(folder, cache_folder, **options)
    is_other = (isa, dtype) not in others
    assert first.cache_report.state == ("written" if is_other else "read")
    assert second.cache_report.state == "read"
    assert second.cache_report.is_mapped == (place == "mapped")
    assert second.cache_report.packing_ms >= 0
    assert bits(first) == bits(second) == expected
    assert len(packed_files(cache_folder)) == len(others) + is_other


@pytest.mark.parametrize("what", ["package", "format", "layout"])
def test_a_file_of_another_version_is_not_found(made, cache_folder, monkeypatch, what):
    """Case 91: of this package, of the file's form, or of the layout of packed weights."""
    load(made, cache_folder)
    old = packed_files(cache_folder)
    if what == "package":
        monkeypatch.setattr(identity, "__version__", "0.0.1")
    elif what == "format":
        monkeypatch.setattr(identity, "FORMAT", 2)
        monkeypatch.setattr("roberta_c.cache.layout.FORMAT", 2)
    else:
        found = identity.key_facts
        monkeypatch.setattr(
            identity, "key_facts", lambda *given: {**found(*given), "layout": ["another"] * 3}
        )
    assert load(made, cache_folder).cache_report.state == "written"
    assert load(made, cache_folder).cache_report.state == "read"
    assert len(packed_files(cache_folder)) == 2
    assert set(old) < set(packed_files(cache_folder))


def test_smoothing_factors_are_kept(tmp_path, cache_folder):
    """int8 with outliers: the factors come from the cache, and so do layers that have none."""
    folder = make_tiny_model(tmp_path / "model", hidden_size=32, num_hidden_layers=2, num_attention_heads=2)
    path = folder / "model.safetensors"
    checkpoint = open_checkpoint(path)
    tensors = {name: np.array(checkpoint.read(name)) for name in checkpoint}
    tensors["encoder.layer.0.output.LayerNorm.weight"][3] = 90.0
    write_safetensors(path, [(name, "float32", array) for name, array in tensors.items()])
    models = [load(folder, cache, dtype="int8") for cache in (None, cache_folder, cache_folder)]
    assert models[2].cache_report.state == "read"
    smooths = [[layer.packed.qkv.smooth is None for layer in model.encoder.layer] for model in models]
    assert smooths[0] == smooths[2]
    assert not all(smooths[0])
    assert bits(models[0]) == bits(models[1]) == bits(models[2])


@pytest.mark.parametrize("stored", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("rows_in_file", [False, True])
def test_types_of_files(tmp_path, cache_folder, monkeypatch, stored, rows_in_file):
    monkeypatch.setattr(weights, "READ_ROWS_FROM", 0 if rows_in_file else 1 << 30)
    config = RobertaConfig(vocab_size=20, hidden_size=8, num_attention_heads=2, num_hidden_layers=1,
                           intermediate_size=12, max_position_embeddings=12)  # fmt: skip
    config.save_pretrained(tmp_path)
    rng = np.random.default_rng(1)
    tensors = []
    for name, shape in encoder_shapes(config).items():
        array = rng.standard_normal(shape).astype("float32" if stored == "bfloat16" else stored)
        if stored == "bfloat16":
            array = (array.view(np.uint32) >> 16).astype(np.uint16)
        tensors.append((name, stored, array))
    write_safetensors(tmp_path / "model.safetensors", tensors)
    models = [load(tmp_path, cache) for cache in (None, cache_folder, cache_folder)]
    assert models[2].cache_report.state == "read"
    assert len({bits(model) for model in models}) == 1


@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are UTF-8 there")
def test_names_that_are_not_utf_8(made, tmp_path, cache_folder):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/m\xff\n\xc3")
    shutil.copytree(made, folder)
    assert load(folder, cache_folder).cache_report.state == "written"
    assert load(folder, cache_folder).cache_report.state == "read"
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/cache\xff")
    assert load(folder, odd).cache_report.state == "written"
    assert load(folder, odd).cache_report.state == "read"


def test_a_large_head_has_a_file_of_its_own(tmp_path, cache_folder):
    """Models with other heads share the encoder's."""
    config = RobertaConfig(vocab_size=20, hidden_size=8, num_attention_heads=2, num_hidden_layers=1,
                           intermediate_size=12, max_position_embeddings=12)  # fmt: skip
    config.save_pretrained(tmp_path)
    rng = np.random.default_rng(1)
    shapes = {**encoder_shapes(config), **lm_head_shapes(config, {"lm_head.bias": ""})}
    tensors = [
        (name, "float32", rng.standard_normal(shape).astype(np.float32)) for name, shape in shapes.items()
    ]
    write_safetensors(tmp_path / "model.safetensors", tensors)
    expected = roberta_c.RobertaForMaskedLM.from_pretrained(tmp_path, cache=None)(IDS).logits
    load(tmp_path, cache_folder)
    assert len(packed_files(cache_folder)) == 1
    for _ in range(2):
        model = roberta_c.RobertaForMaskedLM.from_pretrained(tmp_path, cache=cache_folder)
        assert all(np.array_equal(*pair) for pair in zip(model(IDS).logits, expected, strict=True))
    assert len(packed_files(cache_folder)) == 2
    assert load(tmp_path, cache_folder).cache_report.state == "read"


def test_a_file_of_fewer_layers_is_completed(tmp_path, cache_folder):
    folder = make_tiny_model(tmp_path / "model", num_hidden_layers=3)
    load(folder, cache_folder, num_hidden_layers=1)
    small = packed_files(cache_folder)[0].stat()
    model = load(folder, cache_folder)
    assert model.cache_report.state == "written"
    [path] = packed_files(cache_folder)
    assert path.stat().st_size > small.st_size
    again = load(folder, cache_folder)
    assert again.cache_report.state == "read"
    assert bits(again) == bits(model) == bits(load(folder, None))
    inode = path.stat().st_ino
    load(folder, cache_folder, num_hidden_layers=2)
    assert packed_files(cache_folder)[0].stat().st_ino == inode


def test_what_a_load_checks_holds_with_a_cache(made, tmp_path, cache_folder):
    """NaN is no error of one load and then of none: allow_nonfinite is part of the key."""
    folder = shutil.copytree(made, tmp_path / "nan")
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-4:] = np.float32("nan").tobytes()
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="finite"):
        load(folder, cache_folder)
    assert not cache_folder.exists()  # only a load that has succeeded writes
    assert load(folder, cache_folder, allow_nonfinite=True).cache_report.state == "written"
    assert load(folder, cache_folder, allow_nonfinite=True).cache_report.state == "read"
    with pytest.raises(ModelFileError, match="finite"):
        load(folder, cache_folder)
    with pytest.raises(ModelFileError, match="shape"):
        load(folder, cache_folder, hidden_size=6, num_attention_heads=2, allow_nonfinite=True)


def wait_for_the_clock_of(path: Path) -> None:
    """Until a file that is changed gets another time than this one has."""
    probe = path.with_name("probe")
    probe.touch()
    while probe.stat().st_ctime_ns <= path.stat().st_ctime_ns:
        time.sleep(0.002)
        os.utime(probe)


def test_a_source_whose_time_of_change_may_be_set(tmp_path, cache_folder, monkeypatch):
    """Case 92: as on vfat and with FUSE. Any byte counts, not only those of the sampled pages."""
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 512}
    path = make_tiny_model(tmp_path / "model", **sizes) / "model.safetensors"
    monkeypatch.setattr(identity, "is_local", lambda _: False)
    monkeypatch.setattr(identity, "BUFFER_BYTES", 1 << 16)  # read in several pieces
    monkeypatch.setattr(
        weight_file,
        "_identity",
        lambda status: (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mtime_ns),
    )
    assert load(path.parent, cache_folder).cache_report.state == "written"
    assert load(path.parent, cache_folder).cache_report.state == "read"
    before, data = path.stat(), bytearray(path.read_bytes())
    assert len(data) > 2 * (identity.SAMPLES + 1) * identity.SAMPLE_BYTES
    for number in range(8):  # a quarter of all bytes are in samples
        at = len(data) // 2 + 4 * 1021 * number
        data[at - at % 4 + 1] ^= 64  # of the mantissa of some weight, since tensors begin at a multiple of 4
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        model = load(path.parent, cache_folder)
        assert model.cache_report.state == "written"
        assert bits(model) == bits(load(path.parent, None))

    kept = weights.WeightSource.layer

    def layer(source, index):
        found = kept(source, index)
        data[-5] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return found

    monkeypatch.setattr(weights.WeightSource, "layer", layer)
    data[-5] ^= 2
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    kept_layers = load(path.parent, cache_folder, num_hidden_layers=1)  # changes while it is loaded
    assert kept_layers.cache_report.state == "not used"


def test_a_source_that_is_replaced_is_packed_again(model_folder, tmp_path, cache_folder):
    """Case 92: other weights under the same name, of the same size, with the same modification time."""
    path = model_folder / "model.safetensors"
    old = load(model_folder, cache_folder)
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-8:-4] = np.float32(1.5).tobytes()

    other = tmp_path / "other"
    other.write_bytes(data)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(other, path)
    renamed = load(model_folder, cache_folder)
    assert renamed.cache_report.state == "written"
    assert bits(renamed) == bits(load(model_folder, None)) != bits(old)

    data[-8:-4] = np.float32(2.5).tobytes()
    wait_for_the_clock_of(path)
    path.write_bytes(data)  # in place: the same inode
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    overwritten = load(model_folder, cache_folder)
    assert overwritten.cache_report.state == "written"
    assert bits(overwritten) == bits(load(model_folder, None)) != bits(renamed)
    assert bits(old) == bits(old)  # its mapped file stays as it was


def test_a_source_that_was_just_changed_is_not_cached(model_folder, cache_folder, monkeypatch):
    """Case 92: a second change within a step of the file system's clock would leave the times as they are."""
    monkeypatch.setattr(settings, "AUTO_SETTLED_SECONDS", 60)
    monkeypatch.setenv("ROBERTA_C_CACHE", str(cache_folder))
    (model_folder / "model.safetensors").touch()
    model = load(model_folder, "auto")
    wait_for_writers()
    assert model.cache_report.state == "not used"
    assert not packed_files(cache_folder)
    monkeypatch.setattr(settings, "SETTLED_SECONDS", 0.5)
    began = time.monotonic()
    os.utime(model_folder / "model.safetensors")
    assert load(model_folder, cache_folder).cache_report.state == "written"  # asked for by name: it waits
    assert time.monotonic() - began > 0.4


def test_a_source_that_changes_while_it_is_loaded_is_not_cached(model_folder, cache_folder, monkeypatch):
    path = model_folder / "model.safetensors"
    kept = weights.WeightSource.layer

    def layer(source, index):
        found = kept(source, index)
        wait_for_the_clock_of(path)
        os.chmod(path, 0o600)  # a change of status only: the time of modification stays
        return found

    monkeypatch.setattr(weights.WeightSource, "layer", layer)
    model = load(model_folder, cache_folder)
    assert model.cache_report.state == "not used"
    assert not packed_files(cache_folder)


def test_the_bundled_model_and_small_ones_are_not_cached(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "MIN_BYTES", 16 << 20)
    model = AutoModel.from_pretrained(bundled_model_path(), cache=tmp_path / "cache")
    assert model.cache_report.state == "small"
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_pages_are_shared(tmp_path, cache_folder, monkeypatch):
    """A mapped file costs a process no memory of its own, not even after calls."""
    monkeypatch.setattr("roberta_c.cache.reader.is_local", lambda _: True)
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 4, "intermediate_size": 256}
    folder = make_tiny_model(tmp_path / "model", **sizes)
    load(folder, cache_folder)
    model = load(folder, cache_folder)
    model(IDS)
    [path] = packed_files(cache_folder)
    smaps = Path("/proc/self/smaps").read_text()
    own = smaps[smaps.index(path.name) :].split("VmFlags")[0]
    sizes_of = dict(re.findall(r"^(\w+):\s+(\d+) kB$", own, re.MULTILINE))
    assert model.cache_report.is_mapped
    assert int(sizes_of["Rss"]) > 0
    assert int(sizes_of["Private_Dirty"]) == int(sizes_of["Anonymous"]) == 0


def test_what_a_signal_handler_raises_is_not_taken_for_a_failure(made, cache_folder, monkeypatch):
    """A program that limits the time of a load with an alarm gets its exception."""

    def late(*_):
        raise TimeoutError("too late")

    load(made, cache_folder)
    with monkeypatch.context() as patch:
        patch.setattr("roberta_c.cache.reader.digests", late)
        with pytest.raises(TimeoutError, match="too late"):
            load(made, cache_folder)
    assert load(made, cache_folder).cache_report.state == "read"


def test_a_value_error_is_not_taken_for_a_failure(made, cache_folder, monkeypatch):
    def late(*_):
        raise ValueError("of a signal handler")

    load(made, cache_folder)
    monkeypatch.setattr("roberta_c.cache.reader.digests", late)
    with pytest.raises(ValueError, match="of a signal handler"):
        load(made, cache_folder)


def test_a_pickled_model_is_loaded_from_the_cache(made, cache_folder, tmp_path, monkeypatch):
    """In any folder, if the cache's was given as a relative one."""
    load(made, cache_folder)
    monkeypatch.chdir(cache_folder.parent)
    data = pickle.dumps(load(made, cache_folder.name))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pickle.loads(data).cache_report.state == "read"
    assert not list((tmp_path / "elsewhere").iterdir())


def test_another_numpy_may_round_smoothing_factors_differently(made, cache_folder, monkeypatch):
    """Case 91: int8 only."""
    for dtype in ("float32", "int8"):
        load(made, cache_folder, dtype=dtype)
    monkeypatch.setattr(np, "__version__", "9.9.9")
    states = [load(made, cache_folder, dtype=dtype).cache_report.state for dtype in ("float32", "int8")]
    assert states == ["read", "written"]


@pytest.mark.parametrize("shape", [(1,), (3,), (8, 1), (0, 8)])
def test_smoothing_factors_of_another_shape_are_not_used(made, cache_folder, monkeypatch, shape):
    expected = bits(load(made, None, dtype="int8"))
    with monkeypatch.context() as patch:
        kept = cache_room.WeightCache.keep

        def keep(cache, name, array, part):
            kept(cache, name, np.ones(shape, np.float32) if name.startswith("smooth ") else array, part)

        patch.setattr(cache_room.WeightCache, "keep", keep)
        load(made, cache_folder, dtype="int8")
    for state in ("written", "read"):
        model = load(made, cache_folder, dtype="int8")
        assert model.cache_report.state == state
        assert bits(model) == expected


def test_a_head_that_is_not_written_hides_not_that_the_encoder_was_read(tmp_path, cache_folder, monkeypatch):
    """Of weight files that were changed just now."""
    config = RobertaConfig(vocab_size=20, hidden_size=8, num_attention_heads=2, num_hidden_layers=1,
                           intermediate_size=12, max_position_embeddings=12)  # fmt: skip
    config.save_pretrained(tmp_path)
    shapes = {**encoder_shapes(config), **lm_head_shapes(config, {"lm_head.bias": ""})}
    tensors = [(name, "float32", np.ones(shape, np.float32)) for name, shape in shapes.items()]
    write_safetensors(tmp_path / "model.safetensors", tensors)
    load(tmp_path, cache_folder)
    monkeypatch.setattr(settings, "AUTO_SETTLED_SECONDS", 60)
    monkeypatch.setenv("ROBERTA_C_CACHE", str(cache_folder))
    for least in (1, 1 << 9):  # a head that is worth a file, and one that is not
        monkeypatch.setattr(settings, "MIN_BYTES", least)
        report = roberta_c.RobertaForMaskedLM.from_pretrained(tmp_path, cache="auto").cache_report
        assert (report.state, report.reason) == ("read", "")
        assert report.nbytes
    wait_for_writers()
    assert len(packed_files(cache_folder)) == 1


def test_wrong_arguments(made):
    for wrong in (3, b"x", "", "a\0b", True):
        with pytest.raises(InputError, match="cache"):
            RobertaModel.from_pretrained(made, cache=wrong)
