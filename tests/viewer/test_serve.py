"""What the viewer's server gives, to whom, and what it does not."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import nibabel as nib
import numpy as np
import pytest

from dar_uda.cli.command import main
from dar_uda.data.grid import Grid
from dar_uda.data.volume import Volume, read_volume
from dar_uda.viewer import serve
from dar_uda.viewer.serve import ViewerServer
from tests.viewer.runs import SHAPE, make_run


def get(server, path, host=None):
    """Return status, headers and body, the path sent as it stands."""
    connection = HTTPConnection(*server.server_address)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_it_listens_on_this_machine_alone(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.address.startswith(f"http://127.0.0.1:{server.server_port}/")


def test_the_page_its_parts_and_the_catalog_come_with_their_types(server):
    kinds = {"": "html", "viewer.js": "javascript", "viewer.css": "css", "catalog.json": "json"}
    for name, kind in kinds.items():
        status, headers, body = get(server, server.root + name)
        assert (status, headers.get_content_subtype()) == (200, kind)
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Python" not in headers["Server"]
    assert json.loads(body)["run"] == "tiny"


def test_a_volume_has_the_voxels_of_its_scan(server):
    number = server.catalog.page["cases"][0]["image"]
    status, _, body = get(server, f"{server.root}volumes/{number}")
    assert status == 200
    voxels = np.asanyarray(nib.Nifti1Image.from_bytes(body).dataobj)
    assert np.array_equal(voxels, np.arange(np.prod(SHAPE)).reshape(SHAPE))


@pytest.mark.parametrize(
    "path",
    [
        "../../../../../../etc/passwd",
        "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/etc/passwd",
        "volumes/",
        "volumes/-1",
        "volumes/00",
        "volumes/9999",
        "volumes/0/../1",
        "volumes/0?",
        "volumes/%30",
        "serve.py",
        "../serve.py",
        "page/viewer.js",
        "index.html",
        "viewer.js/",
    ],
)
def test_nothing_else_on_the_disk_is_given(server, path):
    status, _, body = get(server, server.root + path)
    assert status == 404
    assert b"root:" not in body


@pytest.mark.parametrize("path", ["/", "/catalog.json", "/volumes/0", "/../catalog.json", "/etc/passwd", "*"])
def test_nothing_is_given_without_the_secret_of_the_address(server, path):
    assert get(server, path)[0] == 404


def connect(server):
    return socket.create_connection(server.server_address)


def test_idle_connections_without_the_secret_hold_few_threads_and_keep_no_one_out(server):
    before = threading.active_count()
    with ExitStack() as stack:
        for _ in range(3 * serve.MOST_STRANGERS):
            stack.enter_context(connect(server)).sendall(b"G")
        assert get(server, server.root)[0] == 200
        time.sleep(0.1)
        assert threading.active_count() - before <= serve.MOST_STRANGERS


def test_a_connection_that_says_nothing_is_closed(server, monkeypatch):
    assert 0 < serve._Handler.timeout <= 30
    monkeypatch.setattr(serve._Handler, "timeout", 0.1)
    with connect(server) as idle:
        idle.settimeout(10)
        assert idle.recv(1) == b""


def test_a_volume_may_take_longer_than_a_request(server, monkeypatch):
    monkeypatch.setattr(serve._Handler, "timeout", 0.1)
    array = np.zeros((256, 256, 256), np.uint8)
    number = server.catalog.add(lambda: Volume(array, Grid(array.shape, np.eye(4))))
    with connect(server) as slow:
        slow.sendall(
            f"GET {server.root}volumes/{number} HTTP/1.0\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n".encode()
        )
        time.sleep(0.5)
        answer = b"".join(iter(lambda: slow.recv(2**20), b""))
    assert len(answer) > array.nbytes


def test_a_connection_that_is_cut_prints_nothing(server, capfd):
    with connect(server) as cut:
        cut.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        cut.sendall(b"G")
        time.sleep(0.1)
    assert get(server, server.root)[0] == 200
    time.sleep(0.1)
    assert capfd.readouterr().err == ""


def test_the_browser_is_given_a_private_file_not_the_secret(tmp_path, monkeypatch):
    """What a process is given on its command line, every user of the machine can read."""
    (tmp_path / "niivue.js").touch()
    opened = []

    def opens(address):
        redirect = Path(url2pathname(urlsplit(address).path))
        opened.append((address, redirect.stat().st_mode & 0o777, redirect.read_text()))

    monkeypatch.setattr(serve, "PAGE", tmp_path)
    monkeypatch.setattr(serve.webbrowser, "open", opens)
    monkeypatch.setattr(ViewerServer, "serve_forever", lambda server: opened.append(server.root))
    monkeypatch.setenv("DISPLAY", ":0")
    serve.view_run(make_run(tmp_path))
    (address, mode, text), root = opened
    assert root not in address and address.startswith("file://")
    assert (mode, f"{root}" in text) == (0o600, True)
    assert not Path(url2pathname(urlsplit(address).path)).exists(), "it goes with the server"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil"])
def test_another_host_name_is_refused(server, host):
    assert get(server, server.root, host)[0] == 403


def test_localhost_is_this_machine(server):
    assert get(server, server.root, f"localhost:{server.server_port}")[0] == 200


def test_other_methods_than_get_are_refused(server):
    connection = HTTPConnection(*server.server_address)
    connection.request("POST", server.root, b"x")
    assert connection.getresponse().status == 501


def test_a_volume_that_cannot_be_read_says_why(server, tmp_path):
    (tmp_path / "scan.nii.gz").write_bytes(b"cut")
    number = server.catalog.add(read_volume, tmp_path / "scan.nii.gz")
    status, _, body = get(server, f"{server.root}volumes/{number}")
    assert status == 500
    assert b"scan.nii.gz" in body


def test_without_niivue_the_command_says_make_viewer(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(serve, "PAGE", tmp_path)
    assert main(["view", str(make_run(tmp_path))]) == 1
    assert "make viewer" in capsys.readouterr().err


def test_a_taken_port_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "niivue.js").touch()
    monkeypatch.setattr(serve, "PAGE", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["view", str(make_run(tmp_path)), "--port", str(port)]) == 1
    assert f"port {port}" in capsys.readouterr().err


def test_the_command_prints_the_address_and_ends_on_ctrl_c(tmp_path):
    (tmp_path / "niivue.js").touch()
    code = (
        "import sys; from pathlib import Path; from dar_uda.viewer import serve; from dar_uda.cli.command import main; "
        "serve.PAGE = Path(sys.argv[2]); sys.exit(main(['view', sys.argv[1]]))"
    )
    environment = {key: value for key, value in os.environ.items() if "DISPLAY" not in key}
    job = subprocess.Popen(
        [sys.executable, "-c", code, str(make_run(tmp_path)), str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stdout.readline().startswith("http://127.0.0.1:")
    job.send_signal(signal.SIGINT)
    _, errors = job.communicate(timeout=30)
    assert (job.returncode, errors) == (0, "")
