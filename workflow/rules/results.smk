"""What a run makes: its masks, the rows of its tables, all that it is asked for."""

import os

from dar_uda.jobs.usage import tabulate_resources

CHOSEN_BY = {
    "last": "",
    "validation": "Weights chosen without target labels.",
    "oracle": "ORACLE: weights chosen by the target's test labels.",
}


def test_files(direction, name):
    """Return one preprocessed file of each test case of the target."""
    target = target_of(direction)
    return case_files(target, cases_of(target, "test"), name)


def labels_of_pieces(wildcards):
    """Return the source's label maps where they tell which structures of a mask are one piece."""
    if not method_values("inference")["largest_component"]:
        return []
    source = source_of(wildcards.direction)
    return case_files(source, cases_of(source, "train", labelled=True), "label.nii")


def scored_cases(direction):
    """Return the test cases of the target that have a label."""
    return cases_of(target_of(direction), "test", labelled=True)


def scored_images(direction):
    target = target_of(direction)
    return [original(case, target, "image") for case in scored_cases(direction)]


def references_of(direction):
    target = target_of(direction)
    return [original(case, target, "label") for case in scored_cases(direction)]


def unavailable_reason(method, direction):
    """Return why a method cannot be scored in a direction; None where it can."""
    if not scored_cases(direction):
        return f"no test case of domain {target_of(direction)} has a label"
    return missing_for(method, direction)


def directions_of(table):
    """Return the directions of a table: the run's, or of other tables what they ask for and the cases allow.

    A region of interest is told from the labels of one direction's source, so there is no other direction.
    """
    if (
        table == "summary"
        or config["directions"]
        or GRID.get("region_margin") is not None
    ):
        return DIRECTIONS
    if TABLES[table]["directions"] == "first":
        return list(TASK.directions[:1])
    allowed = [
        direction
        for direction in map(str, TASK.both_directions)
        if scored_cases(direction)
        and cases_of(source_of(direction), "train", labelled=True)
    ]
    return allowed or DIRECTIONS


def predictions_of(method, direction, seed):
    """Return the folder of a method's masks, `{case}.nii.gz` on the original grids.

    One output, not one per case: Snakemake keeps all inputs of a job with every output.
    """
    return f"results/{RUN}/seed-{seed}/predictions/{direction}/{method}"


def methods_of(table):
    """Return the methods of a table; of those that this budget trains alike, such as `dar_uda` without a second round, the last."""
    methods = TABLES[table]["methods"]
    if table == "summary":
        return methods
    trained = {
        (METHODS[method]["training_set"], *rounds_of(method)): method
        for method in methods
    }
    return [method for method in methods if method in trained.values()]


def scored_rows(table, directions=None, seeds=None):
    """Return direction, method and seed of every row of a table."""
    return [
        {"direction": direction, "method": method, "seed": seed}
        for direction in directions or directions_of(table)
        for method in methods_of(table)
        for seed in seeds or SEEDS
        if unavailable_reason(method, direction) is None
    ]


def masked_rows(table):
    """Return direction, method and seed of the masks behind a table; behind the summary also those that no label scores."""
    if table != "summary":
        return scored_rows(table)
    return [
        {"direction": direction, "method": method, "seed": seed}
        for direction in DIRECTIONS
        for method in methods_of(table)
        for seed in SEEDS
        if not missing_for(method, direction)
    ]


def unavailable_rows(table):
    """Return direction, method and reason of every row of a table that stays empty."""
    return [
        {
            "direction": direction,
            "method": method,
            "reason": unavailable_reason(method, direction),
        }
        for direction in directions_of(table)
        for method in methods_of(table)
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


def resources_of(table):
    """Return what the trainings of a table's methods took, files by method, where the table shows it."""
    if not TABLES[table].get("resources"):
        return {}
    files = {}
    for row in scored_rows(table):
        method = row["method"]
        files.setdefault(method, []).append(
            segmenter_file(
                method,
                row["direction"],
                row["seed"],
                "resources.json",
                trainings_of(method)[0],
            )
        )
    return files


def stamp():
    """Return what every table says of the run."""
    seeds = ", ".join(map(str, SEEDS))
    noun = "seed" if len(SEEDS) == 1 else "seeds"
    text = f"Task {config['task']}, protocol {config['protocol']}, budget {BUDGET}, {noun} {seeds}."
    return f"{text} {CHOSEN_BY[config['checkpoint']]}".rstrip()


def stamp_with_changes():
    """Return the stamp, and what of the budget's values was changed."""
    changes = CONFIG.changes()
    return f"{stamp()} Changed: {'; '.join(changes)}." if changes else stamp()


def stamped_choices():
    """Return what every row of a table says of the run, by column."""
    return {key: config[key] for key in ("protocol", "checkpoint")}


def gap_ends(table):
    """Return floor and ceiling of the gap of a table's 2D methods."""
    flat = [method for method in methods_of(table) if is_flat(method)]
    return {method: ["source_only_2d", "supervised_2d"] for method in flat}


def is_flat(method):
    """Return whether a method's network is 2D."""
    network = config["networks"][METHODS[method]["network"]]
    return network.get("architecture") == "unet_2d"


def method_notes(table):
    """Return what a table says of the methods that differ from the paper in training or inference."""
    methods = methods_of(table)
    return {
        method: notes for method in methods if (notes := ", ".join(notes_of(method)))
    }


def notes_of(method):
    synthetic = METHODS[method]["training_set"].partition(".")[2] in TRANSLATIONS
    notes = []
    if is_randomised(method):
        values = randomisation()
        notes = [f"GIN {values['gin']}", f"structure contrast {values['structures']}"]
        if synthetic:
            notes.append(f"source share {values['source_share']}")
    if is_self_trained(method):
        values = method_values("segmentation")["self_training"]
        notes.append(f"self-training {values['steps']} steps")
    if synthetic and method_values("styles")["harmonise"]:
        notes.append("harmonised volumes")
    inference = method_values("inference")
    switches = ("test_time_augmentation", "largest_component")
    return notes + [key.replace("_", " ") for key in switches if inference[key]]


def histories():
    """Return the training histories of the first seed, by name."""
    seed = SEEDS[0]
    paths = {}
    used = {
        translation.split("-")[0]: None
        for direction in DIRECTIONS
        for translation in translations_of("summary", direction)
    }
    for translator in used:
        paths[translator] = (
            f"results/{RUN}/seed-{seed}/translators/{translator}/history.tsv"
        )
    for direction in DIRECTIONS:
        for method in TABLES["summary"]["methods"]:
            if not missing_for(method, direction):
                for network in trainings_of(method):
                    name = f"{training_set_of(method, direction)} {network}"
                    paths[name] = segmenter_file(
                        method, direction, seed, "history.tsv", network
                    )
    return paths


def requested_files():
    """Return what the run makes if it is given no target; stop where cases are missing."""
    check_device()
    check_cases()
    return [
        f"results/{RUN}/checks.txt",
        *table_files("summary"),
        f"results/{RUN}/tables/disagreement.tsv",
        *(f"{figure['path']}.png" for figure in figures_of("summary")),
        *unscored_predictions(),
        report_of("summary"),
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
