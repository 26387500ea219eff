"""A digest of a module and of all that it imports from the package: a rule re-runs when its code changed."""

import ast
import hashlib
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

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
    lines = "".join(f"{name} {_digest(name, root)}\n" for name in sorted(seen))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _file_of(module: str, root: Path) -> Path | None:
    """Return the file of `module`; None where there is none in the package at `root`."""
    package, *parts = module.split(".")
    if package != root.name:
        return None
    base = root.joinpath(*parts)
    candidates = (base / "__init__.py", base.with_suffix(".py") if parts else base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@cache
def _tree(module: str, root: Path) -> ast.Module:
    path = _file_of(module, root)
    if path is None:
        raise ModuleNotFoundError(f"Code version: module {module} is not in {root}.")
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _digest(module: str, root: Path) -> str:
    tree = _without_docstrings(_tree(module, root))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return tree


@cache
def _imported_modules(module: str, root: Path) -> list[str]:
    """Return the modules of the package that the file of `module` imports.

    Raises:
        ModuleNotFoundError: The file imports a module of the package that is not there.
    """
    path = _file_of(module, root)
    is_package = path is not None and path.name == "__init__.py"
    parent = module if is_package else module.rpartition(".")[0]
    modules: list[str] = []
    for node in ast.walk(_tree(module, root)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), parent)
            names = [_module_of(base, alias.name, root) for alias in node.names]
        else:
            continue
        modules += [name for name in names if name.split(".")[0] == root.name]
    return modules


def _module_of(base: str, name: str, root: Path) -> str:
    """Return `base.name` where that is a module, else `base`, which then defines `name`."""
    submodule = f"{base}.{name}"
    return submodule if _file_of(submodule, root) else base
