"""Which instruction sets the kernel tests run on: all that this CPU and build have."""

from __future__ import annotations

import pytest

from roberta_c.kernels import Kernels, available_isas, known_isas


@pytest.mark.parametrize("isa", known_isas())
def test_every_known_instruction_set_is_tested(isa):
    """Skipped for an instruction set on which no kernel test ran: the one report of its absence."""
    if isa not in available_isas():
        pytest.skip(f"no kernel is tested on {isa}: this CPU or build lacks it")
    assert Kernels(isa).isa == isa
