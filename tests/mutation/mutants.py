"""What is removed from a file: every check, one at a time.

a condition, or one operand of its `or`, before an error   → False
an error that ends a function or an `else`                 → pass
a call of a function whose name begins with check          → None, or its first argument where it is used
an error that replaces a caught one                        → the caught one
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeGuard

# Functions of these names raise an error.
RAISING = ("fail", "_fail", "fail_entry", "_refuse", "entry", "_raise_nonfinite")
CHECKING = ("check", "spend", "refuse", "require", "raise", "validate")
# A subclass that forgets a method is a mistake of the package's authors, not of its input.
UNCHECKED = ("NotImplementedError",)


class Mutant(NamedTuple):
    """`text` in place of the characters [begin, end) of a file.

    path:   of the file, below the root of the project
    line:   1-based, of what is replaced
    reached: the line that a test must run to notice it: that of the error
    """

    path: Path
    line: int
    reached: int
    begin: int
    end: int
    text: str

    def apply(self, source: str) -> str:
        return source[: self.begin] + self.text + source[self.end :]

    def describe(self, source: str) -> str:
        return f"{self.path}:{self.line}: {' '.join(source[self.begin : self.end].split())} → {self.text}"


def mutants_of(path: Path, source: str) -> Iterator[Mutant]:
    """The mutants of a file of this text."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def place(line: int, column: int) -> int:  # columns are counted in bytes
        text = source[starts[line - 1] : starts[line]]
        return starts[line - 1] + len(text.encode()[:column].decode())

    def mutant(node: ast.expr | ast.stmt, text: str, error: ast.stmt) -> Mutant:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin, end = place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)
        return Mutant(path, node.lineno, error.lineno, begin, end, text)

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If):
            if _is_error(node.body[-1]):
                yield mutant(node.test, "False", node.body[-1])
                if isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or):
                    for operand in node.test.values:
                        yield mutant(operand, "False", node.body[-1])
            if node.orelse and _is_error(node.orelse[-1]):
                yield mutant(node.orelse[-1], "pass", node.orelse[-1])
        elif isinstance(node, ast.FunctionDef):
            if len(node.body) > 2 and isinstance(node.body[-1], ast.Raise) and _is_error(node.body[-1]):
                yield mutant(node.body[-1], "pass", node.body[-1])
        elif isinstance(node, ast.Expr) and _checks(node.value):
            yield mutant(node, "None", node)
        elif isinstance(node, ast.Assign | ast.Return) and _checks(node.value) and node.value.args:
            first = node.value.args[0]
            if not isinstance(first, ast.Starred):
                yield mutant(node.value, ast.unparse(first), node)
        elif isinstance(node, ast.ExceptHandler) and _is_error(node.body[-1]):
            yield mutant(node.body[-1], "raise", node.body[-1])


def _is_error(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Return):  # what is found and what is expected
        return isinstance(statement.value, ast.Tuple) and isinstance(statement.value.elts[0], ast.JoinedStr)
    if isinstance(statement, ast.Raise):
        error = statement.exc
        name = error.func if isinstance(error, ast.Call) else error
        return error is not None and not (isinstance(name, ast.Name) and name.id in UNCHECKED)
    return isinstance(statement, ast.Expr) and _called(statement.value) in RAISING


def _checks(value: ast.expr | None) -> TypeGuard[ast.Call]:
    name = _called(value)
    return name not in RAISING and name.lstrip("_").startswith(CHECKING)


def _called(value: ast.expr | None) -> str:
    """The name of the function or method that an expression calls."""
    if not isinstance(value, ast.Call):
        return ""
    function = value.func
    return (
        function.attr
        if isinstance(function, ast.Attribute)
        else function.id
        if isinstance(function, ast.Name)
        else ""
    )
