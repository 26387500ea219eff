"""A digest of a module and of all that it imports from the package: a rule re-runs when its code changed."""

import hashlib
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

from dar_uda.plan.source_files import facts_of

PACKAGE_FOLDER = Path(__file__).parents[1]


def code_version(module: str, root: str | Path = PACKAGE_FOLDER) -> str:
    """Return a digest of `module` and of all modules of its package that it imports, directly or not.

    Comments, docstrings and layout change nothing. Imports count wherever they stand in a file. An `__init__`
    counts only where something is imported from the package that is no module.

    Args:
        module: Dotted name, such as `dar_uda.translation.train`.
        root: Folder of the package, named like the first part of `module`.

    Raises:
        ModuleNotFoundError: The package has no such module.
    """
    return _code_version(module, Path(root).resolve())


@cache
def _code_version(module: str, root: Path) -> str:
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _imported_modules(name, root)
    lines = "".join(f"{name} {facts_of(_file_of(name, root)).digest}\n" for name in sorted(seen))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _file_of(module: str, root: Path) -> Path:
    """Return the file of `module`.

    Raises:
        ModuleNotFoundError: The package at `root` has none.
    """
    file = _found(module, root)
    if file is None:
        raise ModuleNotFoundError(f"DAR-360: Code version: module {module} is not in {root}.")
    return file


@cache
def _found(module: str, root: Path) -> Path | None:
    package, *parts = module.split(".")
    if package != root.name:
        return None
    base = root.joinpath(*parts)
    candidates = (base / "__init__.py", base.with_suffix(".py") if parts else base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@cache
def _imported_modules(module: str, root: Path) -> list[str]:
    """Return the modules of the package that the file of `module` imports.

    Raises:
        ModuleNotFoundError: The package has no such module.
    """
    file = _file_of(module, root)
    parent = module if file.name == "__init__.py" else module.rpartition(".")[0]
    modules = [_module_of(resolve_name(base, parent), name, root) for base, name in facts_of(file).imports]
    return [name for name in modules if name.split(".")[0] == root.name]


def _module_of(base: str, name: str, root: Path) -> str:
    """Return `base.name` where that is a module, else `base`, which then defines `name`."""
    submodule = f"{base}.{name}"
    return submodule if name and _found(submodule, root) else base
