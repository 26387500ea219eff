"""Which files the rules read and write: every path helper."""

import os
import re
import shutil

from dar_uda.code_version import code_version
from dar_uda.evaluation.resources import tabulate_resources

OVERLAY_CASES = 4
CORES_ELSEWHERE = 8
RANDOMISED = "-randomised"


def gpus(wildcards):
    """Return how many GPUs a torch job asks for; on a CPU none, so that several run side by side."""
    here = shutil.which("nvidia-smi") is not None
    return int(config["device"] == "cuda" or (config["device"] == "auto" and here))


def half_the_cores(wildcards):
    """Return a training's threads: two trainings that do not wait for each other share the machine."""
    try:
        return max(1, workflow.cores // 2)
    except WorkflowError:  # a cluster, where no number of cores is given
        return CORES_ELSEWHERE


def letter_of(domain):
    """Return the translator's name of a domain: a for the first in the alphabet, b for the other."""
    return "ab"[DOMAINS.index(domain)]


def intensity_of(domain):
    return {
        key: value
        for key, value in TASK["domains"][domain]["intensity"].items()
        if value is not None
    }


def case_files(domain, cases, name):
    """Return one preprocessed file of each case: image.nii, label.nii or grid.json."""
    return [f"results/{RUN}/cases/{domain}/{case}/{name}" for case in cases]


def slices_of(domain, suffix):
    return f"results/{RUN}/slices/{domain}.{suffix}"


def training_images(wildcards):
    return case_files(
        wildcards.domain, cases_of(wildcards.domain, "train"), "image.nii"
    )


def source_cases(direction):
    """Return the labelled training cases of the source; stop where there are none."""
    source = source_of(direction)
    cases = cases_of(source, "train", labelled=True)
    if not cases:
        raise WorkflowError(
            f"Direction {direction}: no training case of domain {source} has a label. Give one a label, or choose another direction."
        )
    return cases


def style_count(strategy):
    return method_values("styles")["clusters"] if strategy == "multi" else 1


def synthetic_volumes(direction, strategy, case, seed):
    """Return the synthetic volumes of one source case, one per style."""
    folder = f"results/{RUN}/seed-{seed}/synthetic/{direction}/disentangled-{strategy}/{case}"
    return [f"{folder}/style-{style}.nii" for style in range(style_count(strategy))]


def harmonising_label(wildcards):
    """Return the source's label map where synthetic volumes are harmonised with it."""
    if not method_values("styles")["harmonise"]:
        return []
    return case_files(source_of(wildcards.direction), [wildcards.case], "label.nii")[0]


def style_files(strategy):
    """Return the path patterns of one case's synthetic volumes."""
    return expand(
        "results/{{run}}/seed-{{seed}}/synthetic/{{direction}}/disentangled-{strategy}/{{case}}/style-{style}.nii",
        strategy=strategy,
        style=range(style_count(strategy)),
    )


def training_set_of(method, direction):
    """Return the training set of a method in a direction: a domain, or `direction.translator-strategy`."""
    return METHODS[method]["training_set"].format(
        direction=direction, source=source_of(direction), target=target_of(direction)
    )


def strategy_of(training_set):
    """Return the direction and style strategy of a synthetic training set; (None, None) for a domain."""
    if training_set in DOMAINS:
        return None, None
    direction, translation = training_set.split(".")
    return direction, translation.removeprefix("disentangled-")


def segmenter_images(wildcards):
    """Return the volumes of a training set."""
    direction, strategy = strategy_of(wildcards.training_set)
    if direction is None:
        return case_files(
            wildcards.training_set,
            cases_of(wildcards.training_set, "train", labelled=True),
            "image.nii",
        )
    return [
        volume
        for case in source_cases(direction)
        for volume in synthetic_volumes(direction, strategy, case, wildcards.seed)
    ]


def randomisation():
    """Return how randomised segmenters are trained; None where the budget randomises nothing."""
    values = method_values("segmentation")["randomisation"]
    return values if any(values.values()) else None


def is_randomised(method):
    return METHODS[method].get("randomised", False) and randomisation() is not None


def untranslated(wildcards, name):
    """Return the source volumes' files that a randomised synthetic training set is mixed with."""
    direction, _ = strategy_of(wildcards.training_set)
    randomised = wildcards.network.endswith(RANDOMISED)
    if direction is None or not randomised or not randomisation()["source_share"]:
        return []
    return case_files(source_of(direction), source_cases(direction), name)


def segmenter_labels(wildcards):
    """Return the label map of every volume of a training set."""
    direction, strategy = strategy_of(wildcards.training_set)
    if direction is None:
        return case_files(
            wildcards.training_set,
            cases_of(wildcards.training_set, "train", labelled=True),
            "label.nii",
        )
    labels = case_files(source_of(direction), source_cases(direction), "label.nii")
    return [label for label in labels for _ in range(style_count(strategy))]


def segmenter_file(method, direction, seed, name):
    return f"results/{RUN}/seed-{seed}/segmenters/{training_set_of(method, direction)}/{network_of(method)}/{name}"


def network_of(method):
    """Return the network of a method as its folder names it: `dar_unet`, or `dar_unet-randomised`."""
    return METHODS[method]["network"] + (RANDOMISED if is_randomised(method) else "")


def method_weights(wildcards):
    return segmenter_file(
        wildcards.method, wildcards.direction, wildcards.seed, "weights.safetensors"
    )


def test_files(direction, name):
    """Return one preprocessed file of each test case of the target."""
    target = target_of(direction)
    return case_files(target, cases_of(target, "test"), name)


def scored_cases(direction):
    """Return the test cases of the target that have a label."""
    return cases_of(target_of(direction), "test", labelled=True)


def references_of(direction):
    return [
        original(case, target_of(direction), "label")
        for case in scored_cases(direction)
    ]


def unavailable_reason(method, direction):
    """Return why a method cannot be scored in a direction; None where it can."""
    target = target_of(direction)
    if cannot_train(method, direction):
        return f"no training case of domain {target} has a label"
    if not scored_cases(direction):
        return f"no test case of domain {target} has a label"
    return None


def cannot_train(method, direction):
    """Return whether a method needs labels of the target's training cases, of which there are none."""
    target = target_of(direction)
    return training_set_of(method, direction) == target and not cases_of(
        target, "train", labelled=True
    )


def check_cases():
    """Stop where a direction of the run lacks cases that its methods need."""
    for direction in DIRECTIONS:
        target = target_of(direction)
        if not cases_of(target, "test"):
            raise WorkflowError(
                f"Direction {direction}: domain {target} has no test case."
            )
        for method in METHODS:
            training_set = training_set_of(method, direction)
            if training_set != target:
                source_cases(direction)
            if training_set not in DOMAINS and not cases_of(target, "train"):
                raise WorkflowError(
                    f"Direction {direction}, method {method}: domain {target} has no training case."
                )


def scored_rows(directions=None, seeds=None):
    """Return direction, method and seed of every row of the summary."""
    return [
        {"direction": direction, "method": method, "seed": seed}
        for direction in directions or DIRECTIONS
        for method in METHODS
        for seed in seeds or SEEDS
        if unavailable_reason(method, direction) is None
    ]


def unavailable_rows():
    """Return direction, method and reason of every row of the summary that stays empty."""
    return [
        {
            "direction": direction,
            "method": method,
            "reason": unavailable_reason(method, direction),
        }
        for direction in DIRECTIONS
        for method in METHODS
        if unavailable_reason(method, direction) is not None
    ]


def metrics_of(rows):
    return [
        "results/{}/seed-{seed}/metrics/{direction}/{method}.tsv".format(RUN, **row)
        for row in rows
    ]


def disagreements_of(rows):
    return [
        "results/{}/seed-{seed}/disagreement/{direction}/{method}.tsv".format(
            RUN, **row
        )
        for row in rows
    ]


def training_notes():
    """Return what the table says of the methods that train on more than the paper's volumes and augmentation."""
    return {
        method: notes for method in METHODS if (notes := ", ".join(notes_of(method)))
    }


def notes_of(method):
    synthetic = METHODS[method]["training_set"].startswith("{direction}")
    notes = []
    if is_randomised(method):
        values = randomisation()
        notes = [f"GIN {values['gin']}", f"structure contrast {values['structures']}"]
        if synthetic:
            notes.append(f"source share {values['source_share']}")
    if synthetic and method_values("styles")["harmonise"]:
        notes.append("harmonised volumes")
    return notes


def synthetic_strategies(direction):
    """Return the style strategies that the run's methods use in a direction, `multi` first."""
    used = {strategy_of(training_set_of(method, direction))[1] for method in METHODS}
    return [strategy for strategy in STRATEGIES if strategy in used]


def histories():
    """Return the training histories of the first seed, by name."""
    seed = SEEDS[0]
    paths = {}
    if any(synthetic_strategies(direction) for direction in DIRECTIONS):
        paths["disentangled"] = (
            f"results/{RUN}/seed-{seed}/translators/disentangled/history.tsv"
        )
    for direction in DIRECTIONS:
        for method in METHODS:
            if not cannot_train(method, direction):
                name = f"{training_set_of(method, direction)} {network_of(method)}"
                paths[name] = segmenter_file(method, direction, seed, "history.tsv")
    return paths


def drawn_cases(direction):
    return scored_cases(direction)[:OVERLAY_CASES]


def drawn_methods(direction):
    return [row["method"] for row in scored_rows([direction], SEEDS[:1])]


def predictions_of(method, direction, seed):
    """Return the folder of a method's masks, `{case}.nii.gz` on the original grids.

    One output, not one per case: Snakemake keeps all inputs of a job with every output.
    """
    return f"results/{RUN}/seed-{seed}/predictions/{direction}/{method}"


def requested_tables():
    return [f"results/{RUN}/tables/summary.{suffix}" for suffix in ("tsv", "md")]


def requested_figures():
    """Return the figures for which the run has what they show."""
    figures = ["losses"] if histories() else []
    for direction in DIRECTIONS:
        if synthetic_strategies(direction):
            figures.append(f"translations-{direction}")
        if drawn_methods(direction):
            figures += [f"overlays-{direction}", f"dice-{direction}"]
    return [f"results/{RUN}/figures/{figure}.png" for figure in figures] + [
        f"results/{RUN}/seed-{SEEDS[0]}/styles/{direction}/disentangled-{strategy}/styles.png"
        for direction in DIRECTIONS
        for strategy in synthetic_strategies(direction)
    ]


def unscored_predictions():
    """Return the folders of masks that the run makes although no label can score them."""
    return [
        predictions_of(method, direction, seed)
        for direction in DIRECTIONS
        if not scored_cases(direction)
        for method in METHODS
        if not cannot_train(method, direction)
        for seed in SEEDS
    ]


def print_summary():
    """Print the summary table, if this call made or had one, and note what the jobs took beside it."""
    if any(files for _, _, files in os.walk(f"results/{RUN}/benchmarks")):
        tabulate_resources(
            f"results/{RUN}/benchmarks", f"results/{RUN}/tables/resources.tsv"
        )
    table = f"results/{RUN}/tables/summary.md"
    if os.path.isfile(table):
        with open(table, encoding="utf-8") as lines:
            print(lines.read())


check_cases()


wildcard_constraints:
    run=re.escape(RUN),
    seed=r"\d+",
    domain="|".join(DOMAINS),
    direction="|".join(f"{a}-to-{b}" for a, b in (DOMAINS, DOMAINS[::-1])),
    case=r"[A-Za-z0-9][A-Za-z0-9_.-]*",
    method=r"[A-Za-z][A-Za-z0-9_]*",
    network=rf"[A-Za-z][A-Za-z0-9_]*({RANDOMISED})?",
    strategy="|".join(STRATEGIES),
    training_set=r"[A-Za-z0-9-]+(\.disentangled-(multi|average))?",
