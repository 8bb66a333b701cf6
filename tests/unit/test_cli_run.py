# SPDX-License-Identifier: GPL-3.0-or-later
"""`pfc run` as a user types it, in a process of its own: what it leaves, what it refuses, and how it is stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import pfc
from gpu.results import Results
from tests.unit.test_damaged_configs import BODIES, OVERRIDES

ROOT = Path(pfc.__file__).parent
SMOKE = ROOT / "configs" / "smoke.yaml"
PHASES = ("settle", "baseline", "transition", "drug")


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / "pfc.py"), *map(str, arguments)]


def pfc_run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command("run", *arguments), capture_output=True, text=True, **options)


def phases(*lengths: float) -> list[str]:
    """Options that make the phases of the protocol so long, s."""
    return [w for name, length in zip(PHASES, lengths, strict=True) for w in ("--set", f"protocol.t_{name}={length} s")]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def smoke(builds: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The results folder of the smoke test, and what the program said."""
    out = tmp_path_factory.mktemp("smoke") / "deep" / "run"
    return out, pfc_run(SMOKE, "--out", out, "--device", "cpp")


@pytest.mark.gcc
def test_a_run_ends_in_data_summary_figures_and_a_report(smoke):
    out, said = smoke
    assert said.returncode == 0, said.stderr
    assert said.stdout.endswith(f"Results: {out}\n")
    assert "C++, as asked" in said.stderr
    assert {"data.nc", "manifest.json", "summary.json", "figures", "report.html"} == {p.name for p in out.iterdir()}
    pictures = {suffix: {p.stem for p in (out / "figures").glob(f"*{suffix}")} for suffix in (".png", ".pdf", ".svg")}
    assert len(pictures[".png"]) == 6
    assert pictures[".png"] in (pictures[".pdf"], pictures[".svg"])
    page = (out / "report.html").read_text()
    assert page.count("data:image/png") == len(pictures[".png"])
    assert "Smoke test" in page


@pytest.mark.gcc
def test_the_summary_has_the_numbers_of_the_run(smoke):
    """Every population fired and was blocked; the closing lines show the same numbers."""
    results = Results.open(smoke[0])
    assert results.manifest["status"] == "complete"
    assert results.duration == 1.0
    for population in ("PYR", "PV", "SST", "VIP"):
        rate = results.summary[f"rate_{population}_baseline_hz"]
        assert rate > 0
        assert results.summary[f"block_{population}_mean"] > 0
        assert f"{rate:.2f}" in smoke[1].stdout
    assert 0.1 < results.summary["glutamate_baseline_uM"] < 10


@pytest.mark.gcc
def test_results_that_are_there_are_not_touched(smoke):
    out, before = smoke[0], contents(smoke[0])
    said = pfc_run(SMOKE, "--out", out, "--set", "seed=2")
    assert said.returncode == 2
    assert said.stderr == f"{out} already holds results: name another folder with --out, or add --overwrite\n"
    assert contents(out) == before
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.gcc
def test_a_run_of_the_same_structure_compiles_nothing(smoke, tmp_path: Path):
    """Another dose, schedule of phases, seed and duration."""
    first = json.loads((smoke[0] / "manifest.json").read_text())
    said = pfc_run(
        *(SMOKE, "--out", tmp_path / "run", "--no-figures", *phases(0.1, 0.1, 0, 0.2)),
        *("--set", "drug.concentration=3 uM", "--set", "seed=5"),
    )
    assert said.returncode == 0, said.stderr
    assert "Building" not in said.stderr
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["build"] == {"hash": first["build"]["hash"], "compiled": False}
    assert manifest["timings"]["build_s"] < 1
    assert manifest["sha256"] != first["sha256"]
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.mark.gcc
def test_ctrl_c_leaves_what_was_computed_marked_as_interrupted(smoke, tmp_path: Path):
    """As a terminal sends it: to every process of the group. Status 130, as of any program that Ctrl-C ended."""
    out = tmp_path / "run"
    process = subprocess.Popen(
        command("run", SMOKE, "--out", out, *phases(0.1, 0.4, 0.1, 300)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    heard = []
    for line in process.stderr:
        heard.append(line)
        if line.startswith("simulating: 10 %"):
            os.killpg(process.pid, signal.SIGINT)
            break
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 130, "".join(heard) + errors
    results = Results.open(out)
    assert results.interrupted
    assert results.manifest["status"] == "interrupted"
    assert 30 <= results.duration < 300
    assert list(results.windows) == ["baseline"]
    assert results.summary["rate_PYR_baseline_hz"] > 0
    assert results.summary["rate_PYR_drug_hz"] is None
    assert results.spikes()[0].max() < results.duration
    assert (out / "report.html").is_file()
    assert f"Interrupted after {results.duration:.2f} s of simulated time; what was computed is kept." in said


def test_without_a_compiler_numpy_runs_and_says_so(tmp_path: Path):
    """PATH holds Python and nothing else: no compiler, no make, no git."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    environment = {key: value for key, value in os.environ.items() if key != "CXX"}
    environment |= {"PATH": str(tmp_path / "bin"), "PFC_CACHE": str(tmp_path / "cache")}
    out = tmp_path / "run"
    said = pfc_run(SMOKE, "--out", out, "--no-figures", *phases(0, 0.05, 0, 0.05), env=environment)
    assert said.returncode == 0, said.stderr
    assert "Device: NumPy, because" in said.stderr
    assert "many times slower than C++. To change that, install" in said.stderr
    results = Results.open(out)
    assert results.manifest["device"]["name"] == "numpy"
    assert results.duration == pytest.approx(0.1)
    assert results.spikes()[0].size > 0


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped configs, the working directory."""
    for file in (ROOT / "configs").glob("*.yaml"):
        shutil.copy(file, tmp_path)
    (tmp_path / "broken.yaml").write_text("drug: 3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]) -> None:
    """Run `pfc run` with results named both ways; status 2, and nothing in the folder that was not there."""
    before = sorted(os.walk(folder))
    for out in (["--out", "results/new"], []):
        monkeypatch.setattr(sys, "argv", ["pfc", "run", *arguments, *out])
        with pytest.raises(SystemExit) as stop:
            pfc.main()
        assert stop.value.code == 2
        assert sorted(os.walk(folder)) == before


@pytest.mark.parametrize("body", [body for body, *_ in BODIES.values()], ids=BODIES)
def test_a_damaged_config_leaves_no_folder(configs: Path, monkeypatch: pytest.MonkeyPatch, body: str):
    (configs / "x.yaml").write_bytes(f"extends: baseline.yaml\n{body}".encode("utf-8", "surrogatepass"))
    refused(configs, monkeypatch, ["x.yaml"])


@pytest.mark.parametrize("overrides", [overrides for overrides, *_ in OVERRIDES.values()], ids=OVERRIDES)
def test_a_damaged_override_leaves_no_folder(configs: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str]):
    refused(configs, monkeypatch, ["ketamine.yaml", *[word for text in overrides for word in ("--set", text)]])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["smok.yaml"], "smok.yaml: there is no such file; did you mean 'smoke.yaml'?"),
        (["smoke.yaml", "--set", "drug.concentration=1"], "drug.concentration: needs a number and one of uM, nM, mM"),
        (["smoke.yaml", "--set", "network.num_neurons=600"], "600 cells are too few"),
        (["smoke.yaml", "--device", "tpu"], "There is no device 'tpu'"),
        (["smoke.yaml", "--out", "smoke.yaml"], "smoke.yaml is a file, and results need a folder"),
        (["smoke.yaml", "--ouy", "x"], "No such option"),
    ],
    ids=["no file", "no unit", "too small", "no device", "file in the way", "no option"],
)
def test_a_process_of_its_own_refuses_too(configs: Path, arguments: list[str], sentence: str):
    before = sorted(os.walk(configs))
    out = [] if "--out" in arguments else ["--out", "new"]
    said = pfc_run(*arguments, *out)
    assert (said.returncode, said.stdout) == (2, "")
    assert sentence in said.stderr
    assert "Traceback" not in said.stderr
    assert sorted(os.walk(configs)) == before
