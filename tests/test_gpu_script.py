"""`python -m benchmarks.gpu`: its runner on stages that die, hang and fail, and the whole script at its smallest."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import weakref
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks.gpu import runner
from benchmarks.gpu.kit import write_phantoms
from benchmarks.gpu.results import FINISHED, append_row, read_rows, tasks_in
from benchmarks.gpu.rows import FIGURES
from benchmarks.gpu.runner import STAGES, Watch, digest_of, run
from benchmarks.gpu.stage import BETWEEN, WHOLE, Settings, Stage, Tasks
from benchmarks.gpu.volumes import pack, split_of, unpacked
from benchmarks.peers import PEERS

ROOT, HERE = Path(__file__).parents[1], Path(__file__).parent
ABSENT = '''
import sys
ALLOWED = {"torch", "triton", "numpy", "pandas", "scipy", "matplotlib", "safetensors", "joblib", "yaml"}
ALLOWED |= {"nibabel", "adabelief_pytorch", "monai", "dynamic_network_architectures", "nnunetv2"}
ALLOWED |= {"dar_uda", "benchmarks"} | sys.stdlib_module_names
ABSENT = {"SimpleITK", "medpy", "highdicom", "pydicom", "snakemake", "jsonschema"}

class Absent:
    """Finds no package that a machine with a card may lack: neither those nor what our own modules import beyond."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        top, frame = name.partition(".")[0], sys._getframe(1)
        while frame and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        importer = frame.f_code.co_filename if frame else ""
        ours = importer.startswith(ROOT) and "site-packages" not in importer
        if top in ABSENT or (ours and top not in ALLOWED):
            raise ModuleNotFoundError(f"No module named {name!r} on a machine with a card", name=name)

sys.meta_path.insert(0, Absent)
'''


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "scratch").mkdir()
    out = tmp_path / "out"
    return Settings(tmp_path, out / "results.jsonl", out / "log.txt", tmp_path / "scratch", "cpu", True)


@pytest.fixture(autouse=True)
def stubs_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


def stub(name: str) -> Stage:
    return Stage(name, "gpu_stubs.stages", root=HERE / "gpu_stubs")


def test_rows_of_the_same_stage_code_and_card_are_finished_whatever_the_last_line_lacks(tmp_path):
    path = tmp_path / "results.jsonl"
    key = {"stage": "checks", "code": "c1", "card": "a card"}
    for task, state in (("one", "ok"), ("two", "failed"), ("three", "error")):
        append_row(path, {**key, "task": task, "state": state})
    append_row(path, {**key, "code": "c2", "task": "four", "state": "ok"})
    with path.open("a") as file:
        file.write('{"stage": "checks", "co')
    assert tasks_in(read_rows(path), FINISHED, **key) == {"one", "two"}
    assert tasks_in(read_rows(path), **key) == {"one", "two", "three"}
    assert tasks_in(read_rows(path), FINISHED, **{**key, "card": "another card"}) == set()


def test_the_last_quarter_of_the_packed_cases_is_the_test(tmp_path):
    for number in range(5):
        case = tmp_path / "cases" / "mr" / f"mr{number}"
        case.mkdir(parents=True)
        (case / "image.nii").write_bytes(bytes([number]))
        if number < 4:
            (case / "label.nii").write_bytes(b"label")
    assert pack(tmp_path / "cases", tmp_path / "volumes.tar.xz") == 4
    split = split_of(unpacked(tmp_path / "volumes.tar.xz", tmp_path), "mr")
    assert [image.parent.name for image in split.images] == ["mr0", "mr1", "mr2"]
    assert [image.read_bytes() for image in split.test_images] == [bytes([3])]
    assert split.test_labels[0].read_bytes() == b"label"


def test_stages_that_fail_die_or_hang_are_rows_and_the_next_goes_on(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.gpu.runner.PATIENCE", {"cpu": 1.0})
    stages = [stub("fails"), stub("dies"), stub("hangs"), stub("ends")]
    assert run(settings, 1000, stages) == 0
    rows = {(row["stage"], row["task"]): row for row in read_rows(settings.results)}
    assert {key: row["state"] for key, row in rows.items()} == {
        **{("fails", "first"): "ok", ("fails", "fails"): "error", ("fails", "goes on"): "failed"},
        **{("dies", "dies"): "died", ("hangs", "hangs"): "hung"},
        **{(stage.name, task): "ok" for stage in stages for task in ("first", "last")},
        **{(stage.name, WHOLE): "ok" if stage.name == "ends" else "error" for stage in stages},
    }
    assert len(read_rows(settings.results)) == len(rows)  # no new process does a task twice
    order = [row["task"] for row in read_rows(settings.results) if row["stage"] == "hangs"]
    assert order == ["first", "hangs", "last", WHOLE]
    processes = [rows[stage.name, "first"]["process"] for stage in stages]
    assert processes[0] == processes[1] and len(set(processes)) == 3  # a new one after `dies`, and one after `hangs`
    assert rows["fails", "fails"]["error"] == "ValueError: one task that fails"
    assert rows["dies", "dies"]["exit"] == 3
    assert rows["dies", "dies"]["lines"][-1] == "the last words"
    assert any("stages.py" in line and "in hang" in line for line in rows["hangs", "hangs"]["lines"])
    assert not any((tmp_path / "scratch").iterdir())

    again = Settings(tmp_path, tmp_path / "again" / "results.jsonl", settings.log, settings.scratch, "cpu", True)
    run(again, 1000, [stub("fails"), stub("ends")], resume=settings.results)
    added = read_rows(again.results)[len(rows) :]
    assert [(row["stage"], row["task"]) for row in added] == [("fails", "fails"), ("fails", WHOLE)]


def test_stages_share_a_process_and_not_what_they_set_in_torch(settings):
    run(settings, 1000, [stub("ends"), stub("long"), stub("goes")])
    first = [row for row in read_rows(settings.results) if row["task"] == "first"]
    assert len({row["process"] for row in first}) == 1
    assert [row["tf32"] for row in first] == 3 * [False]


def test_a_stage_that_fails_between_its_tasks_is_left_and_the_next_goes_on(settings):
    run(settings, 1000, [stub("breaks"), stub("ends")])
    rows = read_rows(settings.results)
    states = [(row["stage"], row["task"], row["state"]) for row in rows]
    assert states == [("breaks", "first", "ok"), ("breaks", BETWEEN, "died")] + [
        ("ends", task, "ok") for task in ("first", "last", WHOLE)
    ]
    assert rows[1]["lines"][-1] == "ValueError: not within a task"


def test_a_task_that_does_not_fit_into_what_is_left_is_not_begun_and_the_next_is(settings):
    run(settings, 1000, [stub("long")])
    rows = read_rows(settings.results)
    states = [(row["task"], row["state"]) for row in rows]
    assert states == [("first", "ok"), ("too long", "no time"), ("last", "ok"), (WHOLE, "error")]
    assert 900 < rows[1]["left"] < 1000


class Training:
    """Holds itself, as trainings do by their prefetchers."""

    def __init__(self):
        self.me, self.weights = self, torch.zeros(8)


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_task_leaves_on_a_card_is_freed_before_the_next(settings, monkeypatch, fails):
    settings.results.parent.mkdir()
    settings.results.touch()
    tasks, left, freed = Tasks(settings, STAGES[0], "code"), [], []
    tasks.device = torch.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append(left[0]() is None))

    def work() -> dict:
        training = Training()
        left.append(weakref.ref(training.weights))
        if fails:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {}

    tasks.do("one", work)
    assert freed == [True]


def test_the_row_of_a_task_that_breaks_the_card_is_kept(settings, monkeypatch):
    settings.results.parent.mkdir()
    settings.results.touch()
    tasks = Tasks(settings, STAGES[0], "code")
    tasks.device = torch.device("cuda:0")

    def broken(_: torch.device) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "synchronize", broken)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        tasks.do("one", lambda: {"state": "ok"})  # its kernels fail after it has returned
    (row,) = read_rows(settings.results)
    assert (row["task"], row["state"]) == ("one", "error")


@pytest.mark.parametrize(("limit", "state"), [(0.05, "hung"), (1000.0, "no time")])
def test_a_task_hangs_beyond_its_own_limit_and_has_no_time_where_that_of_the_run_is_over(limit, state):
    (begun, begins), (sentinel, _), now = Pipe(duplex=False), Pipe(duplex=False), time.monotonic()
    begins.send({"task": "one", "limit": limit})
    watch = Watch(SimpleNamespace(sentinel=sentinel), begun, now + 0.5, 2.0, {"task": "process", "since": now})
    assert watch.wait() == state
    assert watch.task["task"] == "one"


@pytest.mark.parametrize("state", ["error", "died", "hung"])
def test_tasks_that_disturbed_an_earlier_run_come_after_all_others(settings, tmp_path, state):
    stages, earlier = [stub("fails"), stub("ends")], tmp_path / "earlier.jsonl"
    settings.results.parent.mkdir()
    settings.results.touch()
    append_row(earlier, {**Tasks(settings, stages[0], digest_of(stages[0])).key, "task": "goes on", "state": state})
    settings.results.unlink()
    run(settings, 1000, stages, resume=earlier)
    order = [(row["stage"], row["task"]) for row in read_rows(settings.results)[1:]]
    assert order == [
        *(("fails", task) for task in ("first", "fails", "last")),
        *(("ends", task) for task in ("first", "last", WHOLE)),
        *(("fails", task) for task in ("goes on", WHOLE)),
    ]


def test_sigterm_ends_the_run_with_a_row(settings):
    def end_it() -> None:
        while not (settings.log.exists() and "it hangs" in settings.log.read_text()):
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_it, daemon=True).start()
    assert run(settings, 1000, [stub("sleeps"), stub("ends")]) == 143
    first, process = read_rows(settings.results)
    assert (first["task"], process["state"]) == ("first", "ended")


def test_a_run_without_time_starts_no_stage_and_does_not_write_over_rows(settings):
    assert run(settings, 1, [stub("ends"), stub("long")]) == 0
    states = [(row["stage"], row["task"], row["state"]) for row in read_rows(settings.results)]
    assert states == [("ends", BETWEEN, "no time"), ("long", BETWEEN, "no time")]
    with pytest.raises(FileExistsError, match="--resume"):
        run(settings, 1, [stub("ends")])


@pytest.fixture
def as_with_a_card(tmp_path):
    """The environment of processes that find no package which a machine with a card may lack."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"ROOT = {str(ROOT)!r}\n{ABSENT}")
    return {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def test_modules_that_need_simpleitk_medpy_or_monai_for_some_functions_import_without(as_with_a_card):
    modules = "dar_uda.bundle.segmenter, dar_uda.segmentation.predict, benchmarks.loading, benchmarks.inference"
    command = [sys.executable, "-c", f"import benchmarks.__main__, {modules}"]
    subprocess.run(command, cwd=ROOT, env=as_with_a_card, check=True)
    absent = subprocess.run([sys.executable, "-c", "import medpy"], env=as_with_a_card, capture_output=True)
    assert b"ModuleNotFoundError" in absent.stderr


@pytest.mark.slow
def test_the_whole_script_runs_in_its_smallest_form_without_what_a_machine_with_a_card_lacks(tmp_path, as_with_a_card):
    """On the volumes of two phantoms per domain; every check against float64 holds for float32."""
    cases, kit = tmp_path / "cases", tmp_path / "kit"
    kit.mkdir()
    write_phantoms(cases, {"ct": 2, "mr": 2})
    for name in ("phantom", "volumes"):
        pack(cases, kit / f"{name}.tar.xz")
    command = [sys.executable, "-m", "benchmarks.gpu", "--data", kit, "--out", tmp_path / "out", "--seconds", "3000"]
    subprocess.run([*command, "--device", "cpu", "--tiny"], cwd=ROOT, env=as_with_a_card, check=True)
    rows = read_rows(tmp_path / "out" / "results.jsonl")
    bad = [row for row in rows if row["state"] not in ("ok", "failed")]
    assert not bad, (bad, (tmp_path / "out" / "log.txt").read_text()[-5000:])
    assert [row["stage"] for row in rows if row["task"] == WHOLE] == [stage.name for stage in STAGES]
    errors = [(row["task"], name, found) for row in rows for name, found in row.get("errors", {}).items()]
    assert len(errors) > 40
    assert not [e for e in errors if "bfloat16" not in e[1] and e[2]["error"] > e[2]["limit"]]
    figures = {name for row in rows for name in row.get("figures", {})}
    assert figures == set(FIGURES) - {peer.figure for peer in PEERS.values() if not peer.is_there()}


def test_rows_name_no_folder_of_the_machine_that_wrote_them():
    ours, theirs = f"{runner.PROJECT}/dar_uda/training/loop.py", "/opt/env/.venv/lib/python3.12/heapq.py"
    log = f'File "{ours}", line 3\nFile "{theirs}", line 1'
    found = ['File "dar_uda/training/loop.py", line 3', 'File "lib/python3.12/heapq.py", line 1']
    assert runner.last_lines(log) == found
    for path in (runner.PROJECT / "benchmarks" / "gpu" / "measured").glob("*.jsonl"):
        assert re.findall(r'(?:^|[\s"(])(/[\w.+-]+/[^\s"]*)', path.read_text()) == [], path.name
