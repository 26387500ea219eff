"""Where the volumes come from."""

if CASES.generated:

    rule make_phantom:
        """Write the generated volumes and label maps of the phantom's cases table."""
        output:
            images=[case.image for case in CASES.generated],
            labels=[case.label for case in CASES.generated if case.label],
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
            cases=[case.name for case in CASES.generated],
            domains=[case.domain for case in CASES.generated],
            labels=[case.label for case in CASES.generated],
            seed=0,
            code=code_version("dar_uda.data.phantom_table"),
        script:
            "../scripts/make_phantom.py"


rule check_cases:
    """Read every case once and say all that is wrong, before anything is trained."""
    input:
        lambda wildcards: voxels_of(
            *(path for case in CASES.all for path in case.files)
        ),
        files=[
            file_of(case, what)
            for case in CASES.all
            for what in ("image", "label")
            if getattr(case, what)
        ],
    output:
        table="results/{run}/checks.txt",
    log:
        "results/{run}/logs/check_cases.log",
    benchmark:
        "results/{run}/benchmarks/check_cases.tsv"
    # More than all that could run in its place together: the scheduler adds priorities up.
    priority: 1000
    conda:
        "../../envs/imaging.yaml"
    threads: all_cores
    resources:
        mem_mb=8000,
        runtime="4h",
    params:
        cases=cases_to_check(CASES, CONFIG),
        windows={
            name: entry.intensity.get("window") for name, entry in TASK.domains.items()
        },
        labels={name: entry.label_values for name, entry in TASK.domains.items()},
        slice_axes={name: entry.slice_axis for name, entry in TASK.domains.items()},
        versions="results/{run}/versions.tsv",
        version=lambda wildcards: version_of(
            images=[case.image for case in CASES.all],
            labels=[case.label for case in CASES.all],
        ),
        code=code_version("dar_uda.data.checks.cases"),
    script:
        "../scripts/check_cases.py"
