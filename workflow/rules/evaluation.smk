"""From masks to tables and figures."""

from dar_uda.plan import descriptions
from dar_uda.plan.tables import plain

STAMP = descriptions.stamp(CONFIG)
FIRST_SEED = PLAN.figures.first_seed


rule score_method:
    """Measure Dice and ASD of a method's masks, on the original grids."""
    input:
        lambda wildcards: voxels(
            PLAN.volumes.scored(wildcards.direction, "label") + PLAN.volumes.scored(wildcards.direction, "image")
        ),
        predictions="results/{run}/seed-{seed}/predictions/{direction}/{method}",
        images=lambda wildcards: given(PLAN.volumes.scored(wildcards.direction, "image")),
        references=lambda wildcards: given(PLAN.volumes.scored(wildcards.direction, "label")),
    output:
        metrics="results/{run}/seed-{seed}/metrics/{direction}/{method}.tsv",
    log:
        "results/{run}/logs/score_method/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/score_method/{direction}-{method}-{seed}.tsv"
    wildcard_constraints:
        direction=PLAN.direction_pattern(chunked=False),
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        cases=lambda wildcards: PLAN.volumes.test_cases(wildcards.direction, labelled=True),
        structures=list(TASK.structures),
        values=lambda wildcards: TASK.target(wildcards.direction).label_values,
        version=lambda wildcards: version_of(
            PLAN.volumes.scored(wildcards.direction, "image"),
            PLAN.volumes.scored(wildcards.direction, "label"),
        ),
        code=code_version("dar_uda.evaluation.score"),
    script:
        "../scripts/score_method.py"


use rule score_method as score_chunk with:
    # As score_method, where there are many cases: of one chunk of them.
    input:
        lambda wildcards: voxels(
            PLAN.volumes.scored(wildcards.direction, "label", wildcards.chunk)
            + PLAN.volumes.scored(wildcards.direction, "image", wildcards.chunk)
        ),
        predictions="results/{run}/seed-{seed}/chunks/{direction}/{method}/{chunk}/masks",
        images=lambda wildcards: given(PLAN.volumes.scored(wildcards.direction, "image", wildcards.chunk)),
        references=lambda wildcards: given(PLAN.volumes.scored(wildcards.direction, "label", wildcards.chunk)),
    output:
        metrics="results/{run}/seed-{seed}/chunks/{direction}/{method}/{chunk}/metrics.tsv",
    log:
        "results/{run}/logs/score_chunk/{direction}-{method}-{seed}/{chunk}.log",
    benchmark:
        "results/{run}/benchmarks/score_chunk/{direction}-{method}-{seed}/{chunk}.tsv"
    wildcard_constraints:
        direction=PLAN.direction_pattern(chunked=True),
    params:
        cases=lambda wildcards: PLAN.volumes.scored_chunks(wildcards.direction)[wildcards.chunk],
        structures=rules.score_method.params.structures,
        values=rules.score_method.params["values"],
        version=lambda wildcards: version_of(
            PLAN.volumes.scored(wildcards.direction, "image", wildcards.chunk),
            PLAN.volumes.scored(wildcards.direction, "label", wildcards.chunk),
        ),
        code=code_version("dar_uda.evaluation.score"),


rule gather_scores:
    """Bring the scores of a method's chunks into one table."""
    input:
        tables=lambda wildcards: PLAN.chunk_files(wildcards.method, wildcards.direction, wildcards.seed, "metrics.tsv"),
    output:
        metrics="results/{run}/seed-{seed}/metrics/{direction}/{method}.tsv",
    log:
        "results/{run}/logs/gather_scores/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/gather_scores/{direction}-{method}-{seed}.tsv"
    wildcard_constraints:
        direction=PLAN.direction_pattern(chunked=True),
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=1000,
        runtime="1h",
    params:
        cases=rules.score_method.params.cases,
        code=code_version("dar_uda.data.chunks"),
    script:
        "../scripts/gather_scores.py"


rule tabulate:
    """Bring the scores of a table's methods, directions and seeds together."""
    input:
        metrics=lambda wildcards: PLAN.metrics(PLAN.tables[wildcards.table].scored),
        disagreements=lambda wildcards: PLAN.disagreements(PLAN.tables[wildcards.table].masked),
        resources=lambda wildcards: [path for paths in PLAN.resources(wildcards.table).values() for path in paths],
    output:
        table="results/{run}/tables/{table}.tsv",
        pages=[
            "results/{run}/tables/{table}.md",
            "results/{run}/tables/{table}.tex",
            report(
                "results/{run}/tables/{table}.html",
                caption="../report/table.rst",
                category="Results",
            ),
        ],
    log:
        "results/{run}/logs/tabulate/{table}.log",
    benchmark:
        "results/{run}/benchmarks/tabulate/{table}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        rows=lambda wildcards: plain(PLAN.tables[wildcards.table].scored),
        masked=lambda wildcards: plain(PLAN.tables[wildcards.table].masked),
        unavailable=lambda wildcards: plain(PLAN.tables[wildcards.table].unavailable),
        notes=lambda wildcards: descriptions.method_notes(PLAN.tables[wildcards.table], CONFIG),
        resources=lambda wildcards: PLAN.resources(wildcards.table),
        stamp=descriptions.stamp_with_changes(CONFIG),
        choices=descriptions.stamped_choices(CONFIG),
        ends=lambda wildcards: descriptions.gap_ends(PLAN.tables[wildcards.table]),
        ceilings=lambda wildcards: descriptions.ceilings(PLAN.tables[wildcards.table]),
        structures=list(TASK.structures),
        code=code_version("dar_uda.evaluation.tables"),
    script:
        "../scripts/tabulate.py"


rule tabulate_disagreements:
    """Bring together how much the masks of every test case change with the image."""
    input:
        disagreements=PLAN.disagreements(PLAN.summary.masked),
    output:
        table="results/{run}/tables/disagreement.tsv",
    log:
        "results/{run}/logs/tabulate_disagreements/summary.log",
    benchmark:
        "results/{run}/benchmarks/tabulate_disagreements/summary.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        masked=plain(PLAN.summary.masked),
        choices=descriptions.stamped_choices(CONFIG),
        code=code_version("dar_uda.evaluation.disagreements"),
    script:
        "../scripts/tabulate_disagreements.py"


rule draw_losses:
    """Draw the losses of the first seed's trainings."""
    input:
        histories=list(PLAN.figures.histories().values()),
    output:
        figures=[
            report(
                "results/{run}/figures/losses.png",
                caption="../report/losses.rst",
                category="Training",
            ),
            "results/{run}/figures/losses.svg",
        ],
    log:
        "results/{run}/logs/draw_losses/losses.log",
    benchmark:
        "results/{run}/benchmarks/draw_losses/losses.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        names=list(PLAN.figures.histories()),
        stamp=STAMP,
        code=code_version("dar_uda.report.figures.training"),
    script:
        "../scripts/draw_losses.py"


rule draw_translations:
    """Draw a source case, its synthetic volumes and real target volumes."""
    input:
        source=lambda wildcards: PLAN.volumes.of_source(wildcards.direction, "image.nii")[0],
        synthetic=lambda wildcards: PLAN.volumes.synthetic(
            wildcards.direction,
            PLAN.figures.translations(wildcards.direction)[0],
            PLAN.volumes.source_cases(wildcards.direction)[0],
            FIRST_SEED,
        ),
        target=lambda wildcards: PLAN.volumes.of_target(wildcards.direction, "image.nii")[:2],
    output:
        figures=[
            report(
                "results/{run}/figures/translations-{direction}.png",
                caption="../report/translations.rst",
                category="Translation",
            ),
            "results/{run}/figures/translations-{direction}.svg",
        ],
    log:
        "results/{run}/logs/draw_translations/{direction}.log",
    benchmark:
        "results/{run}/benchmarks/draw_translations/{direction}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="10m",
    params:
        stamp=STAMP,
        code=code_version("dar_uda.report.figures.translation"),
    script:
        "../scripts/draw_translations.py"


rule draw_styles:
    """Draw the target's style codes, their clusters and the chosen codes."""
    input:
        codes="results/{run}/seed-{seed}/styles/{direction}/{translation}/codes.tsv",
        styles="results/{run}/seed-{seed}/styles/{direction}/{translation}/styles.tsv",
    output:
        figures=[
            report(
                "results/{run}/seed-{seed}/styles/{direction}/{translation}/styles.png",
                caption="../report/styles.rst",
                category="Translation",
            ),
            "results/{run}/seed-{seed}/styles/{direction}/{translation}/styles.svg",
        ],
    log:
        "results/{run}/logs/draw_styles/{direction}-{translation}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/draw_styles/{direction}-{translation}-{seed}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        stamp=STAMP,
        code=code_version("dar_uda.report.figures.translation"),
    script:
        "../scripts/draw_styles.py"


rule draw_overlays:
    """Draw reference and masks of all methods over a slice of the first test cases."""
    input:
        images=lambda wildcards: given(PLAN.figures.overlay_images(wildcards.direction)),
        predictions=lambda wildcards: [
            PLAN.paths.predictions(FIRST_SEED, wildcards.direction, method)
            for method in PLAN.figures.overlay_methods(wildcards.direction)
        ],
        references=lambda wildcards: given(PLAN.figures.overlay_references(wildcards.direction)),
    output:
        figures=[
            report(
                "results/{run}/figures/overlays-{direction}.png",
                caption="../report/overlays.rst",
                category="Results",
            ),
            "results/{run}/figures/overlays-{direction}.svg",
        ],
    log:
        "results/{run}/logs/draw_overlays/{direction}.log",
    benchmark:
        "results/{run}/benchmarks/draw_overlays/{direction}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="10m",
    params:
        cases=lambda wildcards: PLAN.figures.overlay_cases(wildcards.direction),
        methods=lambda wildcards: PLAN.figures.overlay_methods(wildcards.direction),
        structures=list(TASK.structures),
        values=lambda wildcards: TASK.target(wildcards.direction).label_values,
        slice_axis=lambda wildcards: TASK.target(wildcards.direction).slice_axis,
        stamp=STAMP,
        version=lambda wildcards: version_of(
            PLAN.figures.overlay_images(wildcards.direction),
            PLAN.figures.overlay_references(wildcards.direction),
        ),
        code=code_version("dar_uda.report.figures.segmentation"),
    script:
        "../scripts/draw_overlays.py"


rule draw_boxes:
    """Draw the Dice of every test case, a box per method."""
    input:
        metrics=lambda wildcards: PLAN.metrics(PLAN.drawn(wildcards.of_table, wildcards.direction)),
    output:
        figures=[
            report(
                "results/{run}/figures/dice-{direction}{of_table}.png",
                caption="../report/dice.rst",
                category="Results",
            ),
            "results/{run}/figures/dice-{direction}{of_table}.svg",
        ],
    log:
        "results/{run}/logs/draw_boxes/{direction}{of_table}.log",
    benchmark:
        "results/{run}/benchmarks/draw_boxes/{direction}{of_table}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        rows=lambda wildcards: plain(PLAN.drawn(wildcards.of_table, wildcards.direction)),
        structures=list(TASK.structures),
        stamp=STAMP,
        code=code_version("dar_uda.report.figures.scores"),
    script:
        "../scripts/draw_boxes.py"


rule draw_dice_against_asd:
    """Draw every test case at its Dice and its ASD, a marker per method."""
    input:
        metrics=lambda wildcards: PLAN.metrics(PLAN.drawn(wildcards.of_table, wildcards.direction)),
    output:
        figures=[
            report(
                "results/{run}/figures/dice_asd-{direction}{of_table}.png",
                caption="../report/dice_asd.rst",
                category="Results",
            ),
            "results/{run}/figures/dice_asd-{direction}{of_table}.svg",
        ],
    log:
        "results/{run}/logs/draw_dice_against_asd/{direction}{of_table}.log",
    benchmark:
        "results/{run}/benchmarks/draw_dice_against_asd/{direction}{of_table}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        rows=lambda wildcards: plain(PLAN.drawn(wildcards.of_table, wildcards.direction)),
        stamp=STAMP,
        code=code_version("dar_uda.report.figures.scores"),
    script:
        "../scripts/draw_dice_against_asd.py"


rule draw_extremes:
    """Draw the worst and the best test case of every method."""
    input:
        metrics=lambda wildcards: PLAN.metrics(PLAN.drawn(wildcards.of_table, wildcards.direction, FIRST_SEED)),
        images=lambda wildcards: given(PLAN.volumes.scored(wildcards.direction, "image")),
        predictions=lambda wildcards: PLAN.predictions(PLAN.drawn(wildcards.of_table, wildcards.direction, FIRST_SEED)),
        references=lambda wildcards: given(PLAN.volumes.scored(wildcards.direction, "label")),
    output:
        figures=[
            report(
                "results/{run}/figures/extremes-{direction}{of_table}.png",
                caption="../report/extremes.rst",
                category="Results",
            ),
            "results/{run}/figures/extremes-{direction}{of_table}.svg",
        ],
    log:
        "results/{run}/logs/draw_extremes/{direction}{of_table}.log",
    benchmark:
        "results/{run}/benchmarks/draw_extremes/{direction}{of_table}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="10m",
    params:
        cases=lambda wildcards: PLAN.volumes.test_cases(wildcards.direction, labelled=True),
        methods=lambda wildcards: [
            row.method for row in PLAN.drawn(wildcards.of_table, wildcards.direction, FIRST_SEED)
        ],
        structures=list(TASK.structures),
        values=lambda wildcards: TASK.target(wildcards.direction).label_values,
        slice_axis=lambda wildcards: TASK.target(wildcards.direction).slice_axis,
        stamp=STAMP,
        version=lambda wildcards: version_of(
            PLAN.volumes.scored(wildcards.direction, "image"),
            PLAN.volumes.scored(wildcards.direction, "label"),
        ),
        code=code_version("dar_uda.report.figures.segmentation"),
    script:
        "../scripts/draw_extremes.py"
