"""What ``import ml_playground as mlp`` promises."""

from __future__ import annotations

import ast

import pytest

import ml_playground as mlp
from tests.conftest import ROOT


def names_for_type_checkers() -> set[str]:
    tree = ast.parse((ROOT / "ml_playground" / "__init__.py").read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {alias.name for node in ast.walk(blocks[0]) if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_every_name_is_there_for_programs_and_for_type_checkers() -> None:
    assert set(mlp.__all__) - {"__version__"} == names_for_type_checkers()
    assert dir(mlp) == sorted(mlp.__all__)
    for name in mlp.__all__:
        assert getattr(mlp, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    name = "load_experimnt"
    with pytest.raises(AttributeError, match="module 'ml_playground' has no attribute 'load_experimnt'"):
        getattr(mlp, name)
