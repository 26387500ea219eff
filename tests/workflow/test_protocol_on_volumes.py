"""Protocol `paper` on the tiny phantom: what reaches the network grid."""

import json

import nibabel as nib
from tiny_run import prepare

TASK = """
tasks:
  phantom:
    domains:
      ct: {paper_protocol: {crop_to_labels: true}}
      mr: {paper_protocol: {double_depth: true, intensity: {percentile: 100}}}
"""
IMAGES = {domain: f"cases/{domain}/{domain}2/image.nii" for domain in ("ct", "mr")}


def test_the_papers_protocol_crops_ct_test_cases_doubles_mr_and_divides_by_its_maximum(tmp_path):
    run = prepare(tmp_path, cases={"ct": ("train", "train", "test"), "mr": ("train", "train", "test")})
    (tmp_path / "protocol.yaml").write_text(TASK)
    depths, used = {}, {}
    for protocol in ("clean", "paper"):
        files = ("--configfile", str(tmp_path / "tiny.yaml"), str(tmp_path / "protocol.yaml"))
        targets = [f"results/phantom/{path}" for path in IMAGES.values()]
        status, text = run(*targets, *files, "--config", f"protocol={protocol}")
        assert status == 0, text
        depths[protocol] = {domain: nib.load(run.result(path)).shape[2] for domain, path in IMAGES.items()}
        record = run.result(IMAGES["mr"]).with_name("image.provenance.json")
        used[protocol] = json.loads(record.read_text())["params"]
    assert depths["paper"]["ct"] < depths["clean"]["ct"], "cut to the labeled slices and two on each side"
    assert depths["paper"]["mr"] == 2 * min(nib.load(run.result("data/mr/mr2_image.nii.gz")).shape), "twice its slices"
    assert (used["clean"]["double_depth"], used["clean"]["intensity"]) == (False, {"percentile": 99.5})
    assert (used["paper"]["double_depth"], used["paper"]["intensity"]) == (True, {"percentile": 100})
