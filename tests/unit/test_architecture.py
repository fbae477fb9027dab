"""Layers, libraries and file lengths, so that reviews need not check them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "ml_playground"
# Data flows down this list: a layer imports only layers above it.
LAYERS = [
    "errors", "signals", "registry", "ranges", "durable", "terminal", "engines", "config", "composition", "text",
    "dataset", "experiments", "models", "training", "sampling", "runs", "exporting", "sweeping", "commands", "run",
    "cli",
]  # fmt: skip
# Each of these libraries is known to one package only.
LIBRARIES = {
    "hydra": {"composition"},
    "omegaconf": {"composition"},
    "tensorboard": {"training"},
    "optuna": {"sweeping"},
    "plotly": {"sweeping"},
    "sqlalchemy": {"sweeping"},
    "rich": {"terminal"},
    "httpx": {"text"},
    "tiktoken": {"text"},
    "tokenizers": {"text", "exporting"},
    "defusedxml": {"experiments"},
    "tomli_w": {"composition"},
    "gguf": {"exporting"},
    "cyllama": {"exporting"},
    "ray": {"engines"},
    "submitit": {"engines"},
    "transformers": {"models", "exporting", "text"},
    "peft": {"models", "exporting"},
}
LINES = 400
# Old names of what has moved to a layer below.
DEPRECATED = PACKAGE / "text" / "bundestag"


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return names


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_layers_above_its_own_and_is_not_too_long(path: Path) -> None:
    own = layer(path)
    names = imported(path)
    if own != "__init__" and path.parent != DEPRECATED:
        modules = {name.split(".")[1] for name in names if name.startswith("ml_playground.")}
        # The root of the schema composes the tables of the packages below it.
        tables = {name.split(".")[1] for name in names if own == "config" and name.endswith(".config")}
        layers = modules & set(LAYERS) - tables
        below = {name for name in layers if LAYERS.index(name) > LAYERS.index(own)}
        assert not below, f"{own} imports {below}, which are below it"
    for library, packages in LIBRARIES.items():
        if any(name.split(".")[0] == library for name in names):
            assert own in packages or path.stem == "config", f"{library} belongs in {packages}"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES


def test_every_layer_exists_and_has_its_place() -> None:
    assert {layer(path) for path in sources()} - {"__init__"} == set(LAYERS)
