from pathlib import Path

import pytest

from dar_uda.plan.code_version import PACKAGE_FOLDER, _code_version, _found, _imported_modules, code_version


@pytest.fixture
def package(tmp_path):
    """A package: train imports losses (in a function) and, through layers, blocks; table stands alone."""
    root = tmp_path / "toy"
    write(root / "__init__.py", "")
    inside = "def train():\n    import toy.losses\n    return toy.losses.one()\n"
    write(root / "train.py", f"from toy import layers\n\n{inside}")
    write(root / "losses.py", '"""Losses."""\n\ndef one():\n    """Return one."""\n    return 1\n')
    write(root / "layers" / "__init__.py", "from .blocks import block\n")
    write(root / "layers" / "blocks.py", "import math\n\ndef block():\n    return math.pi\n")
    write(root / "table.py", "def table():\n    return 0\n")
    return root


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    for cached in (_code_version, _found, _imported_modules):
        cached.cache_clear()


def edit(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    write(path, path.read_text().replace(old, new))


def test_version_is_the_same_twice_and_after_a_revert(package):
    before = code_version("toy.train", package)
    edit(package / "losses.py", "return 1", "return 2")
    edit(package / "losses.py", "return 2", "return 1")
    assert code_version("toy.train", package) == before


@pytest.mark.parametrize(
    "file, old, new",
    [
        ("train.py", "return toy.losses.one()", "return 1 + toy.losses.one()"),
        ("losses.py", "return 1", "return 2"),
        ("layers/__init__.py", "block\n", "block as brick\n"),
        ("layers/blocks.py", "math.pi", "math.e"),
    ],
)
def test_version_changes_with_the_module_and_what_it_imports(package, file, old, new):
    before = code_version("toy.train", package)
    edit(package / file, old, new)
    assert code_version("toy.train", package) != before


@pytest.mark.parametrize(
    "file, old, new",
    [
        ("losses.py", "Return one.", "Return the number one."),
        ("losses.py", '"""Losses."""', "# Losses"),
        ("losses.py", "return 1", "return 1  # for now"),
        ("table.py", "return 0", "return 1"),
    ],
)
def test_comments_docstrings_and_unused_modules_change_nothing(package, file, old, new):
    before = code_version("toy.train", package)
    edit(package / file, old, new)
    assert code_version("toy.train", package) == before


def test_relative_import_of_a_module_counts(package):
    write(package / "layers" / "deep.py", "from ..losses import one\nfrom . import blocks\n")
    before = code_version("toy.layers.deep", package)
    edit(package / "losses.py", "return 1", "return 2")
    between = code_version("toy.layers.deep", package)
    edit(package / "layers" / "blocks.py", "math.pi", "math.e")
    assert len({before, between, code_version("toy.layers.deep", package)}) == 3


def test_modules_that_import_each_other_have_a_version(package):
    edit(package / "losses.py", "def one", "import toy.train\n\ndef one")
    assert len(code_version("toy.losses", package)) == 16


@pytest.mark.parametrize("module", ["toy.trian", "other.train"])
def test_missing_module_is_named(package, module):
    with pytest.raises(ModuleNotFoundError, match=module):
        code_version(module, package)


@pytest.mark.parametrize("kernels", ["dar_uda.layers.norm_kernels", "dar_uda.segmentation.quartet_kernels"])
def test_a_training_depends_on_the_kernels_for_gpus(kernels):
    found, new = set(), {"dar_uda.segmentation.train"}
    while new:
        found |= new
        new = {name for module in new for name in _imported_modules(module, PACKAGE_FOLDER)} - found
    assert kernels in found
