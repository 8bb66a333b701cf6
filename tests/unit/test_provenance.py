# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a result comes from is told as far as it can be found out, and finding out never fails."""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import shutil
import socket
import subprocess

import pytest

from gpu import provenance

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="no git on PATH")


@pytest.fixture
def checkout(tmp_path):
    """A git repository with one commit."""
    folder = tmp_path / "project"
    (folder / "inner").mkdir(parents=True)
    (folder / "file").write_text("one")
    (folder / "inner" / "file").write_text("one")
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)
    return folder


def test_versions_tell_installed_from_missing():
    found = provenance.versions(("pytest", "no-such-distribution"))
    assert found == {"python": platform.python_version(), "pytest": pytest.__version__, "no-such-distribution": None}


@needs_git
def test_commit_tells_whether_files_were_changed(checkout):
    clean = provenance.commit(checkout)
    assert len(clean) == 40
    (checkout / "untracked").write_text("")
    assert provenance.commit(checkout) == clean
    (checkout / "file").write_text("two")
    assert provenance.commit(checkout) == f"{clean}-modified"


@needs_git
def test_somebody_elses_checkout_is_not_ours(checkout, tmp_path):
    assert provenance.commit(checkout / "inner") is None
    assert provenance.commit(tmp_path / "nowhere") is None
    empty = tmp_path / "empty"
    subprocess.run(["git", "init", "-q", str(empty)], check=True, capture_output=True)
    assert provenance.commit(empty) is None


def test_no_git_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit() is None


def test_checksum_is_sha256(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert provenance.sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_memory_is_a_peak():
    before = provenance.peak_memory()["this_process_mib"]
    block = bytearray(64 * 2**20)
    block[:: 2**12] = b"1" * len(block[:: 2**12])  # touch every page
    assert provenance.peak_memory()["this_process_mib"] >= before
    del block
    assert provenance.peak_memory()["this_process_mib"] >= 64


def test_hardware_is_plausible():
    found = provenance.hardware()
    assert found["cores"] >= 1
    assert found["memory_gib"] is None or 0.1 < found["memory_gib"] < 1e5


def test_manifest_is_json_and_names_neither_machine_nor_user():
    manifest = provenance.manifest(
        device={"name": "cpp", "reason": "g++ 12 works"},
        build={"hash": "ab12", "compiled": False},
        column={"number": 0, "of": 1, "noise_seed": 1},
        timings={"simulate_s": 1.5},
        interrupted=True,
    )
    assert manifest["status"] == "interrupted"
    text = json.dumps({key: value for key, value in manifest.items() if key != "commit"}, allow_nan=False)
    for name in (socket.gethostname(), getpass.getuser()):
        assert f'"{name}"' not in text
