"""The nodes of a model's tree, and how the tree prints: as torch's does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Module:
    """A node of the model tree: children are the attributes that are Modules, in order of assignment.

    `kind` is transformers' class name without the family, for printing only; None: this class's name.
    `family` is printed in front of it: one class serves Roberta… and XLMRoberta….
    """

    kind: str | None = None

    def __init__(self, family: str = "") -> None:
        self.family = family

    def children(self) -> dict[str, Module]:
        """Name → child, in order."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

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

    def __repr__(self) -> str:
        lines = [f"({name}): {_indented(repr(child))}" for name, child in self.children().items()]
        return _tree(self.display_name(), self.details(), lines)


class ModuleList(Module):
    """A list of modules; equal neighbours are printed once, as torch does."""

    def __init__(self, modules: list[Any]) -> None:
        super().__init__()
        self.modules = modules

    def __len__(self) -> int:
        return len(self.modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.modules)

    def __getitem__(self, index: int) -> Any:
        return self.modules[index]

    def __repr__(self) -> str:
        runs: list[tuple[int, int, str]] = []
        for index, module in enumerate(self.modules):
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


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _tree(name: str, details: str, lines: list[str]) -> str:
    if not lines:
        return f"{name}({details})"
    return f"{name}(\n  " + "\n  ".join(lines) + "\n)"
