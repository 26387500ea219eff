"""From slices of both domains to synthetic volumes of the target (2D)."""


rule train_translator:
    """Learn to translate slices between the two domains, content apart from style."""
    input:
        slices=[slices_of(domain, "npy") for domain in DOMAINS],
    output:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        history="results/{run}/seed-{seed}/translators/disentangled/history.tsv",
        samples=report(
            "results/{run}/seed-{seed}/translators/disentangled/samples.png",
            caption="../report/samples.rst",
            category="Translation",
        ),
    log:
        "results/{run}/logs/train_translator/disentangled-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_translator/disentangled-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=16000,
        runtime="24h",
    params:
        translation=method_values("translation"),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.translation.train"),
    script:
        "../scripts/train_translator.py"


rule encode_styles:
    """Encode the target's styles and choose those of every source case."""
    input:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        slices=lambda wildcards: slices_of(target_of(wildcards.direction), "npy"),
        table=lambda wildcards: slices_of(target_of(wildcards.direction), "tsv"),
    output:
        codes="results/{run}/seed-{seed}/styles/{direction}/disentangled-{strategy}/codes.tsv",
        styles="results/{run}/seed-{seed}/styles/{direction}/disentangled-{strategy}/styles.tsv",
        plot=report(
            "results/{run}/seed-{seed}/styles/{direction}/disentangled-{strategy}/styles.png",
            caption="../report/styles.rst",
            category="Translation",
        ),
    log:
        "results/{run}/logs/encode_styles/{direction}-disentangled-{strategy}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/encode_styles/{direction}-disentangled-{strategy}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=1,
        mem_mb=8000,
        runtime="1h",
    params:
        strategy=lambda wildcards: wildcards.strategy,
        clusters=lambda wildcards: style_count(wildcards.strategy),
        domain=lambda wildcards: letter_of(target_of(wildcards.direction)),
        source_cases=lambda wildcards: source_cases(wildcards.direction),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.translation.styles"),
    script:
        "../scripts/encode_styles.py"


for strategy in STRATEGIES:

    rule:
        """Translate a source volume into the target's styles: all styles of one case."""
        name:
            f"synthesize_volume_{strategy}"
        input:
            weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
            styles="results/{run}/seed-{seed}/styles/{direction}/disentangled-{strategy}/styles.tsv",
            image=lambda wildcards: case_files(
                source_of(wildcards.direction), [wildcards.case], "image.nii"
            )[0],
        output:
            volumes=expand(
                "results/{{run}}/seed-{{seed}}/synthetic/{{direction}}/disentangled-{{strategy}}/{{case}}/style-{style}.nii",
                style=range(style_count(strategy)),
            ),
        log:
            "results/{run}/logs/synthesize_volume/{direction}-disentangled-{strategy}-{seed}/{case}.log",
        benchmark:
            "results/{run}/benchmarks/synthesize_volume/{direction}-disentangled-{strategy}-{seed}/{case}.tsv"
        wildcard_constraints:
            strategy=strategy,
        conda:
            "../../envs/torch.yaml"
        threads: 4
        resources:
            gpu=1,
            mem_mb=8000,
            runtime="1h",
        params:
            case=lambda wildcards: wildcards.case,
            batch=method_values("inference")["batch"],
            code=code_version("dar_uda.translation.synthesis"),
        script:
            "../scripts/synthesize_volume.py"
