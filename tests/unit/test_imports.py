# SPDX-License-Identifier: GPL-3.0-or-later
"""The arrows of the project: circuit <- gpu <- figures <- pfc.py, and who may know about devices, plots and printing.

Read from the source with `ast`, so an import inside a function counts too and nothing has to be imported.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {"circuit": {"circuit"}, "gpu": {"circuit", "gpu"}, "figures": {"circuit", "gpu", "figures"}}
OURS = {*ALLOWED, "pfc"}
SOURCES = sorted(path for package in ALLOWED for path in (ROOT / package).rglob("*.py"))
ALL_SOURCES = sorted([ROOT / "pfc.py", *SOURCES, *(ROOT / "tests").rglob("*.py")])

SIMULATORS = {"brian2", "brian2cuda"}
BRIAN_MODULE = Path("circuit/network.py")
"""The one place in the circuit where Brian2 objects are made."""

PLOTS_FILES_SCREENS = {"matplotlib", "h5py", "h5netcdf", "xarray", "rich", "click", "subprocess", "shutil", "tempfile"}
DEVICE_WORDS = {"cuda", "gpu", "cpp", "nvcc", "nvidia"}


def imports(tree: ast.AST, package: str = "") -> set[str]:
    """Full dotted names that a module imports, ``from a import b`` as ``a.b``; relative ones made absolute."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, [package if node.level else "", node.module]))
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def wrong_arrows(package: str, names: set[str]) -> set[str]:
    """Imports that point the wrong way out of a package."""
    wrong = {name for name in names if name.split(".")[0] in OURS - ALLOWED[package]}
    if package == "figures":  # pictures come from results and from nothing else of the runner
        wrong |= {name for name in names if name.split(".")[0] == "gpu" and name.split(".")[1:2] != ["results"]}
    return wrong


def prose(tree: ast.AST) -> set[int]:
    """Ids of the nodes that are text for readers: docstrings, also those under an assignment."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def words(tree: ast.AST) -> set[str]:
    """Lower-case words in identifiers and in strings that are not prose."""
    skipped, texts = prose(tree), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            texts.append(node.value)
        texts += [
            getattr(node, field)
            for field in ("id", "attr", "arg", "name")
            if isinstance(getattr(node, field, None), str)
        ]
    return {word for text in texts for word in re.findall(r"[a-z]+", text.lower())}


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def each(paths: list[Path]):
    return pytest.mark.parametrize("path", paths, ids=[str(path.relative_to(ROOT)) for path in paths])


@each(SOURCES)
def test_imports_point_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    assert not wrong_arrows(package, imports(parse(path), package))


def is_child(tree: ast.Module) -> bool:
    """Whether a module is run as a process of its own, whose standard output is a pipe to the runner."""
    return any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body)


@each(SOURCES)
def test_only_the_command_line_prints(path):
    tree = parse(path)
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    assert is_child(tree) or "print" not in {call.id for call in calls if isinstance(call, ast.Name)}


@each([path for path in SOURCES if path.parts[len(ROOT.parts)] == "circuit"])
def test_the_circuit_knows_no_device_no_file_and_no_plot(path):
    tree = parse(path)
    outside = {name.split(".")[0] for name in imports(tree)}
    assert not outside & PLOTS_FILES_SCREENS
    assert not words(tree) & DEVICE_WORDS
    if path.relative_to(ROOT) != BRIAN_MODULE:
        assert not outside & SIMULATORS


@each([path for path in SOURCES if path.parts[len(ROOT.parts)] == "figures"])
def test_figures_never_simulate(path):
    assert not {name.split(".")[0] for name in imports(parse(path))} & SIMULATORS


@each(ALL_SOURCES)
def test_every_file_names_its_licence(path):
    assert path.read_text(encoding="utf-8").startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n")


@pytest.mark.parametrize("package, source", [
    ("circuit", "import gpu.run"), ("circuit", "def f():\n    from figures import raster"), ("gpu", "import pfc"),
    ("gpu", "from figures.style import COLORS"), ("figures", "from gpu import run"),
    ("figures", "import gpu.build as b"), ("circuit", "if True:\n    import figures"), ("figures", "import gpu"),
])  # fmt: skip
def test_the_check_sees_a_wrong_arrow(package, source):
    assert wrong_arrows(package, imports(ast.parse(source), package))


@pytest.mark.parametrize("package, source", [
    ("circuit", "from . import units\nfrom circuit.units import Quantity\nimport numpy"),
    ("gpu", "from circuit import measures\nfrom .layout import FORMAT\nfrom gpu import folder"),
    ("figures", "from gpu.results import Results\nfrom gpu import results\nfrom . import style"),
])  # fmt: skip
def test_the_check_lets_right_arrows_pass(package, source):
    assert not wrong_arrows(package, imports(ast.parse(source), package))


@pytest.mark.parametrize("source", ["use_cuda = 1", "x = 'cpp_standalone'", "f(gpu=1)", "def to_gpu(): ...", "a.Cuda"])
def test_the_check_sees_a_device_word(source):
    assert words(ast.parse(source)) & DEVICE_WORDS


def test_the_check_lets_prose_speak_of_devices():
    assert not words(ast.parse('"""Same arrays on CPU and GPU."""\nx = 1\n"""Not cuda."""')) & DEVICE_WORDS
