"""The nodes of a model's tree: their names, their parameters, and how the tree prints, as torch's does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import InputError, mismatch, shown
from ..missing_names import HasMissingNames
from .missing_names import MISSING_NAMES

if TYPE_CHECKING:
    from .stored_parameters import StoredParameters


_UNCHANGED = "no change of a loaded model: change its config or its files, and load it again"


class Module(HasMissingNames):
    """A node of the model tree: children are the attributes that are Modules, in order of assignment.

    `kind` is transformers' class name without the family, for printing only; None: this class's name.
    `family` is printed in front of it: one class serves Roberta… and XLMRoberta….
    """

    missing_names = MISSING_NAMES
    kind: str | None = None
    # What may be assigned to although the model is loaded.
    assignable: ClassVar[tuple[str, ...]] = ()
    # The parameters of the model that this node is part of, and the node's name in it.
    _place: tuple[StoredParameters, str] | None = None
    # The attributes that the node has when it is loaded; a caller's own come later.
    _parts: frozenset[str] = frozenset()

    def __init__(self, family: str = "") -> None:
        self.family = family

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, child), in order."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """The children, in order."""
        for _, child in self.named_children():
            yield child

    def named_modules(
        self, memo: Any = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(name, node) of this node and all below it; `prefix` is this node's name.

        memo, remove_duplicate: torch's; no node is in a tree twice.
        """
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(prefix=f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """This node and all below it."""
        for _, module in self.named_modules():
            yield module

    def get_submodule(self, target: str) -> Module:
        """The node below this one of that name, such as "encoder.layer.0". Raises InputError."""
        found = dict(self.named_modules()).get(target) if isinstance(target, str) else None
        if found is None:
            raise InputError(mismatch("target", shown(target), "a name of named_modules()"))
        return found

    def get_parameter(self, target: str) -> np.ndarray:
        """The array that `named_parameters` has under that name. Raises InputError, ModelFileError."""
        parameters, place = self._parameters()
        name = f"{place}.{target}" if place else target
        if name not in parameters.names:
            raise InputError(mismatch("target", shown(target), "a name of named_parameters()"))
        return parameters[name]

    def named_buffers(self, *_: Any, **__: Any) -> Iterator[tuple[str, np.ndarray]]:
        """None: position ids are computed, not kept."""
        yield from ()

    def buffers(self, *_: Any, **__: Any) -> Iterator[np.ndarray]:
        """None, as `named_buffers`."""
        yield from ()

    def set_places(self, parameters: StoredParameters) -> None:
        """Tell this node, the root, and all below it where their parameters are. Nothing changes after it."""
        for name, module in self.named_modules():
            vars(module).update(_place=(parameters, name), _parts=frozenset(vars(module)))

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, np.ndarray]]:
        """(name below this node, read-only array) as in the model's file; bfloat16 as float32.

        prefix: what stands before each name, with a dot. recurse: False leaves out those of nodes below.
        remove_duplicate: True, as in torch by default: tied tensors once. Raises ModelFileError if the file
        has been changed, InputError.
        """
        if remove_duplicate is not True:
            raise InputError(mismatch("remove_duplicate", shown(remove_duplicate), "True"))
        parameters, place = self._parameters()
        above = f"{place}." if place else ""
        for name in parameters.names:
            below = name.removeprefix(above)
            if name.startswith(above) and (recurse or "." not in below):
                yield (f"{prefix}.{below}" if prefix else below), parameters[name]

    def parameters(self, recurse: bool = True) -> Iterator[np.ndarray]:
        """The arrays of `named_parameters`."""
        for _, values in self.named_parameters(recurse=recurse):
            yield values

    def state_dict(self, *, prefix: str = "") -> dict[str, np.ndarray]:
        """`named_parameters` as a dict; `prefix` stands before each name, as in torch without a dot."""
        return {prefix + name: values for name, values in self.named_parameters()}

    def _parameter(self, name: str) -> np.ndarray:
        """This node's parameter of this name, read again from the model's file."""
        parameters, place = self._parameters()
        return parameters[f"{place}.{name}"]

    def _parameters(self) -> tuple[StoredParameters, str]:
        if self._place is None:
            raise AttributeError(f"{type(self).__name__}: found a part without a model, which has no weights")
        return self._place

    def __setattr__(self, name: str, value: Any) -> None:
        """InputError for what a loaded model has: the kernels compute with what was loaded.

        The value that is there already may be assigned.
        """
        is_fixed = self._place is not None and name not in self.assignable and _is_part(self, name, value)
        is_there = value is not None and vars(self).get(name, getattr(type(self), name, None)) is value
        if is_fixed and not is_there:
            place = f"{type(self).__name__}.{name}"
            raise InputError(mismatch(place, f"an assignment of {shown(value, 40)}", _UNCHANGED))
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if self._place is not None and _is_part(self, name, None):
            raise InputError(mismatch(f"del {type(self).__name__}.{name}", "a deletion", _UNCHANGED))
        super().__delattr__(name)

    def details(self) -> str:
        """The text in the parentheses of a leaf."""
        return ""

    def display_name(self) -> str:
        """The class name that is printed."""
        return self.family + (self.kind or type(self).__name__)

    def __copy__(self) -> Any:
        """The module itself: it does not change."""
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        """The module itself: its weights are shared."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """InputError: only a model, which knows its files, pickles."""
        raise InputError(mismatch(type(self).__name__, "pickling a part of a model", "pickling the model"))

    def __repr__(self) -> str:
        lines = [f"({name}): {_indented(repr(child))}" for name, child in self.named_children()]
        return _tree(self.display_name(), self.details(), lines)


class ModuleList(Module):
    """A list of modules; equal neighbours are printed once, as torch does."""

    def __init__(self, modules: list[Any]) -> None:
        super().__init__()
        self._listed = modules

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """("0", first), ("1", second), …"""
        for index, module in enumerate(self._listed):
            yield str(index), module

    def __len__(self) -> int:
        return len(self._listed)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._listed)

    def __getitem__(self, index: int) -> Any:
        return self._listed[index]

    def __repr__(self) -> str:
        runs: list[tuple[int, int, str]] = []
        for index, module in enumerate(self._listed):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], index, text)
            else:
                runs.append((index, index, text))
        lines = []
        for first, last, text in runs:
            label = f"({first}): " if first == last else f"({first}-{last}): {last - first + 1} x "
            lines.append(label + _indented(text))
        return _tree("ModuleList", "", lines)


def _is_part(module: Module, name: str, value: Any) -> bool:
    """Whether the name, or the value that it is to have, is one of the model's and not a caller's own."""
    return isinstance(value, Module) or name in module._parts or hasattr(type(module), name)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _tree(name: str, details: str, lines: list[str]) -> str:
    if not lines:
        return f"{name}({details})"
    return f"{name}(\n  " + "\n  ".join(lines) + "\n)"
