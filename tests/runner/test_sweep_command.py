# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole small sweep on the command line: simulated, collected, drawn; and again, with what is missing."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import xarray
from click.testing import CliRunner

import pfc
from gpu.results import Results

pytestmark = [pytest.mark.gcc, pytest.mark.slow]
VARY = ("--vary", "drug.concentration=0 uM,3 uM", "--vary", "seed=1,2", "--device", "cpp")


@pytest.fixture(scope="module")
def swept(root, tmp_path_factory):
    """The folder of a sweep of two by two points."""
    out = tmp_path_factory.mktemp("swept") / "sweep"
    done = run("sweep", str(root / "configs/smoke.yaml"), *VARY, "--workers", "1", "--out", str(out))
    assert done.exit_code == 0, done.output
    return out


def run(*words: str):
    return CliRunner().invoke(pfc.cli, words, catch_exceptions=False)


def test_a_sweep_leaves_one_dataset_one_table_figures_and_a_report(swept):
    data = xarray.load_dataset(swept / "sweep.nc", engine="h5netcdf")
    assert dict(data.sizes) == {"drug.concentration": 2, "seed": 2, "population": 4, "time": 100}
    assert (data["status"] == "done").all()
    points = Results.open(swept / "points" / data["point"].sel({"drug.concentration": 3, "seed": 2}).item())
    assert data["block_PV_mean"].sel({"drug.concentration": 3, "seed": 2}) == points.summary["block_PV_mean"] > 0
    # a seed is the same network and noise at every concentration until the drug comes
    before = data["rate"].sel(time=slice(0, 0.5))
    np.testing.assert_array_equal(before.isel({"drug.concentration": 0}), before.isel({"drug.concentration": 1}))
    assert len((swept / "sweep.csv").read_text().splitlines()) == 5
    assert {path.name for path in (swept / "figures").glob("*.png")} == {"dose.png", "read-outs.png"}
    assert (swept / "report.html").read_text().count("<img") == 2


def test_what_is_collected_again_is_the_same(swept):
    before = (swept / "sweep.nc").read_bytes()
    done = run("collect", str(swept))
    assert done.exit_code == 0 and "4 done" in done.output
    assert (swept / "sweep.nc").read_bytes() == before


def test_a_lost_point_is_missing_and_run_again_to_the_same_dataset(swept, root, tmp_path):
    copy = shutil.copytree(swept, tmp_path / "sweep")
    shutil.rmtree(min((copy / "points").iterdir()))
    assert "3 done, 1 missing" in run("collect", str(copy)).output
    assert "3 done, 1 not there yet" in (run("figures", str(copy)), (copy / "report.html").read_text())[1]
    done = run("sweep", str(root / "configs/smoke.yaml"), *VARY, "--out", str(copy), "--no-figures")
    assert done.exit_code == 0, done.output
    assert (copy / "sweep.nc").read_bytes() == (swept / "sweep.nc").read_bytes()


def test_a_folder_of_something_else_is_refused(tmp_path):
    from circuit.errors import ResultsError

    with pytest.raises(ResultsError, match=r"has no plan\.json"):
        run("collect", str(tmp_path))
