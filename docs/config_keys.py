"""Write the keys of the config into config/README.md, from the schema and the shipped values."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "config" / "README.md"
MARK = "<!-- Below: written by `make docs` from workflow/schemas/config.schema.yaml. Change that. -->"
SCHEMA = yaml.safe_load((REPOSITORY / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
SHIPPED = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
BUDGETS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))["budgets"][path.stem]
    for path in sorted((REPOSITORY / "config" / "budgets").glob("*.yaml"))
}
TYPES = {"string": "text", "array": "list", "boolean": "`true` or `false`", "null": "`null`", "object": "keys"}
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
}

Node = Mapping[str, Any]


class Row(NamedTuple):
    """A key by its dotted path, its node of the schema, and whether it must be given."""

    path: str
    node: Node
    required: bool


def resolved(node: Node) -> Node:
    """Return a node of the schema with its `$ref` followed; what stands beside the reference goes before it."""
    if "$ref" not in node:
        return node
    target = resolved(SCHEMA["$defs"][node["$ref"].rpartition("/")[2]])
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def keys_of(node: Node, path: str, shown: set[str]) -> Iterator[Row]:
    """Yield every key below a node; `*` stands for a name of the user's. What a definition holds is `shown` once."""
    if node.get("$ref", "") in shown:
        return
    shown.update([node["$ref"]] if "$ref" in node else [])
    node = resolved(node)
    for alternative in node.get("oneOf", []):
        yield from keys_of(alternative, path, shown)
    for key, child in node.get("properties", {}).items():
        yield Row(f"{path}.{key}", resolved(child), key in node.get("required", []))
        yield from keys_of(child, f"{path}.{key}", shown)
    for child in node.get("patternProperties", {}).values():
        yield from keys_of(child, f"{path}.*", shown)


def expected(node: Node) -> str:
    """Return in words which values a node allows."""
    node = resolved(node)
    if "anyOf" in node:
        return ", or ".join(expected(choice) for choice in node["anyOf"])
    if "const" in node or "enum" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    bounds = [text.format(node[key]) for key, text in BOUNDS.items() if key in node]
    words = ", ".join([TYPES.get(types[0], types[0]), *bounds, *items_of(node)])
    return f"{words}; or `null`" if "null" in types[1:] else words


def items_of(node: Node) -> Iterator[str]:
    """Yield how many items a list has, and of what kind."""
    if node.get("type") not in ("array", ["array", "null"]):
        return
    if "maxItems" in node:
        yield f"{node['maxItems']} items"
    kinds = dict.fromkeys(expected(item) for item in node.get("prefixItems", [node.get("items")]))
    yield "each " + "; then ".join(kinds)


def value_at(values: Any, path: str) -> Any:
    """Return the value at a dotted path; None where there is none."""
    for key in path.split("."):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def defaults(row: Row) -> str:
    """Return the shipped value of a key, and what the budgets make of it; nothing for a key that only holds others."""
    if "properties" in row.node:
        return ""
    changed = {budget: value_at(values, row.path) for budget, values in BUDGETS.items()}
    texts = [f"{budget}: {written(value)}" for budget, value in changed.items() if value is not None]
    return "<br>".join([written(value_at(SHIPPED, row.path)), *texts])


def written(value: Any) -> str:
    return f"`{yaml.safe_dump([value], default_flow_style=True, width=1000).strip()[1:-1]}`"


def needed(row: Row) -> str:
    return "required" if row.required else "optional"


def table(rows: Iterable[Row], head: str, second: Callable[[Row], str]) -> str:
    """Return a Markdown table of keys: path, a second column, the expected values, the description."""
    lines = [f"| key | {head} | expected | meaning |", "|---|---|---|---|"]
    for row in rows:
        description = " ".join(row.node.get("description", "").split())
        cells = (f"`{row.path}`", second(row), expected(row.node), description)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines)


def sections() -> Iterator[str]:
    """Yield the generated part of the page: a heading, a sentence and a table for each part of the config."""
    shown: set[str] = set()
    parts = {"properties": [], "patternProperties": [], "": []}
    for key, node in SCHEMA["properties"].items():
        kind = next((kind for kind in parts if kind in resolved(node)), "")
        parts[kind].append((key, node))
    yield "## Keys: what a run chooses"
    yield table((Row(key, resolved(node), True) for key, node in parts[""]), "default", defaults)
    for key, node in parts["properties"]:
        yield f"## Keys: {key}"
        yield f"{resolved(node)['description']}. First the shipped value, then what a budget makes of it."
        yield table(keys_of(node, key, shown), "value", defaults)
    for key, node in parts["patternProperties"]:
        yield f"## Keys: {key}"
        yield f"{node['description']}."
        yield table(keys_of(node, key, shown), "given", needed)


def page() -> str:
    """Return the whole of config/README.md: what was written by hand, and the keys."""
    by_hand = PAGE.read_text(encoding="utf-8").partition(MARK)[0].rstrip()
    return "\n\n".join([by_hand, MARK, *sections()]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
