"""Which cases train the candidates of a segmenter, and which judge them."""

JUDGING_TARGET_CASES = 4


def kept_aside(training_set):
    """Return the labelled cases that judge a training's candidates, the last of the table; stop where none would be left."""
    cases = labelled_cases(training_set)
    share = method_values("selection")["validation_share"]
    count = max(1, round(share * len(cases)))
    if count >= len(cases):
        raise WorkflowError(
            f"checkpoint {config['checkpoint']}: training set {training_set} has {len(cases)} labelled cases, of which "
            f"{count} would be kept aside; expected more: add cases, or take checkpoint=last."
        )
    return cases[-count:]


def trained_cases(wildcards):
    """Return the labelled cases of a training set that are not kept aside."""
    cases = labelled_cases(wildcards.training_set)
    return cases[: -len(kept_aside(wildcards.training_set))]


def judged_files(wildcards, what):
    """Return labelled `images`, their `labels`, or the `unlabelled` volumes by which a choice is made."""
    source = labelled_domain(wildcards.training_set)
    target = next(domain for domain in DOMAINS if domain != source)
    if wildcards.choice == "oracle":
        names = {"images": "image.nii", "labels": "label.nii"}
        tests = cases_of(target, "test", labelled=True)
        if not tests:
            raise WorkflowError(
                f"checkpoint oracle: no test case of domain {target} has a label; take checkpoint=validation."
            )
        return case_files(target, tests, names[what]) if what in names else []
    if what == "unlabelled":
        cases = cases_of(target, "train")[:JUDGING_TARGET_CASES]
        return case_files(target, cases, "image.nii")
    files = segmenter_images if what == "images" else segmenter_labels
    return files(wildcards, kept_aside(wildcards.training_set))
