"""From masks to tables and figures."""


rule score_method:
    """Measure Dice and ASD of a method's masks, on the original grids."""
    input:
        lambda wildcards: voxels_of(
            *references_of(wildcards.direction), *scored_images(wildcards.direction)
        ),
        predictions="results/{run}/seed-{seed}/predictions/{direction}/{method}",
        images=lambda wildcards: scored_images(wildcards.direction),
        references=lambda wildcards: references_of(wildcards.direction),
    output:
        metrics="results/{run}/seed-{seed}/metrics/{direction}/{method}.tsv",
    log:
        "results/{run}/logs/score_method/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/score_method/{direction}-{method}-{seed}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        cases=lambda wildcards: scored_cases(wildcards.direction),
        structures=STRUCTURES,
        values=lambda wildcards: TASK.domains[
            target_of(wildcards.direction)
        ].label_values,
        version=lambda wildcards: version_of(
            scored_images(wildcards.direction), references_of(wildcards.direction)
        ),
        code=code_version("dar_uda.evaluation.score"),
    script:
        "../scripts/score_method.py"


rule tabulate:
    """Bring the scores of a table's methods, directions and seeds together."""
    input:
        metrics=lambda wildcards: metrics_of(scored_rows(wildcards.table)),
        disagreements=lambda wildcards: disagreements_of(masked_rows(wildcards.table)),
        resources=lambda wildcards: [
            path for paths in resources_of(wildcards.table).values() for path in paths
        ],
    output:
        table="results/{run}/tables/{table}.tsv",
        markdown="results/{run}/tables/{table}.md",
        latex="results/{run}/tables/{table}.tex",
        html=report(
            "results/{run}/tables/{table}.html",
            caption="../report/table.rst",
            category="Results",
        ),
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
        rows=lambda wildcards: scored_rows(wildcards.table),
        masked=lambda wildcards: masked_rows(wildcards.table),
        unavailable=lambda wildcards: unavailable_rows(wildcards.table),
        notes=lambda wildcards: method_notes(wildcards.table),
        resources=lambda wildcards: resources_of(wildcards.table),
        stamp=stamp_with_changes(),
        choices=stamped_choices(),
        ends=lambda wildcards: gap_ends(wildcards.table),
        structures=STRUCTURES,
        code=code_version("dar_uda.evaluation.tables"),
    script:
        "../scripts/tabulate.py"


rule tabulate_disagreements:
    """Bring together how much the masks of every test case change with the image."""
    input:
        disagreements=disagreements_of(masked_rows("summary")),
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
        masked=masked_rows("summary"),
        choices=stamped_choices(),
        code=code_version("dar_uda.evaluation.tables"),
    script:
        "../scripts/tabulate_disagreements.py"


rule draw_losses:
    """Draw the losses of the first seed's trainings."""
    input:
        histories=list(histories().values()),
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
        names=list(histories()),
        stamp=stamp(),
        code=code_version("dar_uda.report.figures.training"),
    script:
        "../scripts/draw_losses.py"


rule draw_translations:
    """Draw a source case, its synthetic volumes and real target volumes."""
    input:
        source=lambda wildcards: case_files(
            source_of(wildcards.direction),
            source_cases(wildcards.direction),
            "image.nii",
        )[0],
        synthetic=lambda wildcards: synthetic_volumes(
            wildcards.direction,
            translations_of("summary", wildcards.direction)[0],
            source_cases(wildcards.direction)[0],
            SEEDS[0],
        ),
        target=lambda wildcards: case_files(
            target_of(wildcards.direction),
            cases_of(target_of(wildcards.direction), "train")[:2],
            "image.nii",
        ),
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
        stamp=stamp(),
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
        stamp=stamp(),
        code=code_version("dar_uda.report.figures.translation"),
    script:
        "../scripts/draw_styles.py"


rule draw_overlays:
    """Draw reference and masks of all methods over a slice of the first test cases."""
    input:
        images=lambda wildcards: drawn_images(wildcards.direction),
        predictions=lambda wildcards: [
            predictions_of(method, wildcards.direction, SEEDS[0])
            for method in drawn_methods(wildcards.direction)
        ],
        references=lambda wildcards: references_of(wildcards.direction)[:OVERLAY_CASES],
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
        cases=lambda wildcards: drawn_cases(wildcards.direction),
        methods=lambda wildcards: drawn_methods(wildcards.direction),
        structures=STRUCTURES,
        values=lambda wildcards: TASK.domains[
            target_of(wildcards.direction)
        ].label_values,
        slice_axis=lambda wildcards: TASK.domains[
            target_of(wildcards.direction)
        ].slice_axis,
        stamp=stamp(),
        version=lambda wildcards: version_of(
            drawn_images(wildcards.direction),
            references_of(wildcards.direction)[:OVERLAY_CASES],
        ),
        code=code_version("dar_uda.report.figures.segmentation"),
    script:
        "../scripts/draw_overlays.py"


rule draw_boxes:
    """Draw the Dice of every test case, a box per method."""
    input:
        metrics=lambda wildcards: metrics_of(drawn_rows(wildcards)),
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
        rows=drawn_rows,
        structures=STRUCTURES,
        stamp=stamp(),
        code=code_version("dar_uda.report.figures.scores"),
    script:
        "../scripts/draw_boxes.py"


rule draw_dice_against_asd:
    """Draw every test case at its Dice and its ASD, a marker per method."""
    input:
        metrics=lambda wildcards: metrics_of(drawn_rows(wildcards)),
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
        rows=drawn_rows,
        stamp=stamp(),
        code=code_version("dar_uda.report.figures.scores"),
    script:
        "../scripts/draw_dice_against_asd.py"


rule draw_extremes:
    """Draw the worst and the best test case of every method."""
    input:
        metrics=lambda wildcards: metrics_of(drawn_rows(wildcards, SEEDS[:1])),
        images=lambda wildcards: scored_images(wildcards.direction),
        predictions=lambda wildcards: [
            predictions_of(**row) for row in drawn_rows(wildcards, SEEDS[:1])
        ],
        references=lambda wildcards: references_of(wildcards.direction),
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
        cases=lambda wildcards: scored_cases(wildcards.direction),
        methods=lambda wildcards: [
            row["method"] for row in drawn_rows(wildcards, SEEDS[:1])
        ],
        structures=STRUCTURES,
        values=lambda wildcards: TASK.domains[
            target_of(wildcards.direction)
        ].label_values,
        slice_axis=lambda wildcards: TASK.domains[
            target_of(wildcards.direction)
        ].slice_axis,
        stamp=stamp(),
        version=lambda wildcards: version_of(
            scored_images(wildcards.direction), references_of(wildcards.direction)
        ),
        code=code_version("dar_uda.report.figures.segmentation"),
    script:
        "../scripts/draw_extremes.py"
