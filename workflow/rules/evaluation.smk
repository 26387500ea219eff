"""From masks to tables."""

from dar_uda.plan import descriptions
from dar_uda.plan.tables import plain


rule score_method:
    """Compare a method's masks with the references, on the original grids."""
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
        cases=lambda wildcards: PLAN.volumes.scored_cases(wildcards.direction),
        patients=lambda wildcards: PLAN.volumes.scored_patients(wildcards.direction),
        structures=list(TASK.structures),
        values=lambda wildcards: TASK.target(wildcards.direction).label_values,
        tolerances=list(TASK.nsd_tolerances),
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
        cases=lambda wildcards: PLAN.volumes.scored_cases(wildcards.direction, wildcards.chunk),
        patients=lambda wildcards: PLAN.volumes.scored_patients(wildcards.direction, wildcards.chunk),
        structures=rules.score_method.params.structures,
        values=rules.score_method.params["values"],
        tolerances=rules.score_method.params.tolerances,
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


use rule score_method as score_external_masks with:
    # As score_method, of masks that another program made: of all cases, however many there are.
    log:
        "results/{run}/logs/score_external_masks/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/score_external_masks/{direction}-{method}-{seed}.tsv"
    wildcard_constraints:
        method=PLAN.external_pattern(),


rule measure_confidence:
    """Measure without labels how far the masks of a method can be trusted."""
    input:
        predictions="results/{run}/seed-{seed}/predictions/{direction}/{method}",
        others=lambda wildcards: PLAN.adapted_beside(wildcards.method, wildcards.direction, wildcards.seed),
        grids=lambda wildcards: PLAN.volumes.of_tests(wildcards.direction, "grid.json"),
        source_structures=lambda wildcards: PLAN.volumes.volumes_of_source(wildcards.direction),
        tta_inconsistency="results/{run}/seed-{seed}/tta_inconsistency/{direction}/{method}.tsv",
    output:
        table="results/{run}/seed-{seed}/confidence/{direction}/{method}.tsv",
    log:
        "results/{run}/logs/measure_confidence/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/measure_confidence/{direction}-{method}-{seed}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        cases=lambda wildcards: PLAN.volumes.test_cases(wildcards.direction),
        patients=lambda wildcards: PLAN.volumes.test_patients(wildcards.direction),
        structures=list(TASK.structures),
        code=code_version("dar_uda.evaluation.confidence"),
    script:
        "../scripts/measure_confidence.py"


rule tabulate:
    """Bring the scores of a table's methods, directions and seeds together."""
    input:
        metrics=lambda wildcards: PLAN.metrics(PLAN.tables[wildcards.table].scored),
        tta_inconsistency=lambda wildcards: PLAN.tta_inconsistency(PLAN.tables[wildcards.table].masked),
        confidence=lambda wildcards: PLAN.confidence(PLAN.tables[wildcards.table].masked),
        usage=lambda wildcards: [path for paths in PLAN.usage(wildcards.table).values() for path in paths],
        missing=lambda wildcards: PLAN.missing_masks(PLAN.tables[wildcards.table]),
    output:
        table="results/{run}/tables/{table}.tsv",
        differences="results/{run}/tables/{table}-differences.tsv",
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
        external=lambda wildcards: plain(PLAN.tables[wildcards.table].external),
        unavailable=lambda wildcards: plain(PLAN.tables[wildcards.table].unavailable),
        notes=lambda wildcards: descriptions.method_notes(PLAN.tables[wildcards.table], CONFIG),
        usage=lambda wildcards: PLAN.usage(wildcards.table),
        stamp=lambda wildcards: descriptions.stamp_of_table(PLAN.tables[wildcards.table], CONFIG, PLAN.cases),
        choices=lambda wildcards: descriptions.stamped_choices(PLAN.tables[wildcards.table], CONFIG, PLAN.cases),
        bounds=lambda wildcards: descriptions.gap_bounds(PLAN.tables[wildcards.table]),
        ceilings=lambda wildcards: descriptions.ceilings(PLAN.tables[wildcards.table], CONFIG),
        floors=lambda wildcards: descriptions.floors(PLAN.tables[wildcards.table]),
        structures=list(TASK.structures),
        metrics=CONFIG.metrics,
        reference=lambda wildcards: PLAN.tables[wildcards.table].reference,
        code=code_version("dar_uda.evaluation.tables"),
    script:
        "../scripts/tabulate.py"


rule tabulate_tta_inconsistency:
    """Bring together how much the masks of every test case change with the image."""
    input:
        tta_inconsistency=PLAN.tta_inconsistency(PLAN.summary.masked),
    output:
        table="results/{run}/tables/tta_inconsistency.tsv",
    log:
        "results/{run}/logs/tabulate_tta_inconsistency/summary.log",
    benchmark:
        "results/{run}/benchmarks/tabulate_tta_inconsistency/summary.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        masked=plain(PLAN.summary.masked),
        choices=descriptions.stamped_choices(PLAN.summary, CONFIG, PLAN.cases),
        code=code_version("dar_uda.evaluation.tta_inconsistency"),
    script:
        "../scripts/tabulate_tta_inconsistency.py"


rule tabulate_confidence:
    """Sort the masks of all methods by how far they can be trusted, and say whether adaptation helped."""
    input:
        confidence=PLAN.confidence(PLAN.summary.masked),
    output:
        table="results/{run}/tables/confidence.tsv",
        adaptation="results/{run}/tables/adaptation.tsv",
    log:
        "results/{run}/logs/tabulate_confidence/summary.log",
    benchmark:
        "results/{run}/benchmarks/tabulate_confidence/summary.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        masked=plain(PLAN.summary.masked),
        floors=descriptions.floors(PLAN.summary),
        choices=descriptions.stamped_choices(PLAN.summary, CONFIG, PLAN.cases),
        code=code_version("dar_uda.evaluation.adaptation"),
    script:
        "../scripts/tabulate_confidence.py"


rule measure_calibration:
    """Compare a method's probabilities with the references, in bins; with `inference.save_probabilities`."""
    input:
        lambda wildcards: voxels(
            PLAN.volumes.scored(wildcards.direction, "label") + PLAN.volumes.scored(wildcards.direction, "image")
        ),
        predictions="results/{run}/seed-{seed}/predictions/{direction}/{method}",
        images=lambda wildcards: given(PLAN.volumes.scored(wildcards.direction, "image")),
        references=lambda wildcards: given(PLAN.volumes.scored(wildcards.direction, "label")),
    output:
        calibration="results/{run}/seed-{seed}/calibration/{direction}/{method}.tsv",
    log:
        "results/{run}/logs/measure_calibration/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/measure_calibration/{direction}-{method}-{seed}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        cases=rules.score_method.params.cases,
        patients=rules.score_method.params.patients,
        structures=list(TASK.structures),
        values=rules.score_method.params["values"],
        version=rules.score_method.params.version,
        code=code_version("dar_uda.evaluation.calibration"),
    script:
        "../scripts/measure_calibration.py"


rule tabulate_calibration:
    """Bring together how well the probabilities of every method are calibrated."""
    input:
        calibration=PLAN.calibration(PLAN.summary.predicted),
    output:
        table="results/{run}/tables/calibration.tsv",
    log:
        "results/{run}/logs/tabulate_calibration/summary.log",
    benchmark:
        "results/{run}/benchmarks/tabulate_calibration/summary.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        rows=plain(PLAN.summary.predicted),
        structures=list(TASK.structures),
        choices=descriptions.stamped_choices(PLAN.summary, CONFIG, PLAN.cases),
        code=code_version("dar_uda.evaluation.calibration_table"),
    script:
        "../scripts/tabulate_calibration.py"


rule measure_grid_ceiling:
    """Bring the labels of a domain back from the network grid, as masks are, and compare them with themselves."""
    input:
        lambda wildcards: voxels(
            PLAN.volumes.files_of_labeled(wildcards.domain, "label")
            + PLAN.volumes.files_of_labeled(wildcards.domain, "image")
        ),
        images=lambda wildcards: given(PLAN.volumes.files_of_labeled(wildcards.domain, "image")),
        labels=lambda wildcards: given(PLAN.volumes.files_of_labeled(wildcards.domain, "label")),
        grids=lambda wildcards: PLAN.paths.cases(wildcards.domain, PLAN.volumes.labeled(wildcards.domain), "grid.json"),
        network_labels=lambda wildcards: PLAN.volumes.labels(wildcards.domain),
    output:
        table="results/{run}/grid_ceiling/{domain}.tsv",
    log:
        "results/{run}/logs/measure_grid_ceiling/{domain}.log",
    benchmark:
        "results/{run}/benchmarks/measure_grid_ceiling/{domain}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="4h",
    params:
        cases=lambda wildcards: PLAN.volumes.labeled(wildcards.domain),
        structures=list(TASK.structures),
        values=lambda wildcards: TASK.domains[wildcards.domain].label_values,
        version=lambda wildcards: version_of(
            PLAN.volumes.files_of_labeled(wildcards.domain, "image"),
            PLAN.volumes.files_of_labeled(wildcards.domain, "label"),
        ),
        code=code_version("dar_uda.evaluation.grid_ceiling"),
    script:
        "../scripts/measure_grid_ceiling.py"
