"""No label of the target and no test scan of it reaches anything but the scores and, of the scans, the masks."""

import hashlib
import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
import yaml

from dar_uda.data.phantom import make_phantom
from tests.workflow.tiny_run import CONFIG, REPOSITORY, Run

CASES = {"ct": ("train", "train"), "mr": ("train", "train", "test")}
SHIPPED = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())["method_definitions"]
UNSUPERVISED = [
    name
    for name, method in SHIPPED.items()
    if method["training_set"] != "{target}" and method["network"] != "nnunet"  # which has a venv of its own
]
CHOICES = ("--config", f"methods=[{','.join(UNSUPERVISED)}]", "directions=ct-to-mr", "cases=cases.tsv")
# What may differ: what scores make, what measures time, what names files' contents without being made of them.
AFTER_THE_SCORES = re.compile(
    r"/(metrics|tables|figures|logs|benchmarks)/|/report\.html$|/versions\.tsv$|(usage|\.provenance)\.json$"
)


def prepare(folder, data):
    """Write the cases table over copied volumes; return the run."""
    folder.mkdir()
    shutil.copytree(data, folder / "data")
    lines = ["case\tdomain\timage\tlabel\tsplit"]
    for domain, splits in CASES.items():
        for number, split in enumerate(splits):
            stem = f"data/{domain}/{domain}{number}"
            lines.append(f"{domain}{number}\t{domain}\t{stem}_image.nii.gz\t{stem}_label.nii.gz\t{split}")
    (folder / "cases.tsv").write_text("\n".join(lines) + "\n")
    (folder / "tiny.yaml").write_text(CONFIG)
    return Run(folder, REPOSITORY)


def digests(run):
    """Return the digest of every artifact up to the masks."""
    results = run.folder / "results"
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.is_file() and not AFTER_THE_SCORES.search(str(path))
    }


def put_noise(run):
    """Exchange the target's labels: the first holds three voxels of one structure, the others noise of all."""
    rng = np.random.default_rng(0)
    for number, path in enumerate(sorted((run.folder / "data" / "mr").glob("*_label.nii.gz"))):
        values = rng.integers(0, 5, nib.load(path).shape)
        if number == 0:
            values[:] = 0
            values[0, 0, :3] = 1
        write_values(path, values.astype(np.uint8))


def write_values(path, values):
    label = nib.load(path)
    label.set_data_dtype(values.dtype)
    nib.save(nib.Nifti1Image(values, label.affine, label.header), path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volumes")
    for domain, splits in CASES.items():
        for number in range(len(splits)):
            stem = folder / domain / f"{domain}{number}"
            make_phantom(domain, number, f"{stem}_image.nii.gz", f"{stem}_label.nii.gz", 0)
    return folder


def test_the_first_rule_says_of_a_targets_label_whether_it_is_one_and_no_more(tmp_path, data):
    run, report = prepare(tmp_path / "run", data), "results/phantom/checks.txt"
    choices = "--config", "directions=ct-to-mr", "methods=[dar_uda]", "cases=cases.tsv"
    written = []
    for noise in (False, True):
        if noise:
            put_noise(run)
        status, text = run(report, *choices)
        assert status == 0, text
        written.append((run.folder / report).read_bytes())
    assert written[0] == written[1] and b" 0 errors, 0 warnings" in written[0]
    path = run.folder / "data" / "mr" / "mr2_label.nii.gz"  # of the test case
    write_values(path, nib.load(path).get_fdata().astype(np.float32) + 0.5)
    status, _ = run(report, *choices)
    told = run.result("logs/check_cases.log").read_text()
    assert status != 0 and "mr/mr2: data/mr/mr2_label.nii.gz" in told and "no whole numbers" in told


@pytest.mark.long
def test_noise_for_target_labels_changes_nothing_up_to_the_masks(tmp_path, data):
    true, noise = prepare(tmp_path / "true", data), prepare(tmp_path / "noise", data)
    put_noise(noise)
    for run in (true, noise):
        status, text = run(*CHOICES)
        assert status == 0, text
    found = digests(true)
    assert digests(noise) == found
    assert sum(path.endswith("mr2.nii.gz") for path in found) == len(UNSUPERVISED) > 10
    for path in (true.folder / "results").rglob("*.provenance.json"):
        if "metrics" not in path.parts and "figures" not in path.parts:
            inputs = json.loads(path.read_text())["inputs"]
            assert not [name for name in inputs if re.search(r"(data|cases)/mr/.*label", name)], path
    metrics = "seed-0/metrics/ct-to-mr/dar_uda.tsv"
    assert true.result(metrics).read_text() != noise.result(metrics).read_text()


@pytest.mark.long
def test_without_the_targets_test_scans_every_training_is_the_same(tmp_path, data):
    with_tests, without = prepare(tmp_path / "with", data), prepare(tmp_path / "without", data)
    table = without.folder / "cases.tsv"
    whole = table.read_text()
    table.write_text("".join(line for line in whole.splitlines(keepends=True) if not line.endswith("test\n")))
    test_scan = without.folder / "data" / "mr" / "mr2_image.nii.gz"
    content = test_scan.read_bytes()
    test_scan.unlink()
    weights = [f"results/phantom/seed-0/segmenters/{name}/weights.safetensors" for name in (
        "ct/dar_unet",
        "ct/unet_2d",
        "ct-to-mr.disentangled-multi/dar_unet-self_training_1",
        "ct-to-mr.disentangled-average/dar_unet-self_training_1",
        "ct-to-mr.cyclegan-single/dar_unet",
        "ct-to-mr.cyclegan-single/unet_2d",
        "ct-to-mr.synseg_net/unet_2d",
        "ct-to-mr.ada_output/unet_2d",
        "ct-to-mr.ada_output/unet_2d_multilevel",
        "ct-to-mr.cycada/unet_2d",
        "ct-to-mr.sifa/sifa",
    )]  # fmt: skip
    for run in (with_tests, without):
        status, text = run(*weights, *CHOICES)
        assert status == 0, text
    for path in weights:
        assert (with_tests.folder / path).read_bytes() == (without.folder / path).read_bytes(), path
    test_scan.write_bytes(content)
    table.write_text(whole)
    for run in (with_tests, without):
        status, text = run(*CHOICES)
        assert status == 0, text
    assert digests(with_tests) == digests(without)
