# SPDX-License-Identifier: GPL-3.0-or-later
"""The dataset of a sweep: what xarray finds in it is what the points hold, and it depends on nothing but them."""

from __future__ import annotations

import csv
import json
import re
import shutil

import h5py
import numpy as np
import pytest
import xarray

from circuit.errors import StorageError
from gpu import collect, dataset, netcdf, points
from gpu.folder import DATA, MANIFEST
from gpu.plan import Plan
from gpu.results import Results
from gpu.summary import described
from tests import made_sweep

VARY = ("drug.concentration=0 uM,500 nM,3 uM", "seed=1..2")
BRIEF = """\
extends: {root}/configs/baseline.yaml
protocol: {{t_settle: 0.1 s, t_baseline: 0.4 s, t_transition: 0.1 s, t_drug: 0.4 s}}
drug: {{name: ketamine, concentration: 1 uM}}
"""
DRAWN = f"""\
{BRIEF}
sweep:
  axes:
    seed: 1..2
    time: {{{{drug.concentration: [0 uM, 1 uM], protocol.t_drug: [0.4 s, 0.4 s]}}}}
  draws:
    method: Sobol
    count: 4
    seed: 1
    keys: {{{{parameters.cells.PV.g_tonic_max: {{{{uniform: {{{{from: 1 nS, to: 4 nS}}}}}}}}}}}}
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Plan:
    """A sweep whose points are all there; tests only read it."""
    sweep = made_sweep.fill(made_sweep.planned(tmp_path_factory.mktemp("sweep") / "whole", VARY))
    dataset.write(collect.gather(sweep))
    return sweep


@pytest.fixture
def sweep(whole, tmp_path) -> Plan:
    """A copy of it, to take away from."""
    return Plan.read(shutil.copytree(whole.folder, tmp_path / "sweep"))


def lose(sweep: Plan, *numbers: int) -> None:
    for number in numbers:
        shutil.rmtree(sweep.results(sweep.points[number].id))


def opened(sweep: Plan) -> xarray.Dataset:
    dataset.write(collect.gather(sweep))
    return xarray.load_dataset(sweep.folder / "sweep.nc", engine="h5netcdf")


# What is in it


def test_axes_are_dimensions_with_numbers_in_one_unit(whole):
    data = opened(whole)
    assert dict(data.sizes) == {"drug.concentration": 3, "seed": 2, "population": 4, "time": 100}
    np.testing.assert_allclose(data["drug.concentration"], [0, 0.5, 3])
    assert data["drug.concentration"].attrs["units"] == "uM"
    assert data["seed"].values.tolist() == [1, 2]
    assert data.attrs["format"] == dataset.FORMAT and data.attrs["title"] == "Smoke test"


def test_every_number_of_every_summary_is_at_its_point(whole):
    data = opened(whole)
    for point in whole.points:
        at = dict(zip(("drug.concentration", "seed"), point.place, strict=True))
        run = Results.open(whole.results(point.id))
        assert data["point"].isel(at).item() == point.id and data["status"].isel(at).item() == "done"
        for key, value in run.summary.items():
            found = data[key].isel(at).item()
            assert found == value or (value is None and np.isnan(found)), key
        np.testing.assert_array_equal(data["rate"].isel(at).sel(population="PV"), run.population_rate("PV")[1])


def test_everything_has_units_and_words_and_nothing_is_decoded_to_time(whole):
    for name, variable in opened(whole).variables.items():
        assert {"units", "long_name"} <= variable.attrs.keys(), name
        assert variable.dtype.kind in "fiOUT", name


def test_units_are_those_in_the_keys(whole):
    data = opened(whole)
    units = {"rate_PV_drug_hz": "Hz", "glutamate_drug_uM": "uM", "gamma_power_baseline_pA2": "pA^2"}
    units |= {"ampa_throughput_drug_pC_per_s": "pC/s", "rate_PV_change_percent": "%", "block_SST_GluN2B": "1"}
    assert {key: data[key].attrs["units"] for key in units} == units
    assert described("rate_PV_change_percent") == ("%", "mean firing rate per cell, PV, change from baseline to drug")
    for key in collect.gather(whole).values:
        assert not re.search("[A-Za-z]_[a-z]", described(key)[1]), key  # no key in the place of words


def test_draws_and_keys_that_change_together_lie_along_their_axis(tmp_path, root):
    config = tmp_path / "drawn.yaml"
    config.write_text(DRAWN.format(root=root))
    data = opened(made_sweep.fill(made_sweep.planned(tmp_path / "sweep", (), config)))
    assert dict(data.sizes) == {"seed": 2, "time_axis": 2, "draw": 4, "population": 4, "time": 100}
    drawn = data["parameters.cells.PV.g_tonic_max"]
    assert drawn.dims == ("draw",) and drawn.attrs["units"] == "nS" and "extrasynaptic" in drawn.attrs["long_name"]
    assert data["drug.concentration"].dims == ("time_axis",) and data["time_axis"].attrs["key"] == "time"
    assert {"drug.concentration", "protocol.t_drug", drawn.name} <= set(data.coords)


def test_arms_are_text(tmp_path, root):
    config = tmp_path / "arms.yaml"
    config.write_text(f"{BRIEF.format(root=root)}arms: {{plain: {{}}, 'no drug': {{drug: {{name: none}}}}}}\n")
    data = opened(made_sweep.fill(made_sweep.planned(tmp_path / "sweep", ("seed=1..2",), config)))
    assert data["rate_PV_drug_hz"].sel(arm="no drug").dims == ("seed",)


def test_the_course_is_there_with_its_hours(tmp_path, root):
    vary = ("arm=saline,ketamine", "seed=1..2")
    sweep = made_sweep.planned(tmp_path / "sweep", vary, root / "configs/antagonists.yaml")
    data = opened(made_sweep.fill(sweep, leave_out=[3]))
    assert data["chain_mTOR"].sizes == {"arm": 2, "seed": 2, "chain_hours": 50}
    assert data["spines_density"].attrs["units"] == "1" and data["chain_hours"].attrs["units"] == "h"
    assert np.isnan(data["spines_density"].sel(arm="ketamine", seed=2)).all()
    run = Results.open(sweep.results(sweep.points[2].id))
    np.testing.assert_array_equal(data["chain_mTOR"].sel(arm="ketamine", seed=1), run.chain("mTOR")[1])


# What is missing


def test_missing_and_failed_points_are_nan(sweep):
    lose(sweep, 1, 4)
    points.fail(sweep, sweep.points[4].id, "It blew up.", points.BY_ITSELF)
    data = opened(sweep)
    assert data["status"].values.tolist() == [["done", "missing"], ["done", "done"], ["failed", "done"]]
    assert np.isnan(data["rate_PV_drug_hz"].values).tolist() == [[False, True], [False, False], [True, False]]
    assert np.isnan(data["rate"].isel({"drug.concentration": 0, "seed": 1})).all()
    assert (data.attrs["points_done"], data.attrs["points_failed"], data.attrs["points_missing"]) == (4, 1, 1)


def test_a_silent_population_has_no_variability(sweep):
    lose(sweep, 0)
    data = opened(made_sweep.fill(sweep, leave_out=range(1, 6), silent=["SST"]))
    assert data["rate_SST_drug_hz"].values[0, 0] == 0 and np.isnan(data["cv_isi_SST"].values[0, 0])


def test_a_sweep_without_any_result_has_its_axes(sweep):
    lose(sweep, *range(6))
    data = opened(sweep)
    assert (data["status"] == "missing").all() and data.sizes["seed"] == 2 and "rate" not in data


@pytest.mark.parametrize("damage", ["cut", "altered", "foreign", "interrupted", "no manifest"])
def test_a_damaged_point_is_left_out_and_told(sweep, damage):
    bad, other = (sweep.results(point.id) for point in sweep.points[:2])
    manifest = json.loads((bad / MANIFEST).read_text())
    match damage:
        case "cut":
            (bad / DATA).write_bytes((bad / DATA).read_bytes()[:-10])
        case "altered":
            with h5py.File(bad / DATA, "r+") as file:
                file["rates/rate"][0, 0] = 1e6
        case "foreign":
            (bad / MANIFEST).write_text(json.dumps({**manifest, **json.loads((other / MANIFEST).read_text())}))
            for name in (DATA, "summary.json"):
                (bad / name).write_bytes((other / name).read_bytes())
        case "interrupted":
            (bad / MANIFEST).write_text(json.dumps(manifest | {"status": "interrupted"}))
        case "no manifest":
            (bad / MANIFEST).unlink()
    found = collect.gather(sweep)
    told = found.sentences()
    assert found.counts == {"done": 5, "failed": 0, "missing": 0, "damaged": 1}
    assert bad.name in told[0] and told[1].endswith(f"pfc retry {sweep.folder}")
    data = opened(sweep)
    assert data["status"].values[0, 0] == "damaged" and np.isnan(data["rate_PV_drug_hz"].values[0, 0])
    assert np.nanmax(data["rate"]) < 1e6


def test_series_that_differ_in_their_samples_are_left_out_and_told(sweep):
    lose(sweep, 5)
    made_sweep.fill(sweep, leave_out=range(5), bins=20)
    assert "rate" not in opened(sweep) and "rate_PV_drug_hz" in opened(sweep)
    assert any("rates of the points differ" in sentence for sentence in collect.gather(sweep).sentences())


def test_series_too_large_for_one_file_are_left_out_and_told(whole, monkeypatch):
    monkeypatch.setattr(collect, "LIMIT", 4 * 4 * 100 * 5)
    found = collect.gather(whole)
    assert not found.stacks["rates"].values
    assert "rates of the points would take" in found.sentences()[0]


# What it depends on


def test_the_same_results_give_the_same_bytes_in_whatever_order_they_were_made(whole, tmp_path):
    other = made_sweep.fill(made_sweep.planned(tmp_path / "elsewhere", VARY), backwards=True)
    dataset.write(collect.gather(other))
    for name in ("sweep.nc", "sweep.csv"):
        assert (other.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_large_series_are_packed_and_the_same(whole, tmp_path, monkeypatch):
    plain = opened(whole)
    monkeypatch.setattr(netcdf, "_shrinks", lambda values: True)
    packed = tmp_path / "packed.nc"
    packed.write_bytes(dataset.content(collect.gather(whole)))
    with h5py.File(packed) as file:
        assert file["rate"].chunks == (1, 1, 4, 100)
    xarray.testing.assert_identical(xarray.load_dataset(packed, engine="h5netcdf"), plain)


def test_the_table_has_a_line_for_each_point(whole):
    found = collect.gather(whole)
    rows = list(csv.DictReader(dataset.table(found).splitlines()))
    assert [row["point"] for row in rows] == [point.id for point in whole.points]
    assert rows[2]["drug.concentration"] == "500 nM" and rows[3]["seed"] == "2" and rows[0]["status"] == "done"
    for row, point in zip(rows, whole.points, strict=True):
        summary = Results.open(whole.results(point.id)).summary
        assert {key: float(row[key]) if row[key] else None for key in summary} == summary


def test_nothing_but_the_two_files_is_left(whole):
    names = {path.name for path in whole.folder.iterdir() if not path.name.startswith(".")}
    assert names == {"plan.json", "points", "sweep.nc", "sweep.csv"}
    assert not list(whole.folder.glob(".sweep*"))


def test_a_disk_that_refuses_is_told(whole, monkeypatch):
    def refuse(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dataset.folder, "write_file", refuse)
    with pytest.raises(StorageError, match="No space left on device.*points are safe.*pfc collect"):
        dataset.write(collect.gather(whole))
