"""csrc/dispatch.c: which instruction sets there are, and which table of kernels a program gets."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from samples.kernels import each_isa, each_lower, normal, same_bits

from roberta_c.errors import InputError, ResourceError
from roberta_c.kernels import Kernels, available_isas, cpu_features, known_isas


def test_isas_are_listed_best_first():
    assert known_isas()[-1] == "generic"
    assert "reference" not in known_isas()
    assert available_isas() == tuple(isa for isa in known_isas() if isa in available_isas())
    assert available_isas()[-1] == "generic"


@each_isa
def test_a_table_has_a_name_and_a_tile(kernels):
    assert kernels.isa in (*known_isas(), "reference")
    rows, columns = kernels.tile
    assert rows >= 1
    assert columns >= 1
    assert pickle.loads(pickle.dumps(kernels)).isa == kernels.isa


def test_the_best_isa_is_the_default_unless_the_environment_names_another(monkeypatch):
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
def test_an_unknown_isa_is_refused_and_the_available_ones_listed(name):
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


def test_the_message_names_the_environment_variable_that_is_wrong(monkeypatch):
    monkeypatch.setenv("ROBERTA_C_ISA", "neon9000")
    with pytest.raises(InputError, match=r"^ROBERTA_C_ISA: found 'neon9000', expected one of "):
        Kernels()


def test_a_table_cannot_be_changed():
    """Weights are packed for one table, so it must stay as it is."""
    kernels = Kernels(available_isas()[0])
    kernels.__init__("generic")  # Python lets anyone call it again
    assert kernels.isa == available_isas()[0]
    assert Kernels.__new__(Kernels).isa in known_isas()
    for name in ("isa", "tile"):
        with pytest.raises(AttributeError):
            setattr(kernels, name, "generic")


@each_isa
def test_each_object_has_a_table_of_its_own(kernels):
    """Filling the table of another instruction set, or the same one again, leaves this one as it is."""
    rng = np.random.default_rng(0)
    packed, x = kernels.pack_linear([normal(rng, 7, 5)]), normal(rng, 3, 5)
    expected = kernels.linear(x, packed)
    others = [Kernels(isa) for isa in (*available_isas(), "reference")]
    assert same_bits(kernels.linear(x, packed), expected)
    for other in others:
        with pytest.raises(
            InputError, match=rf"^packed: found weights packed by another Kernels object \({kernels.isa}\), "
        ):
            other.linear(x, packed)


@each_lower
def test_every_arithmetic_of_a_table_multiplies(kernels, dtype):
    """Operands that every arithmetic holds exactly; int8's scales round the result."""
    packed = kernels.pack_linear([np.ones((1, 2), np.float32)], dtype=dtype)
    assert packed.dtype == dtype
    found = kernels.linear(np.array([[127, 254], [0, 254]], np.float32), packed)
    np.testing.assert_allclose(found, [[381], [254]], rtol=1e-6)


def test_cpu_features_tell_instruction_sets_apart():
    features = cpu_features()
    assert all(type(present) is bool for present in features.values())
    if features:  # where the compiler can ask the CPU
        assert ("avx2" in available_isas()) == (features["avx2"] and features["fma"])
        assert ("avx512" in available_isas()) == (features["avx2"] and features["avx512f"])
        if "amx" in available_isas():
            assert all(features.get(name, True) for name in ("amx-tile", "amx-bf16", "amx-int8"))
