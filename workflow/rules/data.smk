"""Where the volumes come from."""

from dar_uda.plan.cases import cases_to_check

GENERATED = PLAN.cases.generated

if GENERATED:

    rule make_phantom:
        """Write the generated volumes and label maps of the phantom's cases table."""
        output:
            images=[case.image for case in GENERATED],
            labels=[case.label for case in GENERATED if case.label],
        log:
            "results/phantom/logs/make_phantom.log",
        benchmark:
            "results/phantom/benchmarks/make_phantom.tsv"
        conda:
            "../../envs/imaging.yaml"
        resources:
            mem_mb=4000,
            runtime="30m",
        params:
            cases=[case.name for case in GENERATED],
            domains=[case.domain for case in GENERATED],
            labels=[case.label for case in GENERATED],
            seed=0,
            code=code_version("dar_uda.data.phantom_table"),
        script:
            "../scripts/make_phantom.py"


rule check_cases:
    """Read every case once and say all that is wrong, before anything is trained."""
    input:
        lambda wildcards: voxels(PLAN.cases.files),
        files=given(PLAN.cases.files),
    output:
        table="results/{run}/checks.txt",
    log:
        "results/{run}/logs/check_cases.log",
    benchmark:
        "results/{run}/benchmarks/check_cases.tsv"
    # More than all that could run in its place together: on a cluster the ILP scheduler adds priorities up.
    priority: 1000
    conda:
        "../../envs/imaging.yaml"
    threads: all_cores
    resources:
        mem_mb=8000,
        runtime="4h",
    params:
        cases=cases_to_check(PLAN.cases, CONFIG),
        windows={name: domain.intensity.get("window") for name, domain in TASK.domains.items()},
        labels={name: domain.label_values for name, domain in TASK.domains.items()},
        slice_axes={name: domain.slice_axis for name, domain in TASK.domains.items()},
        versions=PLAN.paths.versions,
        version=lambda wildcards: version_of(
            images=[case.as_named("image") for case in PLAN.cases.all],
            labels=[case.as_named("label") for case in PLAN.cases.all if case.label],
        ),
        code=code_version("dar_uda.data.checks.cases"),
    script:
        "../scripts/check_cases.py"
