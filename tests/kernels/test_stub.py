"""_kernels.pyi, the stub for type checkers, against the compiled module."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from roberta_c.kernels import _kernels


def stub_tree() -> list[ast.stmt]:
    return ast.parse(Path(_kernels.__file__).with_name("_kernels.pyi").read_text(encoding="utf-8")).body


def public(names: object) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def test_the_stub_names_exactly_what_the_module_defines():
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
    }
    assert defined == own


def test_the_stub_gives_every_member_with_its_parameters():
    for node in stub_tree():
        if isinstance(node, ast.FunctionDef):
            assert_same_parameters(node, getattr(_kernels, node.name))
        if not isinstance(node, ast.ClassDef):
            continue
        runtime = getattr(_kernels, node.name)
        members = {member.name: member for member in node.body if isinstance(member, ast.FunctionDef)}
        assert public(members) == public(dir(runtime)), node.name
        for name, member in members.items():
            if name == "__new__":
                continue  # C constructors show no signature; other tests call them by keyword
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
