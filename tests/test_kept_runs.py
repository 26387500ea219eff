"""What docs.runs keeps of a finished run, on a run of two methods written by hand."""

import json
import re
import shutil
import subprocess

import pandas as pd
import pytest
import yaml

from dar_uda.plan.task import Direction
from docs import results, runs
from docs.config_keys import REPOSITORY
from docs.runs import KeptRun, run_of, trainings_of
from tests.plan.plans import plan_of

CONFIG = "{run: kept, methods: [source_only, dar_uda], seeds: [SEED], directions: [ct-to-mr]}"
TRAINED = "ct-to-mr.disentangled-multi"
SEGMENTERS = f"{TRAINED}/dar_unet-self_training_4", "ct/dar_unet"
SECONDS = {
    "train_translator/disentangled": 120,
    f"train_segmenter/{TRAINED}-dar_unet": 60,
    **{f"label_target/{TRAINED}-dar_unet-self_training_{number}": 6 for number in (1, 2, 3, 4)},
    **{f"self_train_segmenter/{TRAINED}-dar_unet-self_training_{number}": 30 for number in (1, 2, 3, 4)},
    "train_segmenter/ct-dar_unet": 90,
}
DICE = {"source_only": (0.2, 0.4), "dar_uda": (0.7, 0.8)}
PAGE = """Task phantom, protocol clean, budget demo, seed SEED.

- `source_only`: upright augmentation, guided filter of radius 2, largest component
- `dar_uda`: upright augmentation, self-training 4 iterations of 60 steps, guided filter of radius 2, largest component
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    for folder in ("config", "workflow/schemas"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    (tmp_path / ".gitignore").write_text("*\n")
    for words in ("init -q", "add -f .gitignore", "-c user.name=a -c user.email=a@b commit -qm first"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finish(clone, seed=0, dice=DICE):
    """Write a finished run, and return its config file."""
    run, config = clone / "results" / "kept", clone / "run.yaml"
    config.write_text(CONFIG.replace("SEED", str(seed)))
    write(run / "tables" / "summary.md", PAGE.replace("SEED", str(seed)))
    for name, seconds in SECONDS.items():
        is_translator = name.startswith("train_translator")  # whose benchmark may lack CPU time
        rows = f"s\th:m:s\n{seconds}\t0:00:01\n" if is_translator else f"s\tcpu_time\n9999\t{seconds}\n"
        write(run / "benchmarks" / f"{name}-{seed}.tsv", rows)
    for folder in SEGMENTERS:
        made = json.dumps({"threads": 1, "device": "CPU, x86_64"})
        write(run / f"seed-{seed}/segmenters/{folder}/weights.provenance.json", made)
    head = "case patient structure dice asd_mm hd95_mm nsd asd_area_mm rvd reference_ml predicted_ml status"
    for method, values in dice.items():
        rows = [
            f"{case} {case} {name} {value} 2.5 9 0.5 2 0.1 100 110 ok"
            for case, value in zip(("01", "NA"), values, strict=True)
            for name in ("liver", "right_kidney", "left_kidney", "spleen")
        ]
        text = "\n".join([head, *rows, ""]).replace(" ", "\t")
        write(run / f"seed-{seed}/metrics/ct-to-mr/{method}.tsv", text)
    return config


def test_a_run_is_kept_as_it_was_scored_with_the_minutes_of_its_trainings(clone, monkeypatch):
    monkeypatch.setattr(runs, "RUNS", clone / "kept")
    run_of(finish(clone), "summary").write("name")
    kept = KeptRun.read("name")
    own = kept.scores[kept.scores["method"] == "dar_uda"]
    assert list(own["case"].unique()) == ["01", "NA"]
    assert own["dice"].tolist() == ["0.7"] * 4 + ["0.8"] * 4
    assert dict(zip(kept.trainings["method"], kept.trainings["minutes"], strict=True)) == {
        "source_only": "1.5",
        "dar_uda": "5.4",
    }
    assert set(kept.trainings["device"]) == {"CPU, x86_64"}
    head = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip()
    assert set(kept.trainings["commit"]) == {head}


def test_the_tables_of_seeds_that_came_in_any_order_are_those_of_all(clone, monkeypatch):
    monkeypatch.setattr(runs, "RUNS", clone / "kept")
    dice = (1, (0.7, 0.9)), (0, (0.7, 0.8))
    later, earlier = (run_of(finish(clone, seed, DICE | {"dar_uda": own}), "summary") for seed, own in dice)
    later.joined(earlier).write("name")
    tables = results.Tables(KeptRun.read("name"))
    means = tables.summary[tables.summary["structure"] == "mean"].set_index("method")
    assert list(means.index) == ["source_only", "dar_uda"]
    assert list(tables.run.trainings["seed"]) == ["0", "1", "0", "1"]
    assert means["seeds"].tolist() == [2, 2]
    assert means["dice_mean"].tolist() == pytest.approx([0.3, (0.7 + 0.8 + 0.7 + 0.9) / 4])
    assert means["dice_by_seed"]["dar_uda"] == "0.750000 0.800000"
    whole = tables.differences.query("structure == 'mean' and metric == 'dice'")
    assert whole["difference"].tolist() == pytest.approx([0.3 - 0.775])
    page = "\n".join(results._direction(tables, "ct-to-mr"))
    assert re.search(r"\| dar_uda .* 0\.775 .*\| +5 \|", page)


def test_minutes_of_a_training_that_left_none_are_empty(clone):
    config = finish(clone)
    (clone / "results/kept/benchmarks/train_translator/disentangled-0.tsv").unlink()
    trainings = run_of(config, "summary").trainings
    assert trainings["minutes"].tolist() == ["1.5", ""]
    assert results._minutes(trainings).text == ""
    assert results._minutes(trainings[:1]).text == "2"


@pytest.mark.parametrize("known", ["-", "NA"])
def test_of_a_job_too_short_to_measure_the_time_by_the_clock_counts(known):
    assert runs._cpu_seconds(pd.DataFrame({"s": ["1.5"], "cpu_time": [known]})) == 1.5


def test_a_run_of_other_settings_does_not_join(clone):
    run = run_of(finish(clone), "summary")
    other = KeptRun({**run.facts, "budget": "laptop"}, run.scores, run.trainings)
    with pytest.raises(ValueError, match=r"other facts: \['budget'\], found \['laptop'\], expected \['demo'\]"):
        run.joined(other)


def test_a_run_whose_config_changed_afterwards_is_refused(clone):
    config = finish(clone)
    budget = clone / "config" / "budgets" / "demo.yaml"
    budget.write_text(budget.read_text().replace("guided_filter_radius: 2", "guided_filter_radius: 3"))
    with pytest.raises(ValueError, match="changed after the run"):
        run_of(config, "summary")


def test_a_changed_working_copy_is_refused(clone):
    config = finish(clone)
    (clone / ".gitignore").write_text("results\n")
    with pytest.raises(ValueError, match="has changes"):
        run_of(config, "summary")


def test_trainings_have_the_names_of_the_rules_logs_as_benchmarks_have():
    text = "".join(path.read_text() for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"))
    patterns = [
        re.sub(r"\\\{.*?\\\}", ".+", re.escape(found))
        for found in re.findall(r'"results/\{run\}/logs/(.+)\.log"', text)
    ]
    plan = plan_of("budget: laptop")
    laptop = yaml.safe_load((REPOSITORY / "config/budgets/laptop.yaml").read_text())["budgets"]["laptop"]
    iterations = laptop["segmentation"]["self_training"]["iterations"]
    counts = {}
    for name, method in plan.methods.items():
        found = [f"{training}-0" for training in trainings_of(method, Direction.of("ct-to-mr"))]
        assert all(any(re.fullmatch(pattern, training) for pattern in patterns) for training in found), found
        counts[name] = len(found)
    nnunet = plan_of("{methods: [nnunet_supervised], nnunet_python: python}").methods["nnunet_supervised"]
    assert list(trainings_of(nnunet, Direction.of("ct-to-mr"))) == ["train_nnunet/mr-nnunet"]
    assert counts["source_only"] == counts["synseg_net"] == counts["ada_output"] == 1
    assert counts["cyclegan_2d"] == counts["dar_uda_published"] == 2
    assert counts["dar_uda"] == counts["cyclegan_3d"] == 2 + 2 * iterations
