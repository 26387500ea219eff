"""What `bundle.json` may say: a bundle may come from a stranger, and what it says becomes arguments."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from dar_uda.plan.task import LARGEST_BATCH
from dar_uda.segmentation.networks import ARCHITECTURES, Segmenter, make_segmenter
from dar_uda.training.weights import load_weights

FORMAT = 3
NAME = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z"}
TEXT = {"type": "string", "maxLength": 2000, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*\Z"}
NUMBER, TRUTH = {"type": "number"}, {"type": "boolean"}
LONGEST = 2**20
"""Bytes of the file."""


def _whole(low: int, high: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high}


def _list(items: dict[str, Any], fewest: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": fewest, "maxItems": most}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    properties = {**required, **optional}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


MILLIMETERS = {"type": "number", "exclusiveMinimum": 0, "maximum": 2000}
INTENSITY = {
    **_object(
        {},
        window=_or_null(_list(NUMBER, 2, 2)),
        percentile=_or_null({"type": "number", "exclusiveMinimum": 0, "maximum": 100}),
    ),
    "minProperties": 1,
}
SCHEMA = _object(
    {
        "format": {"type": "integer"},
        "method": NAME,
        "direction": NAME,
        "domain": {"type": "string", "pattern": r"^[A-Za-z0-9]{1,40}\Z"},
        "structures": {
            **_list({"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9_-]{0,99}\Z"}, 1, 254),
            "uniqueItems": True,
        },
        "preprocessing": _object(
            {
                "grid": _object(
                    {"spacing": _list(_or_null(MILLIMETERS), 3, 3), "size": _whole(1, 4096)},
                    body_width=_or_null(MILLIMETERS),
                ),
                "intensity": INTENSITY,
                "slice_axis": _or_null(_whole(0, 2)),
                "double_depth": TRUTH,
            }
        ),
        "inference": {
            "type": "object",
            "required": ["overlap", "weighting", "batch_size", "test_time_augmentation"],
            "properties": {
                "overlap": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
                "weighting": {"enum": ["constant", "gaussian"]},
                "batch_size": _whole(1, 1024),
                "test_time_augmentation": TRUTH,
                "guided_filter_radius": _whole(0, 64),
                "flips": TRUTH,
            },
        },
        "patch_size": _list(_whole(1, 1024), 3, 3),
        "single_component": _list(_whole(1, 254), 0, 254),
        "slice_normal": _list({"type": "number", "minimum": -1.001, "maximum": 1.001}, 3, 3),
        "out_of_distribution": _or_null(
            _object({"quantiles": _list(NUMBER, 19, 19), "farthest": {"type": "number", "minimum": 0}})
        ),
    },
    adaptation=_or_null({"type": "object", "additionalProperties": {"anyOf": [TEXT, NUMBER, TRUTH, {"type": "null"}]}}),
    task=TEXT,
    run={"type": "object"},
    license=TEXT,
    packages={"type": "object", "additionalProperties": TEXT},
    usual_volumes=_or_null(_list(_or_null(NUMBER), 1, 254)),
)

CORNER = _list({"type": "number", "minimum": -2000, "maximum": 2000}, 3, 3)
REGION = _object({"low": CORNER, "high": CORNER})
NETWORK = {
    "type": "object",
    "required": ["classes", "channels"],
    "properties": {
        "architecture": {"enum": [*ARCHITECTURES]},
        "classes": _whole(2, 255),
        "channels": _list(_whole(1, 4096), 1, 8),
    },
    "additionalProperties": TRUTH,
}
"""The arguments of `make_segmenter`: all others are switches."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a bundle's file holds.

    Raises:
        ValueError: It holds none.
    """
    try:
        if path.stat().st_size > LONGEST:
            raise ValueError("it is too long")
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"DAR-521: {path} is not the JSON of a bundle ({error}): export it again") from error
    if not isinstance(facts, dict):
        raise ValueError(f"DAR-521: {path} holds {type(facts).__name__}, expected an object: export it again")
    return facts


def read_facts(bundle: Path) -> dict[str, Any]:
    """Return what `bundle.json` holds.

    Raises:
        FileNotFoundError: The folder is no bundle.
        ValueError: It is one of another version of this program, or says what no export writes.
    """
    path = bundle / "bundle.json"
    if not path.exists():
        raise FileNotFoundError(f"DAR-306: {path} does not exist; expected a folder that `dar-uda export` wrote")
    facts = read_json(path)
    if facts.get("format") != FORMAT:
        raise ValueError(
            f"DAR-325: {path}: found format {facts.get('format')!r}, expected {FORMAT}: another version of "
            "DAR-UDA, with other names, made this bundle. Export the method again from a run of this version"
        )
    check_facts(path, facts)
    check_region(bundle / "region.json")
    return facts


def check_facts(path: Path, facts: dict[str, Any]) -> None:
    """Raise where a bundle says what no export writes.

    Raises:
        ValueError: It names the key.
    """
    if problem := next(_problems_of(facts), None):
        raise ValueError(f"DAR-521: {path}: {problem}: export the method again")


def check_region(path: Path) -> None:
    """Raise where a bundle has a region that no export writes; it need not have one.

    Raises:
        ValueError: It is not two corners, the lower one first.
    """
    if not path.exists():
        return
    box = read_json(path)
    right = _validator(REGION).is_valid(box)
    if not right or any(low >= high for low, high in zip(box["low"], box["high"], strict=True)):
        raise ValueError(
            f"DAR-521: {path} is not what it can be, {json.dumps(box)[:200]}; expected `low` and `high`, each of three "
            "mm within 2000: export the method again"
        )


def check_weights(path: Path, facts: dict[str, Any]) -> None:
    """Raise where a weights file holds another network than it describes, or than the bundle does.

    The described network is built without memory.

    Raises:
        ValueError: It does.
    """
    state, arguments = load_weights(path)
    network = _described(arguments)
    if network is None or _sizes(state) != _sizes(network.state_dict()):
        raise ValueError(
            f"DAR-523: {path}: its weights are not those of the network that it describes, "
            f"{json.dumps(arguments)[:200]}: copy or export it again"
        )
    expected = len(facts["structures"]) + 1
    if arguments["classes"] != expected:
        raise ValueError(
            f"DAR-522: {path}: its weights have {arguments['classes']} classes, expected {expected} by its "
            "structures and the background: export the method again"
        )
    if any(size % divisor for size, divisor in zip(facts["patch_size"], network.divisors, strict=True)):
        raise ValueError(
            f"DAR-522: {path}: its network takes windows of multiples of {list(network.divisors)}, found the "
            f"patch_size {facts['patch_size']}: export the method again"
        )


def _described(arguments: Any) -> Segmenter | None:
    """Return the network of these arguments, without memory for its weights; None where there is none."""
    if not _validator(NETWORK).is_valid(arguments):
        return None
    try:
        with torch.device("meta"):
            return make_segmenter(**arguments)
    except (TypeError, ValueError, RuntimeError):  # switches of another network, or channels that do not go together
        return None


def _sizes(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _problems_of(facts: dict[str, Any]) -> Iterator[str]:
    for error in sorted(_validator(SCHEMA).iter_errors(facts), key=lambda error: error.json_path):
        yield f"{error.json_path.replace('$', 'the whole', 1)} is not what it can be, {error.message[:200]}"
    structures, size = facts["structures"], facts["patch_size"]
    voxels = size[0] * size[1] * size[2] * facts["inference"]["batch_size"]
    if voxels > LARGEST_BATCH:
        yield f"patch_size {size} makes {voxels} voxels in a batch, expected {LARGEST_BATCH} at most"
    if len(facts.get("usual_volumes") or structures) != len(structures):
        yield f"usual_volumes has {len(facts['usual_volumes'])} entries, expected {len(structures)}"
    if max([0, *facts["single_component"]]) > len(structures):
        yield f"single_component has {max(facts['single_component'])}, expected {len(structures)} at most"
    if None in facts["preprocessing"]["grid"]["spacing"][:2]:
        yield "preprocessing.grid.spacing has null in-plane, expected mm"
    if sum(value is not None for value in facts["preprocessing"]["intensity"].values()) != 1:
        yield "preprocessing.intensity has not exactly one of window and percentile"


def _validator(schema: Mapping[str, Any]) -> Any:
    """Return what holds values against a schema; its package is imported where a bundle is read, and there alone."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema)
