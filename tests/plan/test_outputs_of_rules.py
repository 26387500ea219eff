"""Whether the paths of the plan are outputs of the rules, each of one rule: patterns of both are read, none is run."""

import re
from functools import cache

import pytest
from snakemake.io import regex_from_filepattern, update_wildcard_constraints

from dar_uda.plan.methods import CANDIDATES, SELECTION_RULES, TRANSLATIONS
from dar_uda.plan.plan import TRAINED
from dar_uda.plan.task import Direction
from tests.plan.configs import REPOSITORY
from tests.plan.plans import BOTH, EXTRAS, LABELED, plan_of

DRAWN_BY = {
    "dice": "draw_boxes",
    "differences": "draw_differences",
    "dice_asd": "draw_dice_against_asd",
    "look_first": "draw_look_first",
    "extremes": "draw_extremes",
    "reliability": "draw_reliability",
    "overlays": "draw_overlays",
    "translations": "draw_translations",
    "styles": "draw_styles",
    "losses": "draw_losses",
}
SYNTHESIZED_BY = dict(
    zip(
        TRANSLATIONS,
        (
            *("synthesize_volume", "synthesize_uncorrected_volume", "synthesize_average_volume", "translate_volume"),
            "translate_volume_by_cycada",
        ),
        strict=True,
    )
)
ON_BOTH_DOMAINS = {name: f"train_{name}" for name in ("synseg_net", "ada_output", "cycada", "sifa")}


@cache
def blocks():
    """Return the text of every rule by name; a rule that uses another one has its text behind its own."""
    found = {}
    for file in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")):
        parts = re.split(r"^(?:use rule (\w+) as |rule )(\w+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for used, name, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            found[name] = text + found.get(used, "")
    return found


def section(rule, name):
    """Return the lines of a rule's section, those of the rule that it uses if it has none."""
    lines = re.search(rf"^    {name}:\n((?:        .*\n)+)", blocks()[rule], re.MULTILINE)
    return lines[1] if lines else ""


def patterns():
    """Return (rule, pattern) of every output of the rules."""
    return [
        # `expand` takes `{style}` as it is, and other wildcards in double braces.
        (rule, pattern.replace("{{", "{").replace("}}", "}"))
        for rule in blocks()
        for pattern in re.findall(r'"(results/[^"]+)"', section(rule, "output"))
    ]


def expressions(plan):
    """Return (rule, expression) of every output, as Snakemake matches it."""
    constraints = {"style": r"\d+", **plan.wildcard_constraints()}

    def expression(rule, pattern):
        own = eval(f"dict({section(rule, 'wildcard_constraints')})", {"PLAN": plan, "TRAINED": TRAINED})
        return re.compile(regex_from_filepattern(update_wildcard_constraints(pattern, own, constraints)))

    return [(rule, expression(rule, pattern)) for rule, pattern in patterns()]


def rules_of(plan, paths):
    """Return the rules of which each path is an output."""
    known = expressions(plan)
    return {path: {rule for rule, expression in known if expression.match(path)} for path in paths}


def files_of(plan):
    """Yield every output that the plan names, and its rule."""
    paths, seed = plan.paths, plan.config.seeds[0]
    yield paths.checks, "check_cases"
    yield paths.region, "find_region"
    yield paths.tta_inconsistency_table, "tabulate_tta_inconsistency"
    yield paths.calibration_table, "tabulate_calibration"
    yield paths.confidence_table, "tabulate_confidence"
    yield paths.adaptation_table, "tabulate_confidence"
    for domain in plan.config.task.domains:
        for file, rule in {"image.nii": "case", "grid.json": "case", "label.nii": "label"}.items():
            yield paths.cases(domain, ["A-1.x_2"], file)[0], f"preprocess_{rule}"
        for what in ("image", "label"):
            yield paths.case(domain, "A-1.x_2", f"original_{what}.nii"), "extract_volume"
        for suffix in ("npy", "tsv"):
            yield paths.slices(domain, suffix), "extract_slices"
        yield paths.structures(domain), "measure_structures"
        yield paths.grid_ceiling(domain), "measure_grid_ceiling"
    of_cycada = {f"cycada-{direction}": "train_cycada_translator" for direction in map(str, plan.config.directions)}
    for name, rule in {"disentangled": "train_translator", "cyclegan": "train_cyclegan", **of_cycada}.items():
        for file in ("weights.safetensors", "history.tsv"):
            yield f"{paths.translator(seed, name)}/{file}", rule
    for direction in map(str, plan.config.directions):
        yield from files_of_synthesis(plan, direction, seed)
        for name in plan.methods:
            yield from files_of_method(plan, direction, name, seed)
        for name in plan.config.external:
            yield plan.paths.predictions(seed, direction, name), "read_external_masks"
            yield plan.paths.missing_masks(seed, direction, name), "read_external_masks"
            yield plan.paths.metrics(seed, direction, name), "score_external_masks"
    for table in plan.tables.values():
        yield from files_of_table(plan, table)


def files_of_synthesis(plan, direction, seed):
    for translation, rule in SYNTHESIZED_BY.items():
        for path in plan.volumes.synthetic(direction, translation, "ct1", seed):
            yield path, rule
        if translation.startswith("disentangled"):
            for table in ("codes", "styles"):
                yield f"{plan.paths.styles(seed, direction, translation)}/{table}.tsv", "encode_styles"


def files_of_method(plan, direction, name, seed):
    paths, method = plan.paths, plan.methods[name]
    is_chunked, predict = len(plan.volumes.chunks(direction)) > 1, "predict_nnunet" if method.is_nnunet else "predict"
    predict_all = predict if method.is_nnunet else "predict_cases"
    yield paths.predictions(seed, direction, name), "gather_predictions" if is_chunked else predict_all
    yield paths.tta_inconsistency(seed, direction, name), "gather_predictions" if is_chunked else predict_all
    yield paths.calibration(seed, direction, name), "measure_calibration"
    yield paths.confidence(seed, direction, name), "measure_confidence"
    yield paths.metrics(seed, direction, name), "gather_scores" if is_chunked else "score_method"
    if is_chunked:
        for file, rule in {"masks": predict, "tta_inconsistency.tsv": predict, "metrics.tsv": "score"}.items():
            for path in plan.chunk_files(name, direction, seed, file):
                yield path, f"{rule}_chunk"
    training_set = method.training_set(Direction.of(direction))
    if method.is_nnunet:
        yield paths.nnunet_dataset(seed, str(training_set)), "write_nnunet_dataset"
        yield plan.weights(name, direction, seed), "train_nnunet"
        yield f"{paths.training(seed, str(training_set), 'nnunet')}/history.tsv", "train_nnunet"
        return
    for training in {*method.iterations, *method.trainings}:
        folder, rule = paths.training(seed, str(training_set), str(training)), rule_of(training_set, training)
        yield f"{folder}/weights{'' if training.weights == CANDIDATES else '.safetensors'}", rule
        if training in method.trainings:
            yield f"{folder}/history.tsv", rule


def rule_of(training_set, training):
    """Return the rule whose outputs are a training's."""
    if not training_set.has_volumes:
        return ON_BOTH_DOMAINS[training_set.adaptation]
    if training.iteration:
        return "self_train_segmenter"
    if training.weights == CANDIDATES:
        return "train_candidates"
    return "select_model" if training.weights in SELECTION_RULES else "train_segmenter"


def files_of_table(plan, table):
    for path in plan.paths.table_files(table.name):
        yield path, "tabulate"
    yield plan.paths.report(table.name), "write_report"
    for figure in plan.figures.of_table(table):
        for suffix in ("png", "svg"):
            yield f"{figure.path}.{suffix}", DRAWN_BY[figure.kind]


@pytest.mark.parametrize("rule", ["last", "source_validation", "target_oracle"])
def test_every_file_that_the_plan_names_is_an_output_of_one_rule(rule):
    inference = "inference: {chunk_size: 1, save_probabilities: true}"
    text = f"run: a.b\n{inference}\nmethods: [source_randomized, dar_uda, average_style, cyclegan_3d, dar_uda_nnunet]"
    external = 'external: {dar_uda_2: {masks: "no/{case}.nii", directions: [ct-to-mr]}}'
    plan = plan_of(f"model_selection: {{rule: {rule}}}\n{BOTH}\n{EXTRAS}\n{text}\n{external}", LABELED, has_files=False)
    assert [len(plan.volumes.chunks(direction)) for direction in ("ct-to-mr", "mr-to-ct")] == [2, 1]
    files = dict(files_of(plan))
    assert rules_of(plan, files) == {path: {made_by} for path, made_by in files.items()}
    unused = {"label_target"} | ({"train_candidates", "select_model"} if rule == "last" else set())
    assert set(files.values()) == {made_by for made_by, _ in patterns()} - unused


@pytest.mark.parametrize(
    ("rule", "rules"), [("last", {"train_segmenter"}), ("target_oracle", {"train_segmenter", "train_candidates"})]
)
def test_what_the_trainings_of_a_table_took_is_an_output_of_one_rule(rule, rules):
    text = f"model_selection: {{rule: {rule}}}\ntables: {{comparison: {{usage: true}}}}\n{EXTRAS}"
    plan = plan_of(text, LABELED)
    files = [file for files in plan.usage("comparison").values() for file in files]
    assert {frozenset(found) for found in rules_of(plan, files).values()} == {frozenset({made_by}) for made_by in rules}


def test_every_wildcard_has_a_pattern_and_every_pattern_a_wildcard():
    used = {name for _, pattern in patterns() for name in re.findall(r"\{(\w+)\}", pattern)}
    assert set(plan_of().wildcard_constraints()) == used - {"style"}
