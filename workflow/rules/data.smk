"""Where the volumes come from."""

if GENERATED:

    rule make_phantom:
        """Write the generated volumes and label maps of the phantom's cases table."""
        output:
            images=[row["image"] for row in GENERATED],
            labels=[row["label"] for row in GENERATED if row["label"]],
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
            cases=[row["case"] for row in GENERATED],
            domains=[row["domain"] for row in GENERATED],
            labels=[row["label"] for row in GENERATED],
            seed=0,
            code=code_version("dar_uda.data.phantom_table"),
        script:
            "../scripts/make_phantom.py"
