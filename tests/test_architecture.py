"""The page on architecture says what is there: folders, what they import, paths."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text()
FLOORS = {
    folder: set(re.findall(r"\w+", imports))
    for folder, imports in re.findall(r"^\| `(\w+)` \|[^|]*\|([ `\w]*)\|$", PAGE, re.MULTILINE)
}
"""The folders of the package and what each imports, as the page says, from the roof to the ground."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(REPOSITORY.glob("dar_uda/**/*.py"))}


def folder_of(module: str) -> str:
    """Return the folder of a module; for one outside of all folders its own name."""
    return module.removeprefix("dar_uda.").split(".")[0]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules of the package that a file imports, wherever the import is; a missing one by its name."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names = [(alias.name, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: expected imports by full names"
            names = [(f"{node.module}.{alias.name}", node.module) for alias in node.names]
        else:
            continue
        yield from (name if name in MODULES else parent for name, parent in names if parent.split(".")[0] == "dar_uda")


IMPORTS = {module: set(imports_of(path)) for module, path in MODULES.items()}
BETWEEN = [
    (importer, imported)
    for importer in MODULES
    for imported in sorted(IMPORTS[importer])
    if importer != "dar_uda" and folder_of(importer) != folder_of(imported)
]


def test_the_page_lists_the_folders_of_the_package():
    assert sorted(FLOORS) == sorted(path.parent.name for path in REPOSITORY.glob("dar_uda/*/__init__.py"))


def test_imports_run_down_the_page():
    floor = {folder: number for number, folder in enumerate(FLOORS)}
    up = [f"{a} imports {b}" for a, b in BETWEEN if floor.get(folder_of(b), -1) < floor.get(folder_of(a), -1)]
    assert up == []


@pytest.mark.parametrize("folder", FLOORS)
def test_a_folder_imports_what_the_page_says(folder):
    assert {folder_of(imported) for importer, imported in BETWEEN if folder_of(importer) == folder} == FLOORS[folder]


def test_no_module_imports_itself_in_a_circle():
    TopologicalSorter(IMPORTS).prepare()


@pytest.mark.parametrize("folder", ["dar_uda", "workflow/scripts", "tests", "benchmarks"])
def test_what_is_imported_from_the_package_is_there(folder):
    files = sorted(REPOSITORY.glob(f"{folder}/**/*.py"))
    assert len(files) > 20
    assert [(path, name) for path in files for name in imports_of(path) if name not in MODULES] == []


def names_in(path: Path) -> set[str]:
    """Return all names that a file defines, imports or assigns, wherever."""
    names = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names


def test_every_name_imported_from_a_module_of_the_package_is_there():
    """Also in files that no test runs, such as the benchmarks on a GPU."""
    there = {module: names_in(path) for module, path in MODULES.items()} | {"dar_uda": {"Segmenter"}}
    asked = [
        (str(path.relative_to(REPOSITORY)), f"{node.module}.{alias.name}")
        for folder in ("dar_uda", "workflow/scripts", "tests", "benchmarks")
        for path in sorted(REPOSITORY.glob(f"{folder}/**/*.py"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module in MODULES
        for alias in node.names
        if f"{node.module}.{alias.name}" not in MODULES and alias.name not in there[node.module]
    ]
    assert asked == []


def test_every_path_of_the_repository_that_the_page_names_exists():
    named = re.findall(r"`((?:config|workflow|dar_uda|docs|tests|envs|benchmarks)/[\w./*-]*|Snakefile)`", PAGE)
    assert len(named) > 40
    assert [name for name in named if not list(REPOSITORY.glob(name.rstrip("/")))] == []


def test_every_function_of_the_page_is_in_the_file_beside_it():
    places = re.findall(r"`(?:PLAN\.\w+\.)?(\w+)` (?:in |\()`([\w/]+\.py)`", PAGE)
    assert len(places) >= 4
    for name, file in places:
        assert re.search(rf"^( *(def|class) )?{name}\b", (REPOSITORY / file).read_text(), re.MULTILINE), (name, file)


RULES = "\n".join(path.read_text() for path in sorted(REPOSITORY.glob("workflow/rules/*.smk")))
LEVELS = re.findall(r"^\| [^|]* \| `(\w+)` \| `([\w/.]+)`[^|]* \| (.*) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("rule, file, outputs", LEVELS, ids=[step[0] for step in LEVELS])
def test_a_rule_of_the_page_runs_the_file_and_writes_what_the_page_says(rule, file, outputs):
    body = re.split(r"^(?:use )?rule \w+", RULES.split(f"rule {rule}:")[1], maxsplit=1, flags=re.MULTILINE)[0]
    module = file.removesuffix(".py").replace("/", ".")
    assert f'code_version("{module}")' in body
    patterns = re.findall(r'"(results/[^"]+)"', body.partition("output:")[2].partition("log:")[0])
    for name in re.findall(r"`([\w./-]+)`", outputs):
        expected = [re.sub(r"(\\[{}])+\w+(\\[{}])+", "[^/]+", re.escape(pattern)) for pattern in patterns]
        assert any(re.match(f"{pattern}($|/)", f"results/phantom/{name}") for pattern in expected), (name, patterns)


def test_the_page_follows_an_image_through_the_stages():
    assert len(LEVELS) == 13
