"""What the documents say of the code and of the config is there."""

import ast
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from dar_uda.data.checks import finding
from docs.config_keys import MARK, PAGE, page

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
METHOD = (DOCS / "method.md").read_text()
QUESTIONS = (DOCS / "questions.md").read_text()
SCHEMA = yaml.safe_load((REPOSITORY / "workflow" / "schemas" / "config.schema.yaml").read_text())


def names_in(path):
    """Return the functions, classes and `Class.method`s of a module."""
    definitions = (ast.ClassDef, ast.FunctionDef)
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, definitions):
            inner = node.body if isinstance(node, ast.ClassDef) else []
            names |= {node.name, *(f"{node.name}.{child.name}" for child in inner if isinstance(child, definitions))}
    return names


def test_the_keys_of_the_page_are_those_of_the_schema():
    assert PAGE.read_text() == page(), "run `make docs`"


def property_names(node):
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for child in node.values():
            yield from property_names(child)
    elif isinstance(node, list):
        for child in node:
            yield from property_names(child)


def test_every_key_of_the_schema_has_a_row_or_a_heading():
    text = PAGE.read_text().partition(MARK)[2]
    rows, headings = re.findall(r"^\| `(?:[^`]*\.)?(\w+)` \|", text, re.M), re.findall(r"^## Keys: (\w+)$", text, re.M)
    assert set(property_names(SCHEMA)) == {*rows, *headings}


def test_every_module_that_the_method_page_names_exists():
    modules = [path.as_posix() for path in REPOSITORY.glob("dar_uda/**/*.py")]
    named = [name for name in re.findall(r"`([\w/]+\.py)`", METHOD)]
    assert len(named) > 40
    assert [name for name in named if not any(f"/{module}".endswith(f"/{name}") for module in modules)] == []


def test_every_function_of_an_equation_stands_where_the_page_says():
    places = re.findall(r"`(dar_uda/[\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", METHOD)
    assert len(places) > 15
    for module, names in places:
        assert set(re.findall(r"`([\w.]+)`", names)) <= names_in(REPOSITORY / module), module


CODE = re.compile(r"DAR-\d{3}")
PRINTED = ("dar_uda/**/*.py", "dar_uda/viewer/page/viewer.js", "workflow/**/*.smk", "Snakefile", "workflow/Snakefile")
"""Where the messages are that users see."""


def test_every_code_that_is_printed_has_one_row_and_every_row_a_code_that_is_printed():
    rows = re.findall(r"^\| <a id=\"(dar-\d+)\"></a>(\S+) \|", QUESTIONS, re.M)
    codes = [code for _, code in rows]
    assert [anchor.upper() for anchor, _ in rows] == codes == sorted(set(codes))
    texts = [path.read_text() for pattern in PRINTED for path in REPOSITORY.glob(pattern)]
    assert {code for text in texts for code in CODE.findall(text)} == set(codes)


def literal_text(node):
    """Return a message's text as the code has it, what is filled in as an ellipsis."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(literal_text(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return literal_text(node.left) + literal_text(node.right)
    return "..."


def passes_on(node):
    """Return whether a message holds the text of another error, which has a code."""
    return any(isinstance(part, ast.FormattedValue) and ast.unparse(part.value) == "error" for part in ast.walk(node))


def messages():
    """Yield place and text of every error that the package or the rules raise with words of their own."""
    for path in sorted(REPOSITORY.glob("dar_uda/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                text = literal_text(node.exc.args[0])
                if len(re.findall(r"[a-z]{3}", text)) > 2 and not passes_on(node.exc.args[0]):
                    yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", text
    for path in sorted(REPOSITORY.glob("workflow/rules/*.smk")):
        for text in re.findall(r"raise WorkflowError\(\s*f?\"([^\n]*)\"", path.read_text()):
            yield path.name, text


def test_every_error_message_begins_with_a_code():
    assert [f"{place}: {text}" for place, text in messages() if not CODE.match(text)] == []


def test_every_heading_of_the_report_on_cases_begins_with_a_code():
    kinds = [kind for kind in vars(finding).values() if isinstance(kind, finding.Kind)]
    assert [kind for kind in kinds if not CODE.match(kind.title)] == [finding.ABSENT]  # never printed


def commands():
    """Yield every call of Snakemake in an indented line or block of the pages, but those that need a plugin."""
    for path in (REPOSITORY / "README.md", REPOSITORY / "config" / "README.md", *DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"^(?:    )?(snakemake -.*|snakemake [a-z].*)$", text, re.MULTILINE):
            if "--workflow-profile" not in line:
                yield line.removesuffix(" ...")


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_snakemake_understands_a_command_of_the_pages(line):
    words = shlex.split(line, comments=True)
    options = get_argument_parser().parse_args(words[1:])  # SystemExit or ValueError where it does not
    assert all("=" not in target for target in options.targets)


@pytest.mark.parametrize(("page", "fewest"), [("reliability.md", 40), ("security.md", 20)])
def test_every_test_that_a_page_names_exists(page, fewest):
    named = set(re.findall(r"`(?:[\w/]+/)?(test_\w+(?:\.py)?\*?)`", (DOCS / page).read_text(encoding="utf-8")))
    modules = {path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py")}
    functions = set(re.findall(r"^def (test_\w+)", "\n".join(modules.values()), re.M))
    assert len(named) > fewest
    for name in named:
        known = modules if name.endswith(".py") else functions
        assert any(fnmatch(each, name) for each in known), name


def test_every_folder_of_tests_has_a_row():
    rows = re.findall(r"^\| (tests/\w+) \|", (REPOSITORY / "tests" / "README.md").read_text(), re.MULTILINE)
    assert rows == sorted(
        str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("tests/*") if [*path.rglob("test_*.py")]
    )
