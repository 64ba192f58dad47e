"""_kernels.pyi and _encoder.pyi, the stubs for type checkers, against the compiled modules."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from roberta_c.kernels import _kernels
from roberta_c.tokenizer import _encoder

pytestmark = pytest.mark.parametrize("module", [_kernels, _encoder], ids=lambda one: one.__name__)


def stub_tree(module: ModuleType) -> list[ast.stmt]:
    name = module.__name__.rpartition(".")[2]
    return ast.parse(Path(module.__file__).with_name(f"{name}.pyi").read_text(encoding="utf-8")).body


def public(names: object) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def test_the_stub_names_exactly_what_the_module_defines(module):
    defined = set()
    for node in stub_tree(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            defined.add(ast.unparse(node.target))
    own = {
        name
        for name in public(dir(module))
        if not inspect.ismodule(getattr(module, name))
        and getattr(getattr(module, name), "__module__", module.__name__) == module.__name__
    }
    assert defined == own


def test_the_stub_gives_every_member_with_its_parameters(module):
    for node in stub_tree(module):
        if isinstance(node, ast.FunctionDef):
            assert_same_parameters(node, getattr(module, node.name))
        if not isinstance(node, ast.ClassDef):
            continue
        runtime = getattr(module, node.name)
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
