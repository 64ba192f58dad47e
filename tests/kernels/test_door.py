"""The door to C: which kernels, every argument it refuses, and what it leaves alone."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from samples.kernels import each_isa, in_a_process, normal, random_layer, same_bits, starts_of

from roberta_c.errors import InputError, ResourceError
from roberta_c.kernels import (
    EmbeddingTables,
    Kernels,
    Norm,
    PackedLayer,
    PackedLinear,
    Workspace,
    _kernels,
    aligned_empty,
    available_isas,
    known_isas,
)

pytestmark = pytest.mark.unsanitized


def zeros(*shape: int, dtype: object = np.float32) -> np.ndarray:
    return np.zeros(shape, dtype)


# ---- which kernels -------------------------------------------------------------------------------------


def test_isas_are_listed_best_first():
    assert known_isas()[-1] == "generic"
    assert "reference" not in known_isas()
    assert available_isas() == tuple(isa for isa in known_isas() if isa in available_isas())
    assert available_isas()[-1] == "generic"


@each_isa
def test_a_table_says_what_it_is(kernels):
    assert kernels.isa in (*known_isas(), "reference")
    rows, columns = kernels.tile
    assert rows >= 1
    assert columns >= 1
    assert pickle.loads(pickle.dumps(kernels)).isa == kernels.isa


def test_the_best_isa_is_taken_unless_the_environment_lowers_it(monkeypatch):
    monkeypatch.delenv("ROBERTA_C_ISA", raising=False)
    assert Kernels().isa == available_isas()[0]
    monkeypatch.setenv("ROBERTA_C_ISA", "")
    assert Kernels().isa == available_isas()[0]
    for isa in (*available_isas(), "reference"):
        monkeypatch.setenv("ROBERTA_C_ISA", isa)
        assert Kernels().isa == isa
        assert Kernels("generic").isa == "generic"


@pytest.mark.parametrize(
    "name", ["AVX2", "sse9", "", " avx2", "avx2\0", "ävx2", "avx2,generic", "x" * 500, 5, b"avx2"]
)
def test_an_unknown_isa_is_refused_and_the_known_ones_listed(name):
    with pytest.raises(InputError) as caught:
        Kernels(name)
    message = str(caught.value)
    assert message.startswith("isa: found ")
    assert message.endswith(", ".join(available_isas()) + ": it is not an instruction set this build knows")
    assert len(message) < 250
    assert message.isprintable()


def test_an_isa_that_this_cpu_lacks_is_refused():
    for isa in set(known_isas()) - set(available_isas()):
        with pytest.raises(ResourceError, match=rf"^isa: found '{isa}', .* is not available on this CPU$"):
            Kernels(isa)


def test_the_environment_is_named_where_it_is_wrong(monkeypatch):
    monkeypatch.setenv("ROBERTA_C_ISA", "neon9000")
    with pytest.raises(InputError, match=r"^ROBERTA_C_ISA: found 'neon9000', expected one of "):
        Kernels()


def test_a_table_cannot_be_changed_under_its_weights():
    kernels = Kernels(available_isas()[0])
    kernels.__init__("generic")  # Python lets anyone call it again
    assert kernels.isa == available_isas()[0]
    assert Kernels.__new__(Kernels).isa in known_isas()
    for name in ("isa", "tile"):
        with pytest.raises(AttributeError):
            setattr(kernels, name, "generic")


# ---- arguments -----------------------------------------------------------------------------------------

K = Kernels("generic")
NORM = Norm(np.ones(6, np.float32), zeros(6), 1e-5)
PACKED = K.pack_linear([zeros(4, 6)], [zeros(4)])
TABLES = EmbeddingTables(zeros(9, 6), "float32", zeros(5, 6), zeros(2, 6), NORM)
LAYER = random_layer(K, np.random.default_rng(0), 6, 2, 8)
IDS = np.array([0, 1, 2])
STARTS = starts_of([3])

# What each argument that takes floats is called in messages, its good value, and the call.
FLOAT_ARGUMENTS = {
    "linear x": ("x", zeros(3, 6), lambda a: K.linear(a, PACKED)),
    "linear residual": ("residual", zeros(3, 4), lambda a: K.linear(zeros(3, 6), PACKED, residual=a)),
    "layer_norm x": ("x", zeros(3, 6), lambda a: K.layer_norm(a, NORM)),
    "attention qkv": ("qkv", zeros(3, 18), lambda a: K.attention(a, STARTS, 2)),
    "encoder_layer x": ("x", zeros(3, 6), lambda a: K.encoder_layer(LAYER, a, STARTS, Workspace())),
    "pack_linear weight": ("weight", zeros(4, 6), lambda a: K.pack_linear([a])),
    "pack_linear second weight": ("weight", zeros(4, 6), lambda a: K.pack_linear([zeros(4, 6), a])),
    "pack_linear bias": ("bias", zeros(4), lambda a: K.pack_linear([zeros(4, 6)], [a])),
    "Norm weight": ("LayerNorm weight", zeros(6), lambda a: Norm(a, zeros(6), 1e-5)),
    "Norm bias": ("LayerNorm bias", zeros(6), lambda a: Norm(zeros(6), a, 1e-5)),
    "word": ("word embeddings", zeros(9, 6), lambda a: tables(word=a)),
    "position": ("position embeddings", zeros(5, 6), lambda a: tables(position=a)),
    "token_type": ("token type embeddings", zeros(2, 6), lambda a: tables(token_type=a)),
    "panels": ("panels", PACKED.panels, lambda a: PackedLinear(K, a, None, 1, 4, 6)),
    "packed bias": ("bias", zeros(4), lambda a: PackedLinear(K, PACKED.panels, a, 1, 4, 6)),
    "activate x": ("x", zeros(3, 6), lambda a: K.activate(a, "gelu")),
    "exponentiate x": ("x", zeros(3, 6), lambda a: K.exponentiate(a)),
}


def tables(**changed: object) -> EmbeddingTables:
    parts = {"word": zeros(9, 6), "word_dtype": "float32", "position": zeros(5, 6), "token_type": zeros(2, 6)}
    return EmbeddingTables(**{**parts, "norm": NORM, **changed})


def strided(array: np.ndarray) -> np.ndarray:
    return np.repeat(array, 2, axis=-1)[..., ::2]


def unaligned(array: np.ndarray) -> np.ndarray:
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    return memory.view(array.dtype).reshape(array.shape)


@pytest.mark.parametrize("case", FLOAT_ARGUMENTS)
def test_arrays_of_another_kind_are_refused(case):
    name, good, call = FLOAT_ARGUMENTS[case]
    call(good)
    wrong = {
        r"found list, expected a numpy array": good.tolist(),
        r"found dtype float64, expected float32": good.astype(np.float64),
        r"found dtype >f4, expected float32": good.astype(">f4"),
        r"found dtype int32, expected float32": good.view(np.int32),
        r"found dtype object, expected float32": good.astype(object),
        r"found a strided or unaligned array, expected a C-contiguous one": strided(good),
    }
    if case != "word":  # the one table that C reads at any alignment
        wrong[r"found a strided or unaligned array"] = unaligned(good)
    if case not in ("linear residual", "packed bias"):  # which may be left out
        wrong[r"found NoneType, expected a numpy array"] = None
    for pattern, value in wrong.items():
        with pytest.raises(InputError, match=rf"^{name}: {pattern}"):
            call(value)


@pytest.mark.parametrize(
    "case", [case for case in FLOAT_ARGUMENTS if case not in ("activate x", "exponentiate x")]
)
def test_arrays_of_another_shape_are_refused(case):
    name, good, call = FLOAT_ARGUMENTS[case]
    shapes = [
        good[None],
        good.reshape(-1, 1, 1),
        zeros(),
        np.pad(good, [(0, 0)] * (good.ndim - 1) + [(0, 1)]),
    ]
    if case == "pack_linear weight":
        shapes = [*shapes[:3], zeros(0, 6), zeros(4, 0)]
    if case == "Norm weight":
        shapes = [*shapes[:3]]
    for shape in shapes:
        with pytest.raises(
            InputError, match=rf"^{name}: found shape \([0-9, ]*\)[ a-z0-9]*, expected "
        ) as caught:
            call(shape)
        assert "\n" not in str(caught.value)


def test_x_that_receives_the_result_must_be_writable():
    x = zeros(3, 6)
    x.flags.writeable = False
    with pytest.raises(InputError, match=r"^x: found a read-only array, expected a writable one"):
        K.encoder_layer(LAYER, x, STARTS, Workspace())
    assert not x.any()


HOSTILE_STARTS = {
    "empty": [],
    "not from 0": [1, 3],
    "negative": [-1, 3],
    "short of the end": [0, 2],
    "past the end": [0, 4],
    "falling": [0, 2, 1, 3],
    "far out": [0, 2**62, 3],
    "differences that wrap around": [0, 2**63 - 1, -2, 3],
}


@pytest.mark.parametrize("starts", HOSTILE_STARTS.values(), ids=HOSTILE_STARTS)
def test_sequence_offsets_must_rise_from_0_to_the_end(starts):
    starts = np.array(starts, np.int64)
    with pytest.raises(
        InputError, match=r"^seq_starts: found \[.*\], expected offsets that rise from 0 to 3$"
    ):
        K.attention(zeros(3, 18), starts, 2)
    with pytest.raises(
        InputError, match=r"^seq_starts: found \[.*\], expected offsets that rise from 0 to 3$"
    ):
        K.encoder_layer(LAYER, zeros(3, 6), starts, Workspace())


def test_sequence_offsets_must_be_int64():
    for starts, found in (
        (STARTS.astype(np.int32), "dtype int32"),
        (STARTS.astype(np.uint64), "dtype uint64"),
        (STARTS[None], r"shape \(1, 2\)"),
        ([0, 3], "list"),
    ):
        with pytest.raises(InputError, match=f"^seq_starts: found {found}, expected "):
            K.attention(zeros(3, 18), starts, 2)


@pytest.mark.parametrize("heads", [0, -1, 4, 7, 2**40])
def test_heads_must_divide_the_hidden_size(heads):
    with pytest.raises(InputError, match=rf"^qkv: found shape \(3, 18\) for {heads} heads, expected "):
        K.attention(zeros(3, 18), STARTS, heads)
    with pytest.raises(InputError, match=rf"^heads: found {heads}, expected a divisor of 6$"):
        layer(heads=heads)
    with pytest.raises(InputError, match=r"^qkv: found shape \(3, 17\) for 1 heads"):
        K.attention(zeros(3, 17), STARTS, 1)


THREADED = {
    "pack_linear": lambda n: K.pack_linear([zeros(4, 6)], num_threads=n),
    "linear": lambda n: K.linear(zeros(3, 6), PACKED, num_threads=n),
    "attention": lambda n: K.attention(zeros(3, 18), STARTS, 2, num_threads=n),
    "layer_norm": lambda n: K.layer_norm(zeros(3, 6), NORM, num_threads=n),
    "activate": lambda n: K.activate(zeros(3, 6), "gelu", num_threads=n),
    "embed": lambda n: K.embed(TABLES, IDS, IDS, num_threads=n),
    "encoder_layer": lambda n: K.encoder_layer(LAYER, zeros(3, 6), STARTS, Workspace(), num_threads=n),
}


@pytest.mark.parametrize("method", THREADED)
def test_num_threads_must_be_a_number_of_threads(method):
    for wrong in (0, -1, 1025, 2**70, True, 1.0, "2", None):
        with pytest.raises(
            InputError, match=rf"^num_threads: found {re.escape(ascii(wrong))}, expected 1 to 1024$"
        ):
            THREADED[method](wrong)


@pytest.mark.parametrize("activation", ["GELU", "", "swish", None, 3, [], b"gelu", "x" * 999])
def test_an_unknown_activation_is_refused(activation):
    pattern = r"^activation: found .{1,80}, expected one of none, gelu, gelu_new, relu, tanh$"
    with pytest.raises(InputError, match=pattern):
        K.activate(zeros(3), activation)
    with pytest.raises(InputError, match=pattern):
        K.linear(zeros(3, 6), PACKED, activation)
    if activation is None or isinstance(activation, str):
        with pytest.raises(InputError, match=pattern):
            layer(activation=activation)


def test_a_residual_beside_an_activation_is_refused():
    with pytest.raises(InputError, match=r"^residual: found one beside an activation, expected either$"):
        K.linear(zeros(3, 6), PACKED, "gelu", residual=zeros(3, 4))


def test_weights_of_other_kernels_are_refused():
    other = Kernels("reference")
    with pytest.raises(InputError, match=r"^packed: found weights packed for generic kernels"):
        other.linear(zeros(3, 6), PACKED)
    with pytest.raises(InputError, match=r"^layer: found weights packed for generic kernels"):
        other.encoder_layer(LAYER, zeros(3, 6), STARTS, Workspace())
    with pytest.raises(
        InputError, match=r"^encoder layer: found parts packed by different Kernels, expected one$"
    ):
        layer(down=other.pack_linear([zeros(6, 8)]))


def layer(**changed: object) -> PackedLayer:
    parts = {
        name: getattr(LAYER, name)
        for name in (
            "qkv",
            "attention_output",
            "attention_norm",
            "up",
            "down",
            "output_norm",
            "heads",
            "activation",
        )
    }
    return PackedLayer(**{**parts, **changed})


def test_parts_of_a_layer_must_fit_together():
    layer()
    shapes = {
        "qkv": K.pack_linear([zeros(6, 6)] * 2),
        "attention_output": K.pack_linear([zeros(6, 7)]),
        "up": K.pack_linear([zeros(8, 5)]),
        "down": K.pack_linear([zeros(8, 6)]),
    }
    for name, wrong in shapes.items():
        with pytest.raises(InputError, match=r"^encoder layer: found \(sections, n, k\) \[.*\], expected \["):
            layer(**{name: wrong})
    for name in ("attention_norm", "output_norm"):
        with pytest.raises(InputError, match=r"^encoder layer: found LayerNorms of \d and \d, expected 6$"):
            layer(**{name: Norm(zeros(5), zeros(5), 1e-5)})


def test_packed_weights_must_have_the_size_they_claim():
    for sections, n, k in ((1, 1000, 6), (2, 4, 6), (1, 4, 600), (2**62, 4, 6)):
        with pytest.raises(InputError, match=r"^panels: found shape \(1, 6, 8\), expected \("):
            PackedLinear(K, PACKED.panels, None, sections, n, k)
    for sizes in ((0, 4, 6), (1, 0, 6), (1, 4, 0), (-1, 4, 6)):
        with pytest.raises(InputError, match=r"^packed: found .* sections of .*, expected positive sizes$"):
            PackedLinear(K, PACKED.panels, None, *sizes)
    for section in (-1, 1, 2**40):
        with pytest.raises(InputError, match=rf"^section: found {section}, expected 0 to 0$"):
            PACKED.section(section)
    with pytest.raises(InputError, match=r"^weights: found none, expected at least one matrix$"):
        K.pack_linear([])
    with pytest.raises(InputError, match=r"^biases: found shape \(8,\), expected \(4\)$"):
        K.pack_linear([zeros(4, 6)], [zeros(4), zeros(4)])


def test_embedding_tables_are_checked():
    for wrong in ("float64", "", None):
        with pytest.raises(
            InputError, match=r"^word_dtype: found .*, expected one of float32, float16, bfloat16$"
        ):
            tables(word_dtype=wrong)
    with pytest.raises(InputError, match=r"^word embeddings: found dtype float32, expected uint16$"):
        tables(word_dtype="bfloat16")
    with pytest.raises(
        InputError, match=r"^token type embeddings: found shape \(0, 6\), expected at least one row$"
    ):
        tables(token_type=zeros(0, 6))
    for empty in ("word", "position"):
        with pytest.raises(InputError, match=r"_ids: found 0, expected 0 to -1$"):
            K.embed(tables(**{empty: zeros(0, 6)}), IDS[:1], IDS[:1])


@pytest.mark.parametrize("wrong", [None, 3, "x", NORM.weight])
def test_packed_parts_of_another_class_are_refused(wrong):
    """None above all: to C it would be an object like any other."""
    calls = [
        lambda: K.linear(zeros(3, 6), wrong),
        lambda: K.layer_norm(zeros(3, 6), wrong),
        lambda: K.embed(wrong, IDS, IDS),
        lambda: K.encoder_layer(wrong, zeros(3, 6), STARTS, Workspace()),
        lambda: K.encoder_layer(LAYER, zeros(3, 6), STARTS, wrong),
        lambda: tables(norm=wrong),
        lambda: PackedLinear(wrong, PACKED.panels, None, 1, 4, 6),
        *(
            lambda part=part: layer(**{part: wrong})
            for part in ("qkv", "attention_norm", "up", "down", "output_norm")
        ),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="incorrect type"):
            call()


def test_packed_parts_cannot_be_changed():
    for part, names in (
        (PACKED, ("kernels", "panels", "bias", "sections", "n", "k", "nbytes")),
        (NORM, ("weight", "bias", "eps")),
        (TABLES, ("word", "position", "token_type", "norm", "word_dtype")),
        (LAYER, ("qkv", "up", "down", "heads", "activation")),
    ):
        for name in names:
            with pytest.raises(AttributeError):
                setattr(part, name, None)
        with pytest.raises(TypeError):
            pickle.dumps(part)


def test_a_refused_call_leaves_everything_usable():
    x = normal(np.random.default_rng(1), 3, 6)
    y, workspace = x.copy(), Workspace()
    for starts in HOSTILE_STARTS.values():
        with pytest.raises(InputError):
            K.encoder_layer(LAYER, y, np.array(starts, np.int64), workspace)
    assert same_bits(y, x)
    K.encoder_layer(LAYER, y, STARTS, workspace)
    assert np.isfinite(y).all()


# ---- memory --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0,), (1,), (15,), (16,), (3, 5), (4, 0, 2), ()])
def test_aligned_memory_lies_on_a_line(shape):
    array = aligned_empty(shape)
    assert array.shape == shape
    assert array.dtype == np.float32
    if array.size:  # numpy shows no address of an empty one
        assert array.ctypes.data % 64 == 0
    array[...] = 1


@pytest.mark.parametrize("shape", [(2**50,), (2**61,), (2**40, 2**40), (2**62, 4)])
def test_memory_that_no_machine_has_is_a_resource_error(shape):
    with pytest.raises(ResourceError, match=r"^memory: found less than [\d,]+ bytes free, needed for \("):
        aligned_empty(shape)


def test_no_kernel_touches_a_byte_beside_its_arrays():
    """Arrays end, then begin, at pages without access: the process would die of a stray read or write."""
    done = in_a_process("-m", "samples.guard_pages")
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[0]) > 500
    assert in_a_process("-m", "samples.guard_pages", "touch").returncode < 0


# ---- what is left alone --------------------------------------------------------------------------------

SIDE_EFFECTS = r"""
import ctypes, locale, os, re, signal, sys

import numpy

def float_control():
    # glibc's fenv_t on x86-64: 28 bytes of x87 state, then MXCSR, whose low six bits are sticky flags.
    environment = (ctypes.c_uint32 * 64)()
    ctypes.CDLL(None).fegetenv(environment)
    return environment[7] & ~0x3F if os.uname().machine == "x86_64" else ctypes.CDLL(None).fegetround()

def state():
    status = open("/proc/self/status").read() if os.path.exists("/proc/self/status") else ""
    return {
        "float control": float_control(),
        "rounding": ctypes.CDLL(None).fegetround(),
        "denormals": 1e-323 != 0.0 and numpy.float32(1e-45) * numpy.float32(1) != 0,
        "signals": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "signals in C": re.findall(r"Sig(?:Blk|Ign|Cgt):\s*(\w+)", status),
        "environment": dict(os.environ),
        "affinity": os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        "folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "recursion": sys.getrecursionlimit(),
    }

before = state()
import roberta_c
from roberta_c.kernels import Kernels, Workspace, available_isas
assert state() == before, "changed by import"

from samples.kernels import random_layer, starts_of
rng = numpy.random.default_rng(0)
for isa in available_isas():
    kernels = Kernels(isa)
    layer = random_layer(kernels, rng, 24, 2, 40)
    x = rng.standard_normal((64, 24)).astype(numpy.float32)
    for threads in (1, 3):
        kernels.encoder_layer(layer, x, starts_of([40, 24]), Workspace(), num_threads=threads)
        # 2^-140 is a denormal; it must survive on every thread that computes some of the rows.
        tiny = numpy.full((64, 1), 2.0**-70, numpy.float32)
        product = kernels.linear(tiny, kernels.pack_linear([tiny]), num_threads=threads)
        assert (product == 2.0**-140).all(), f"denormals lost by {isa} with {threads} threads"
    assert state() == before, f"changed by {isa}"
"""


FLUSHING_HOST = """
import numpy, torch
from roberta_c.kernels import Kernels, available_isas
assert torch.set_flush_denormal(True)
tiny = numpy.full((64, 1), 2.0**-70, numpy.float32)
for isa in available_isas():
    kernels = Kernels(isa)
    for threads in (1, 3):
        product = kernels.linear(tiny, kernels.pack_linear([tiny]), num_threads=threads)
        assert (product.view(numpy.uint32) == 1 << 9).all(), f"2^-140 flushed by {isa} with {threads} threads"
assert (torch.tensor([1e-30]) * torch.tensor([1e-12])).item() == 0.0, "the host's own setting was lost"
"""


def test_a_host_that_flushes_denormals_changes_no_bits():
    done = in_a_process("-c", FLUSHING_HOST)
    assert done.returncode == 0, done.stderr


def test_process_state_is_the_same_after_import_and_calls():
    done = in_a_process("-c", SIDE_EFFECTS)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (done.stdout, done.stderr) == ("", "")


# ---- the stub ------------------------------------------------------------------------------------------


def stub_tree() -> list[ast.stmt]:
    return ast.parse(Path(_kernels.__file__).with_name("_kernels.pyi").read_text(encoding="utf-8")).body


def public(names: object) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def test_the_stub_names_what_the_module_has():
    defined = set()
    for node in stub_tree():
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            defined.add(ast.unparse(node.target))
    own = {
        name
        for name in public(dir(_kernels))
        if not inspect.ismodule(getattr(_kernels, name))
        and getattr(getattr(_kernels, name), "__module__", _kernels.__name__) == _kernels.__name__
        and name != "shown"
    }
    assert defined == own


def test_the_stub_gives_every_member_and_its_parameters():
    for node in stub_tree():
        if isinstance(node, ast.FunctionDef):
            assert_same_parameters(node, getattr(_kernels, node.name))
        if not isinstance(node, ast.ClassDef):
            continue
        runtime = getattr(_kernels, node.name)
        members = {member.name: member for member in node.body if isinstance(member, ast.FunctionDef)}
        assert public(members) == public(dir(runtime)), node.name
        for name, member in members.items():
            if name == "__init__":
                continue  # C constructors show no signature; the tests above call all of them by keyword
            if callable(getattr(runtime, name)):
                assert not member.decorator_list
                assert_same_parameters(member, getattr(runtime, name))
            else:
                assert [ast.unparse(d) for d in member.decorator_list] == ["property"]


def assert_same_parameters(node: ast.FunctionDef, runtime: object) -> None:
    names = [argument.arg for argument in node.args.args]
    defaults = [ast.literal_eval(default) for default in node.args.defaults]
    parameters = inspect.signature(runtime).parameters.values()
    assert [parameter.name for parameter in parameters] == names, node.name
    assert [p.default for p in parameters if p.default is not inspect.Parameter.empty] == defaults, node.name


def test_threads_that_cannot_be_started_are_an_error_and_not_the_end(monkeypatch):
    """libgomp ends the process where it cannot start a thread; so starting some is tried first."""
    kernels = Kernels()
    x = np.ones(8, np.float32)
    start, count = threading.Thread.start, 0

    def limited(thread):
        nonlocal count
        count += 1
        if count > 3:
            raise RuntimeError("can't start new thread")
        start(thread)

    _kernels._largest_team.__dict__.clear()
    monkeypatch.setattr(threading.Thread, "start", limited)
    with pytest.raises(ResourceError, match=r"^num_threads: found room for 4 threads, expected 8; a limit"):
        kernels.activate(x, "relu", num_threads=8)
    monkeypatch.undo()
    assert kernels.activate(x, "relu", num_threads=8).all()
