import pytest

from dar_uda.jobs.progress import Bar, Progress


def test_progress_tells_rate_and_time_left(caplog, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("dar_uda.jobs.progress.time.monotonic", lambda: now[0])
    with caplog.at_level("INFO"):
        progress = Progress("job", total=100, done=40)
        now[0] = 20.0
        progress.report(50, {"loss": 0.5})
    assert caplog.messages == ["job: step 50/100, 2.00 s/step, 0:01:40 left, loss 0.5"]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_drawn_on_a_terminal_and_gone_at_the_end_and_a_file_gets_lines(monkeypatch, caplog, capsys, terminal):
    now = [0.0]
    monkeypatch.setattr("dar_uda.jobs.progress.time.monotonic", lambda: now[0])
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with caplog.at_level("INFO"):
        bar = Bar("scan.nii", total=60, unit="window")
        for done in (20, 40, 60):
            now[0] += 8.0
            bar.report(done)
    drawn = capsys.readouterr().err
    line = "scan.nii: window 40/60, 0.40 s/window, 0:00:08 left"
    if terminal:
        assert f"\r\x1b[K[{'#' * 20}{'-' * 10}] {line}"[:82] in drawn and drawn.endswith("\r\x1b[K")
        assert "\n" not in drawn and not caplog.messages
    else:
        assert caplog.messages == [line] and not drawn
