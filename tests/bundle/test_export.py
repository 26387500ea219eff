"""What was made by a version that used other names is refused with what to do."""

import json

import pytest

from dar_uda.bundle.facts import FORMAT, read_facts
from dar_uda.cli.command import main
from dar_uda.jobs import provenance

MASKS = "results/tiny/seed-0/predictions/ct-to-mr/dar_uda"


def write_run(folder, **format_of_provenance):
    """Write the masks of a run without what they were made of."""
    (folder / MASKS).mkdir(parents=True)
    facts = {**format_of_provenance, "rule": "predict_cases", "inputs": {}, "outputs": {MASKS: "0"}}
    (folder / f"{MASKS}.provenance.json").write_text(json.dumps(facts))
    return folder / MASKS


@pytest.mark.parametrize("format_of_provenance", [{}, {"format": provenance.FORMAT - 1}])
def test_a_run_of_before_is_not_exported(tmp_path, capsys, format_of_provenance):
    masks = write_run(tmp_path, **format_of_provenance)
    assert main(["export", str(masks), "-o", str(tmp_path / "bundle")]) == 1
    said = capsys.readouterr().err
    assert f"ERROR: DAR-326: {tmp_path}/results/tiny was made by a version of DAR-UDA that used other names" in said
    assert "or run its snakemake command again" in said
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("found", [None, FORMAT - 1])
def test_a_bundle_of_before_is_refused(tmp_path, found):
    (tmp_path / "bundle.json").write_text(json.dumps({"format": found} if found else {}))
    words = f"found format {found}, expected {FORMAT}: another version of DAR-UDA, with other names, made this bundle"
    with pytest.raises(ValueError, match=words):
        read_facts(tmp_path)
