"""What the encoder layers compute their products in, and the forms in which callers name it."""

from __future__ import annotations

from typing import Any

from ..errors import InputError, mismatch, shown

DTYPES = ("float32", "bfloat16", "int8")
HALF = ("float16", "half", "fp16")


def dtype_name(dtype: Any = None, torch_dtype: Any = None) -> str:
    """The name of DTYPES that `dtype`, or transformers 4's name for it, `torch_dtype`, means.

    Taken are these names, torch's and numpy's objects of them (torch is never imported), and "auto" and None:
    "float32", whatever type the file holds. Raises InputError.
    """
    name = "torch_dtype" if dtype is None and torch_dtype is not None else "dtype"
    given = torch_dtype if name == "torch_dtype" else dtype
    if given is None:
        return "float32"
    found = _plain_name(given)
    if found in HALF:
        expected = "'bfloat16', which takes the same memory, or 'float32'; a float16 file loads as either"
        raise InputError(mismatch(name, shown(given), expected))
    if found == "auto":
        found = "float32"
    if found not in DTYPES:
        raise InputError(mismatch(name, shown(given), f"one of {', '.join(DTYPES)}"))
    if torch_dtype is not None and dtype is not None and _plain_name(torch_dtype) != found:
        raise InputError(
            mismatch("torch_dtype", f"{shown(torch_dtype)} beside dtype={found!r}", "dtype alone")
        )
    return found


def _plain_name(value: Any) -> str:
    """`value`, or the name of a torch.dtype or numpy dtype; "" for anything else."""
    if isinstance(value, str):
        return str.__str__(value)
    kind = type(value)
    if (kind.__module__, kind.__qualname__) == ("torch", "dtype"):
        return str(value).removeprefix("torch.")
    if kind.__module__.startswith("numpy") and hasattr(value, "name"):  # numpy.dtype("float32")
        return str(value.name)
    is_scalar_type = isinstance(value, type) and value.__module__ == "numpy"  # numpy.float32
    return value.__name__ if is_scalar_type else ""
