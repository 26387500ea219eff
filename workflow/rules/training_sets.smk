"""What a method trains on, and where its synthetic volumes and weights lie."""


def style_count(translation):
    """Return how many synthetic volumes each source case becomes."""
    multi = translation == "disentangled-multi"
    return method_values("styles")["clusters"] if multi else 1


def synthetic_volumes(direction, translation, case, seed):
    """Return the synthetic volumes of one source case, one per style."""
    folder = f"results/{RUN}/seed-{seed}/synthetic/{direction}/{translation}/{case}"
    return [f"{folder}/style-{style}.nii" for style in range(style_count(translation))]


def harmonising_label(wildcards):
    """Return the source's label map where synthetic volumes are harmonised with it."""
    if not method_values("styles")["harmonise"]:
        return []
    return case_files(source_of(wildcards.direction), [wildcards.case], "label.nii")[0]


def style_files(translation):
    """Return the path patterns of one case's synthetic volumes."""
    return expand(
        "results/{{run}}/seed-{{seed}}/synthetic/{{direction}}/{translation}/{{case}}/style-{style}.nii",
        translation=translation,
        style=range(style_count(translation)),
    )


def training_set_of(method, direction):
    """Return the training set of a method in a direction: a domain, `direction.translation`, or `direction.training`."""
    return METHODS[method]["training_set"].format(
        direction=direction, source=source_of(direction), target=target_of(direction)
    )


def parts_of(training_set):
    """Return direction and translation (or training on both domains) of a training set; (None, None) for a domain."""
    return (
        (None, None) if training_set in DOMAINS else tuple(training_set.split(".", 1))
    )


def translations_of(table, direction):
    """Return the translations that a table's methods use in a direction, the paper's first."""
    methods = TABLES[table]["methods"]
    used = {parts_of(training_set_of(method, direction))[1] for method in methods}
    return [translation for translation in TRANSLATIONS if translation in used]


def labelled_domain(training_set):
    """Return the domain whose labels a training set has."""
    direction, _ = parts_of(training_set)
    return training_set if direction is None else source_of(direction)


def labelled_cases(training_set):
    return cases_of(labelled_domain(training_set), "train", labelled=True)


def segmenter_images(wildcards, cases=None):
    """Return the volumes that a training set has of its labelled cases, or of some of them."""
    direction, translation = parts_of(wildcards.training_set)
    cases = labelled_cases(wildcards.training_set) if cases is None else cases
    if direction is None:
        return case_files(wildcards.training_set, cases, "image.nii")
    return [
        volume
        for case in cases
        for volume in synthetic_volumes(direction, translation, case, wildcards.seed)
    ]


def segmenter_labels(wildcards, cases=None):
    """Return the label map of every volume that `segmenter_images` returns."""
    direction, translation = parts_of(wildcards.training_set)
    cases = labelled_cases(wildcards.training_set) if cases is None else cases
    labels = case_files(labelled_domain(wildcards.training_set), cases, "label.nii")
    copies = 1 if direction is None else style_count(translation)
    return [label for label in labels for _ in range(copies)]


def untranslated(wildcards, name, cases=None):
    """Return the source volumes' files that a randomised synthetic training set is mixed with."""
    direction, _ = parts_of(wildcards.training_set)
    randomised = wildcards.network.endswith(RANDOMISED)
    if direction is None or not randomised or not randomisation()["source_share"]:
        return []
    cases = labelled_cases(wildcards.training_set) if cases is None else cases
    return case_files(source_of(direction), cases, name)


def randomisation():
    """Return how randomised segmenters are trained; None where the budget randomises nothing."""
    values = method_values("segmentation")["randomisation"]
    return values if any(values.values()) else None


def is_randomised(method):
    return METHODS[method].get("randomised", False) and randomisation() is not None


def is_self_trained(method):
    steps = method_values("segmentation")["self_training"]["steps"]
    return METHODS[method].get("self_trained", False) and steps > 0


def is_chosen(method):
    """Return whether a method's weights are chosen from candidates: the ceiling and trainings on both domains keep the last."""
    training_set = METHODS[method]["training_set"]
    chosen = training_set == "{source}" or training_set.endswith(TRANSLATIONS)
    return chosen and config["checkpoint"] != "last"


def rounds_of(method):
    """Return the networks that a method trains one after the other, as their folders name them."""
    first = METHODS[method]["network"] + (RANDOMISED if is_randomised(method) else "")
    first += f"-{config['checkpoint']}" if is_chosen(method) else ""
    return [first, first + SELF_TRAINED] if is_self_trained(method) else [first]


def trainings_of(method):
    """Return the folders of a method's trainings: of the networks, or of the candidates from which one was chosen."""
    first, *others = rounds_of(method)
    return (
        [first.removesuffix(f"-{config['checkpoint']}") + CANDIDATES, *others]
        if is_chosen(method)
        else [first, *others]
    )


def network_of(method):
    """Return the network with which a method predicts: `dar_unet`, `dar_unet-randomised-selftrained` and so on."""
    return rounds_of(method)[-1]


def target_files(wildcards, name):
    """Return one file of each training case of the target for whose segmenter a synthetic training set is."""
    direction, _ = parts_of(wildcards.training_set)
    target = target_of(direction)
    return case_files(target, cases_of(target, "train"), name)


def target_cases(wildcards):
    direction, _ = parts_of(wildcards.training_set)
    return cases_of(target_of(direction), "train")


def source_labels(wildcards):
    """Return the label maps of the source's labelled training cases, of a synthetic training set."""
    direction, _ = parts_of(wildcards.training_set)
    return case_files(source_of(direction), source_cases(direction), "label.nii")


def patch_of(network):
    """Return the patch of a network, which is also its window; isotropic strides want a depth that divides by 16."""
    depth, *sides = method_values("segmentation")["patch"]
    switches = switches_of(network)
    isotropic = not switches.get("anisotropic", True)
    return [-(-depth // 16) * 16 if isotropic else depth, *sides]


def switches_of(network):
    """Return architecture and switches of a network, by its folder's name."""
    return config["networks"][network.split("-")[0]]


def segmentation_values(network, *left_out):
    """Return how a network is trained, without the keys that its training has elsewhere."""
    values = {**method_values("segmentation"), "patch": patch_of(network)}
    return {key: value for key, value in values.items() if key not in left_out}


def segmenter_file(method, direction, seed, name, network=None):
    """Return a file of the network with which a method predicts, or of one of its rounds."""
    folder = (
        f"results/{RUN}/seed-{seed}/segmenters/{training_set_of(method, direction)}"
    )
    return f"{folder}/{network or network_of(method)}/{name}"


def method_weights(wildcards):
    return segmenter_file(
        wildcards.method, wildcards.direction, wildcards.seed, "weights.safetensors"
    )


def missing_for(method, direction):
    """Return which cases a method's training lacks in a direction; None where it has all."""
    source, target = source_of(direction), target_of(direction)
    training_set = training_set_of(method, direction)
    labelled = target if training_set == target else source
    if not cases_of(labelled, "train", labelled=True):
        return f"no training case of domain {labelled} has a label"
    if training_set not in DOMAINS and not cases_of(target, "train"):
        return f"domain {target} has no training case"
    return None


def lacking_cases():
    """Yield what the directions of the summary lack of cases that its methods need, labels of the target's apart."""
    for direction in DIRECTIONS:
        target = target_of(direction)
        if not cases_of(target, "test"):
            yield f"direction {direction}: domain {target} has no test case"
        for method in TABLES["summary"]["methods"]:
            missing = missing_for(method, direction)
            if missing and training_set_of(method, direction) != target:
                yield f"direction {direction}, method {method}: {missing}"


def check_cases():
    """Stop where cases are lacking."""
    lacking = list(lacking_cases())
    if lacking:
        text = "\n  ".join(["Cases are missing:", *lacking])
        raise WorkflowError(
            f"{text}\nGive the cases table such cases, or choose another direction."
        )
