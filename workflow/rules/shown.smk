"""What figures and the report show of a run."""

from dar_uda.report.templates import template_version

OVERLAY_CASES = 4


def drawn_cases(direction):
    """Return the test cases of the overlays: the first that have a label, else the first."""
    cases = scored_cases(direction) or cases_of(target_of(direction), "test")
    return cases[:OVERLAY_CASES]


def drawn_images(direction):
    target = target_of(direction)
    return [original(case, target, "image") for case in drawn_cases(direction)]


def drawn_methods(direction):
    """Return the summary's methods that make masks in a direction."""
    methods = TABLES["summary"]["methods"]
    return [method for method in methods if not missing_for(method, direction)]


def table_of(wildcards):
    """Return the table to which a figure or a report belongs, by the end of its name: none is the summary's."""
    return wildcards.of_table.removeprefix("-") or "summary"


def ending_of(table):
    return "" if table == "summary" else f"-{table}"


def drawn_rows(wildcards, seeds=None):
    """Return direction, method and seed of what a figure of a table's scores shows."""
    return scored_rows(table_of(wildcards), [wildcards.direction], seeds)


def table_files(table):
    return [
        f"results/{RUN}/tables/{table}.{suffix}"
        for suffix in ("tsv", "md", "tex", "html")
    ]


def figures_of(table):
    """Return kind, variant, direction and path, without suffix, of each figure that a table's report shows.

    The summary's has all for which the run has what they show; the others have those of the scores.
    """
    figures = [
        figure_at(f"figures/{kind}-{direction}{ending_of(table)}", kind, direction)
        for direction in directions_of(table)
        for kind in ("dice", "dice_asd", "extremes")
        if scored_rows(table, [direction], SEEDS[:1])
    ]
    return figures + (other_figures() if table == "summary" else [])


def figure_at(path, kind, direction="", variant=""):
    return {
        "path": f"results/{RUN}/{path}",
        "kind": kind,
        "direction": direction,
        "variant": variant,
    }


def other_figures():
    """Return the run's figures of masks, translations, styles and losses."""
    figures = []
    for direction in DIRECTIONS:
        translations = translations_of("summary", direction)
        shown = {"overlays": drawn_methods(direction), "translations": translations}
        figures += [
            figure_at(f"figures/{kind}-{direction}", kind, direction)
            for kind, there in shown.items()
            if there
        ]
        for translation in translations:
            if translation != "cyclegan-single":
                path = f"seed-{SEEDS[0]}/styles/{direction}/{translation}/styles"
                strategy = translation.removeprefix("disentangled-")
                figures.append(figure_at(path, "styles", direction, strategy))
    return figures + ([figure_at("figures/losses", "losses")] if histories() else [])


def report_of(table):
    return f"results/{RUN}/report{ending_of(table)}.html"


def facts_of(table):
    """Return what a report says of the run and its cases."""
    names = ("task", "protocol", "checkpoint")
    groups = [(domain, split) for domain in DOMAINS for split in ("train", "test")]
    return {
        **{name: config[name] for name in names},
        "run": RUN,
        "folder": f"results/{RUN}",
        "table": table,
        "budget": BUDGET,
        "seeds": SEEDS,
        "stamp": stamp_with_changes(),
        "cases": [
            {
                "domain": domain,
                "split": split,
                "cases": cases_of(domain, split),
                "labelled": len(cases_of(domain, split, labelled=True)),
            }
            for domain, split in groups
            if cases_of(domain, split)
        ],
    }


def methods_in_words(table):
    """Return of each method of a table what its report says of it."""
    return {
        method: {
            "training_set": METHODS[method]["training_set"],
            "network": METHODS[method]["network"],
            "flat": is_flat(method),
            "randomised": is_randomised(method),
            "self_trained": is_self_trained(method),
            "note": ", ".join(notes_of(method)),
        }
        for method in methods_of(table)
    }


def unscored_predictions():
    """Return the folders of masks that the run makes although no label can score them."""
    return [
        predictions_of(**row)
        for row in masked_rows("summary")
        if not scored_cases(row["direction"])
    ]
