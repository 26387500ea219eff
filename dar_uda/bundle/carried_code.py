"""Modules of the package that a bundle takes along, so that a program without DAR-UDA can run it."""

import ast
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

HEAD = "# From DAR-UDA {version}, Apache-2.0.\n"
PACKAGE = __name__.partition(".")[0]
OWN = re.compile(rf"^(\s*from ){PACKAGE}\b", re.MULTILINE)


def carry_code(modules: Sequence[str], folder: Path, version: str) -> None:
    """Write modules, and those that they import on being imported, as a package of the folder's name.

    Imports within functions are not followed: what those read, such as DICOM, is not needed where modules compute.

    Args:
        modules: Dotted names; `dar_uda.data.grid` becomes `{folder}/data/grid.py`.
        folder: To write; it must not exist.
        version: Of DAR-UDA, for the first line of each file.
    """
    for name, path in sorted(_closure(modules).items()):
        copy = folder.joinpath(*name.split(".")[1:]).with_suffix(".py")
        for parent in [copy.parent, *copy.parent.parents][: len(name.split(".")) - 1]:
            parent.mkdir(parents=True, exist_ok=True)
            (parent / "__init__.py").touch()
        text = OWN.sub(rf"\g<1>{folder.name}", path.read_text(encoding="utf-8"))
        copy.write_text(HEAD.format(version=version) + text, encoding="utf-8")


def _closure(modules: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _file_of(name)
            waiting += _imported(found[name])
    return found


def _imported(file: Path) -> list[str]:
    """Return the modules of the package that a file imports at its top; modules are imported by their full names."""
    imports = [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    return [node.module for node in imports if node.module and node.module.startswith(f"{PACKAGE}.")]


def _file_of(module: str) -> Path:
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None  # nosec B101 # for mypy: a module of the package has a file
    return Path(spec.origin)
