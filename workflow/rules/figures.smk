"""From losses, volumes, masks and scores to figures."""

from dar_uda.plan import descriptions
from dar_uda.plan.tables import plain

STAMP = descriptions.stamp(CONFIG)
FIRST_SEED = PLAN.figures.first_seed


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
        synthetic=lambda wildcards: [
            volume
            for translation in PLAN.figures.translation_of_each(wildcards.direction)
            for volume in PLAN.volumes.synthetic(
                wildcards.direction, translation, PLAN.volumes.source_cases(wildcards.direction)[0], FIRST_SEED
            )
        ],
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
        stamp=lambda wildcards: descriptions.stamp_of_scores(CONFIG, PLAN.cases, wildcards.direction),
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
        stamp=lambda wildcards: descriptions.stamp_of_scores(CONFIG, PLAN.cases, wildcards.direction),
        code=code_version("dar_uda.report.figures.scores"),
    script:
        "../scripts/draw_boxes.py"


rule draw_differences:
    """Draw how much every method differs from the reference row, a dot per patient."""
    input:
        metrics=lambda wildcards: PLAN.metrics(PLAN.compared(wildcards.of_table, wildcards.direction)),
    output:
        figures=[
            report(
                "results/{run}/figures/differences-{direction}{of_table}.png",
                caption="../report/differences.rst",
                category="Results",
            ),
            "results/{run}/figures/differences-{direction}{of_table}.svg",
        ],
    log:
        "results/{run}/logs/draw_differences/{direction}{of_table}.log",
    benchmark:
        "results/{run}/benchmarks/draw_differences/{direction}{of_table}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        rows=lambda wildcards: plain(PLAN.compared(wildcards.of_table, wildcards.direction)),
        structures=list(TASK.structures),
        reference=lambda wildcards: PLAN.table_ending(wildcards.of_table).reference,
        metric=CONFIG.metrics[0],
        stamp=lambda wildcards: descriptions.stamp_of_scores(CONFIG, PLAN.cases, wildcards.direction),
        code=code_version("dar_uda.report.figures.differences"),
    script:
        "../scripts/draw_differences.py"


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
        stamp=lambda wildcards: descriptions.stamp_of_scores(CONFIG, PLAN.cases, wildcards.direction),
        code=code_version("dar_uda.report.figures.scores"),
    script:
        "../scripts/draw_dice_against_asd.py"


rule draw_look_first:
    """Draw the test cases whose masks can be trusted least."""
    input:
        confidence=lambda wildcards: PLAN.confidence(PLAN.figures.look_first_rows(wildcards.direction)),
        images=lambda wildcards: given(PLAN.volumes.images_of_tests(wildcards.direction)),
        predictions=lambda wildcards: PLAN.predictions(PLAN.figures.look_first_rows(wildcards.direction)[:1]),
    output:
        figures=[
            report(
                "results/{run}/figures/look_first-{direction}.png",
                caption="../report/look_first.rst",
                category="Results",
            ),
            "results/{run}/figures/look_first-{direction}.svg",
        ],
    log:
        "results/{run}/logs/draw_look_first/{direction}.log",
    benchmark:
        "results/{run}/benchmarks/draw_look_first/{direction}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="10m",
    params:
        rows=lambda wildcards: plain(PLAN.figures.look_first_rows(wildcards.direction)),
        cases=lambda wildcards: PLAN.volumes.test_cases(wildcards.direction),
        structures=list(TASK.structures),
        slice_axis=lambda wildcards: TASK.target(wildcards.direction).slice_axis,
        stamp=lambda wildcards: descriptions.stamp_of_scores(CONFIG, PLAN.cases, wildcards.direction),
        version=lambda wildcards: version_of(PLAN.volumes.images_of_tests(wildcards.direction), []),
        code=code_version("dar_uda.report.figures.segmentation"),
    script:
        "../scripts/draw_look_first.py"


rule draw_extremes:
    """Draw the worst and the best test case of every method."""
    input:
        metrics=lambda wildcards: PLAN.metrics(PLAN.drawn(wildcards.of_table, wildcards.direction)),
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
        rows=lambda wildcards: plain(PLAN.drawn(wildcards.of_table, wildcards.direction)),
        cases=lambda wildcards: PLAN.volumes.test_cases(wildcards.direction, labeled=True),
        methods=lambda wildcards: [
            row.method for row in PLAN.drawn(wildcards.of_table, wildcards.direction, FIRST_SEED)
        ],
        structures=list(TASK.structures),
        values=lambda wildcards: TASK.target(wildcards.direction).label_values,
        slice_axis=lambda wildcards: TASK.target(wildcards.direction).slice_axis,
        stamp=lambda wildcards: descriptions.stamp_of_scores(CONFIG, PLAN.cases, wildcards.direction),
        version=lambda wildcards: version_of(
            PLAN.volumes.scored(wildcards.direction, "image"),
            PLAN.volumes.scored(wildcards.direction, "label"),
        ),
        code=code_version("dar_uda.report.figures.segmentation"),
    script:
        "../scripts/draw_extremes.py"


rule draw_reliability:
    """Draw how often the reference has what the probabilities say, a curve per method."""
    input:
        calibration=lambda wildcards: PLAN.calibration(PLAN.predicted(wildcards.of_table, wildcards.direction)),
    output:
        figures=[
            report(
                "results/{run}/figures/reliability-{direction}{of_table}.png",
                caption="../report/reliability.rst",
                category="Results",
            ),
            "results/{run}/figures/reliability-{direction}{of_table}.svg",
        ],
    log:
        "results/{run}/logs/draw_reliability/{direction}{of_table}.log",
    benchmark:
        "results/{run}/benchmarks/draw_reliability/{direction}{of_table}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        rows=lambda wildcards: plain(PLAN.predicted(wildcards.of_table, wildcards.direction)),
        structures=list(TASK.structures),
        stamp=lambda wildcards: descriptions.stamp_of_scores(CONFIG, PLAN.cases, wildcards.direction),
        code=code_version("dar_uda.report.figures.calibration"),
    script:
        "../scripts/draw_reliability.py"
