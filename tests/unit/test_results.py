# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written is what is read, here, in xarray and in h5py; nothing half-made or altered is taken for a result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from circuit.config import load
from circuit.errors import ResultsError, UserError
from circuit.populations import POPULATIONS
from circuit.schema import in_degrees
from circuit.subunits import CLASSES
from gpu import layout
from gpu.results import NotRecordedError, Results, RunData, amend_manifest, check_destination, write
from gpu.summary import SPIKING

NUMBERS = load(Path(__file__).resolve().parents[2] / "configs/ketamine.yaml").numbers
SIZES = {"PYR": 40, "PV": 4, "SST": 3, "VIP": 3}
DT, DURATION = 1e-4, 6.0
MANIFEST = {"status": "complete", "timings": {"build_s": 0.1}}


def experiment(**changes):
    """What `write` asks of a `circuit.config.Experiment`: 1 s settling, 2 s baseline, 1 s transition, 2 s drug."""
    phases = {"t_settle": 1.0, "t_baseline": 2.0, "t_transition": 1.0, "t_drug": 2.0} | changes
    return SimpleNamespace(
        title="Ketamine µ-step",
        seed=7,
        protocol=SimpleNamespace(**{name: SimpleNamespace(si=value) for name, value in phases.items()}),
        course=None,
        drugs=(SimpleNamespace(name="ketamine"),),
        numbers=NUMBERS,
        drug_onset=SimpleNamespace(si=phases["t_settle"] + phases["t_baseline"]),
        resolved_json=lambda: '{"title": "Ketamine µ-step", "seed": 7}',
    )


def run_data(duration=DURATION, silent=(), seed=1) -> RunData:
    """A made-up run: Poisson spikes at 20 Hz, glutamate 1 then 1.5 uM, block as row + column / 10, a 40 Hz rhythm."""
    random = np.random.default_rng(seed)
    owner = np.repeat(list(SIZES), list(SIZES.values()))
    cell = random.integers(0, len(owner), size=int(20 * len(owner) * duration))
    step = random.integers(0, round(duration / DT), size=len(cell))
    heard = ~np.isin(owner[cell], silent)
    slow, fast = np.arange(0, duration, 0.01), np.arange(0, duration, 0.001)
    drug_on = slow >= 3.0
    fraction = np.add.outer(np.arange(4) / 10, np.arange(4) / 100)[:, :, None] * drug_on
    excitatory = 100 + np.sin(2 * np.pi * 40 * fast) * np.where(fast < 3, 1, 2)
    return RunData(
        dt=DT,
        duration=duration,
        sizes=SIZES,
        spikes_step=step[heard],
        spikes_cell=cell[heard],
        column={
            "time": slow,
            "glutamate": np.where(drug_on, 1.5, 1.0),
            "drug_concentration": 1.0 * drug_on,
            "ampa_throughput": np.where(drug_on, 3.0, 2.0),
        },
        block={"time": slow, "fraction": fraction, "share": np.tile([0.5, 0.2, 0.2, 0.1], (4, 1))},
        classes=CLASSES,
        lfp={"time": fast, "excitatory": excitatory, "inhibitory": -excitatory, "lfp": 2 * excitatory},
        voltage={"time": slow, "cell": np.array([0, 1, 40, 44, 47]), "soma": np.arange(5.0)[:, None] - 0 * slow},
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Results:
    """A finished results folder; tests only read it."""
    return write(tmp_path_factory.mktemp("results") / "ketamine", experiment(), run_data(), MANIFEST)


@pytest.fixture
def folder(tmp_path):
    """A finished results folder to damage."""
    return write(tmp_path / "run", experiment(), run_data(), MANIFEST).path


def everything(path):
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


# What is written is what is read


def test_spikes_come_back_sorted_exact_and_by_population(written):
    data = run_data()
    times, cell = written.spikes()
    order = np.lexsort((data.spikes_cell, data.spikes_step))
    assert np.array_equal(times, data.spikes_step[order] * DT)
    assert np.array_equal(cell, data.spikes_cell[order])
    counts = {}
    for name, cells in written.ranges.items():
        times, within = written.spikes(name)
        assert np.all(np.diff(times) >= 0)
        assert within.min() >= 0 and within.max() == SIZES[name] - 1
        counts[name] = len(times)
        assert counts[name] == np.sum((data.spikes_cell >= cells.start) & (data.spikes_cell < cells.stop))
    assert counts == written.manifest["spike_counts"] == data.spike_counts


def test_a_window_is_half_open_whatever_rounding_does(tmp_path):
    # 3 * 0.1 is not 0.3: the spike of step 3000 belongs to [0.3, 0.6) all the same, the one of step 6000 does not.
    steps = np.array([2999, 3000, 5999, 6000])
    data = replace(run_data(), spikes_step=steps, spikes_cell=np.zeros(4, int))
    run = write(tmp_path / "run", experiment(), data, MANIFEST)
    assert run.spikes("PYR", (3 * 0.1, 6 * 0.1))[0] == pytest.approx([0.3, 0.5999])
    assert run.rate("PYR", (3 * 0.1, 6 * 0.1)) == pytest.approx(2 / (40 * 0.3))


def test_series_block_and_voltages_come_back(written):
    data = run_data()
    for name in ("glutamate", "drug_concentration", "ampa_throughput"):
        time, values = written.column(name)
        assert np.array_equal(time, data.column["time"])
        assert np.array_equal(values, data.column[name].astype(np.float32))
    assert np.array_equal(written.lfp("inhibitory")[1], data.lfp["inhibitory"].astype(np.float32))
    assert np.array_equal(written.block("SST", "GluN2D")[1], data.block["fraction"][2, 3])
    assert [len(written.voltage(name)[1]) for name in SIZES] == [2, 1, 1, 1]
    assert written.voltage("SST")[1][0, 0] == 3
    assert written.sizes == SIZES and tuple(SIZES) == POPULATIONS and written.classes == CLASSES
    assert (written.dt, written.duration, written.interrupted) == (DT, DURATION, False)
    assert written.windows == {"baseline": (1.0, 3.0), "drug": (4.0, 6.0)}


def test_rates_agree_with_spikes(written):
    for name, size in SIZES.items():
        time, rate = written.population_rate(name)
        assert np.sum(rate) * layout.RATE_BIN * size == pytest.approx(len(written.spikes(name)[0]))
        assert time[0] == pytest.approx(0.005) and len(time) == 600
        assert np.mean(written.cell_rates(name, "drug")) == pytest.approx(written.rate(name, "drug"))


@pytest.mark.parametrize("ask", [
    lambda run: run.spikes("LHX6"), lambda run: run.column("dopamine"), lambda run: run.block("PV", "GluN9"),
    lambda run: run.rate("PV", "washout"), lambda run: run.voltage("PV", "dendrite"), lambda run: run.lfp("eeg"),
])  # fmt: skip
def test_what_was_not_recorded_is_refused_with_what_there_is(written, ask):
    with pytest.raises(NotRecordedError, match=r"has no .*; it has \w+") as error:
        ask(written)
    assert isinstance(error.value, KeyError) and isinstance(error.value, UserError)


# Other programs


def test_xarray_opens_every_group_and_finds_units_everywhere(written):
    xarray = pytest.importorskip("xarray")
    tree = xarray.open_datatree(written.path / "data.nc", engine="h5netcdf")
    assert set(tree.children) == {"populations", "cells", "spikes", "rates", "column", "block", "lfp", "voltage"}
    for name, group in tree.children.items():
        assert group.variables, name
        for key, variable in group.variables.items():
            assert {"units", "long_name"} <= variable.attrs.keys(), f"{name}/{key}"
            assert variable.dtype.kind in "ifOUT", f"{name}/{key} was decoded to {variable.dtype}"
    by_name = tree["block"]["fraction"].sel(population="SST").sel({"class": "GluN2B"})
    assert float(by_name.sel(time=slice(4, 6)).mean()) == pytest.approx(0.21)
    assert tree["cells"]["population"].values.tolist().count("VIP") == 3
    assert tree.attrs["dt_s"] == DT and tree.attrs["title"] == "Ketamine µ-step"


def test_the_examples_of_the_documentation_run(written, root, monkeypatch):
    monkeypatch.chdir(written.path.parent.parent)
    (written.path.parent.parent / "results").unlink(missing_ok=True)
    os.symlink(written.path.parent, "results")
    names: dict[str, object] = {}
    examples = re.findall(r"```python\n(.*?)```", (root / "docs/results.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(example, names)
    assert names["run"].sizes == SIZES
    names["rates"].close()


def test_reading_needs_no_simulator(written, root):
    code = (
        "import sys; from gpu.results import Results\n"
        "assert not {'h5py', 'h5netcdf', 'xarray', 'matplotlib'} & sys.modules.keys(), 'slow import'\n"
        f"run = Results.open({str(written.path)!r}); run.spikes('PYR'); run.summary\n"
        "assert not {'brian2', 'brian2cuda', 'pydantic', 'circuit.network'} & sys.modules.keys(), 'heavy import'\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


# Summary


def test_summary_has_the_numbers_that_went_in(written):
    summary = written.summary
    assert summary["glutamate_baseline_uM"] == 1.0
    assert summary["glutamate_drug_uM"] == 1.5
    assert summary["glutamate_change_percent"] == pytest.approx(50)
    assert summary["ampa_throughput_change_percent"] == pytest.approx(50)
    assert summary["block_SST_GluN2B"] == pytest.approx(0.21)
    assert summary["block_SST_mean"] == pytest.approx(0.5 * 0.20 + 0.2 * 0.21 + 0.2 * 0.22 + 0.1 * 0.23)
    assert summary["rate_PV_drug_hz"] == written.rate("PV", (4.0, 6.0))
    assert summary["gamma_power_baseline_pA2"] == pytest.approx(2, rel=0.01)  # a sine of amplitude 2 pA
    assert summary["gamma_power_change_percent"] == pytest.approx(300, rel=0.01)
    assert summary["gamma_peak_drug_hz"] == 40 and summary["gamma_prominence_drug"] > 100
    assert summary["delta_power_drug_pA2"] == pytest.approx(0, abs=0.01)
    # Of a sine that nothing surrounds, the aperiodic part is what the window leaks, and next to nothing.
    assert summary["gamma_periodic_drug_pA2"] == pytest.approx(summary["gamma_power_drug_pA2"], rel=0.01)
    assert summary["excitation_PYR_drug_pA"] == pytest.approx(-100) and summary["excitation_PYR_change_percent"] == (
        pytest.approx(0, abs=0.01)
    )
    assert summary["active_fraction_PYR"] == 1


def test_release_is_told_from_the_balance_and_from_spikes(written):
    summary, glutamate = written.summary, NUMBERS.glutamate
    uptake_max, uptake_K = glutamate.uptake_max.to("uM/s"), glutamate.uptake_K.to("uM")
    # At 1 uM that does not move, what is taken up is what is released and what leaks.
    steady = uptake_max / (uptake_K + 1) - glutamate.leak.to("uM/s")
    assert summary["glutamate_release_baseline_uM_per_s"] == pytest.approx(steady, rel=1e-3)
    degrees = in_degrees(NUMBERS)
    arriving = sum(
        degrees[f"{source}_to_{target}"] * SIZES[target] * summary[f"rate_{source}_drug_hz"]
        for source in ("PV", "SST", "VIP") for target in SIZES
    )  # fmt: skip
    assert summary["gaba_release_drug_hz"] == pytest.approx(arriving / 50)


def test_the_balance_of_glutamate_is_not_known_when_uptake_is_blocked(tmp_path):
    exp = experiment()
    exp.drugs = (SimpleNamespace(name="TBOA"),)
    summary = write(tmp_path / "run", exp, run_data(), MANIFEST).summary
    assert summary["glutamate_release_drug_uM_per_s"] is None and summary["glutamate_drug_uM"] == 1.5


def test_a_window_too_short_for_a_rhythm_has_no_number_of_it(tmp_path):
    summary = write(tmp_path / "run", experiment(t_baseline=0.4), run_data(), MANIFEST).summary
    told = [key for key in summary if key.endswith("_baseline_pA2") or key.startswith(("gamma_peak", "spike_field"))]
    assert {key for key in told if summary[key] is not None} == {
        "gamma_peak_drug_hz", *(f"spike_field_{name}_drug" for name in SIZES)
    }
    assert summary["rate_PYR_baseline_hz"] > 0 and summary["excitation_PYR_baseline_pA"] < 0


def test_the_drug_window_has_a_twin_of_each_measure_of_spiking(tmp_path):
    """Where both windows hold the same spikes, both have the same numbers, and no cell has changed."""
    step = np.random.default_rng(3).integers(10_000, 30_000, size=4000)
    cell = np.random.default_rng(4).integers(0, 50, size=4000)
    data = replace(run_data(), spikes_step=np.append(step, step + 30_000), spikes_cell=np.append(cell, cell))
    summary = write(tmp_path / "run", experiment(), data, MANIFEST).summary
    for name in SIZES:
        for key in SPIKING:
            assert summary[f"{key}_{name}_drug"] == pytest.approx(summary[f"{key}_{name}"]), key
        assert summary[f"burst_fraction_{name}_change_percent"] == pytest.approx(0, abs=1e-9)
        assert summary[f"cells_up_{name}"] == summary[f"cells_down_{name}"] == 0


def test_documented_keys_are_the_keys_produced(written, root):
    section = (root / "docs/results.md").read_text().split("## summary.json")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \|", section, re.M)
    documented = {
        row.replace("<POP>", population).replace("<CLASS>", name).replace("<WINDOW>", window)
        for row in rows for population in POPULATIONS for name in CLASSES for window in ("baseline", "drug")
    }  # fmt: skip
    assert documented == written.summary.keys()


def test_documented_manifest_is_the_one_written(tmp_path, root):
    from gpu.provenance import manifest

    known = manifest(
        device={"name": "cpp", "reason": "g++ works"},
        build={"hash": "ab", "compiled": True},
        column={"number": 0, "of": 1, "noise_seed": 1},
        timings={"build_s": 1.0},
    )
    run = write(tmp_path / "run", experiment(), run_data(), known)
    table = (root / "docs/results.md").read_text().split("## manifest.json")[1].split("\n## ")[0]
    documented = {key for row in re.findall(r"^\| (`.+?`) \|", table, re.M) for key in re.findall(r"`(\w+)`", row)}
    assert documented == run.manifest.keys()


# Little or nothing to show


def test_a_silent_population_has_a_rate_of_zero_and_no_cv(tmp_path):
    summary = write(tmp_path / "run", experiment(), run_data(silent=("SST",)), MANIFEST).summary
    assert summary["rate_SST_baseline_hz"] == 0 and summary["active_fraction_SST"] == 0
    assert summary["rate_SST_change_percent"] is None
    assert summary["cv_isi_SST"] is None and summary["fano_factor_SST"] is None
    assert summary["cv_isi_PYR"] > 0


def test_a_run_without_a_spike(tmp_path):
    xarray = pytest.importorskip("xarray")
    run = write(tmp_path / "run", experiment(), run_data(silent=POPULATIONS), MANIFEST)
    assert run.spikes("PYR")[0].size == 0
    assert run.rate("PYR", "baseline") == 0
    with xarray.open_dataset(run.path / "data.nc", group="spikes", engine="h5netcdf") as spikes:
        assert spikes.sizes == {"spike": 0}


def test_an_interrupted_run_keeps_what_it_has(tmp_path):
    run = write(tmp_path / "run", experiment(), run_data(duration=4.5), {"status": "interrupted"})
    assert run.interrupted and run.windows == {"baseline": (1.0, 3.0)}
    assert run.summary["rate_PYR_baseline_hz"] > 0
    late = ("drug", "change", "block", "cells_")
    drug = {key: value for key, value in run.summary.items() if any(word in key for word in late)}
    assert set(drug.values()) == {None}
    with pytest.raises(ResultsError, match="has no window 'drug' .the run was interrupted.; it has baseline"):
        run.rate("PYR", "drug")


@pytest.mark.parametrize("duration", [0.0, 0.5])
def test_a_run_interrupted_before_any_window(tmp_path, duration):
    data = run_data(duration=duration)
    run = write(tmp_path / "run", experiment(), data, {"status": "interrupted"})
    assert run.windows == {}
    assert run.summary.keys() and set(run.summary.values()) == {None}
    assert len(run.spikes("PYR")[0]) == data.spike_counts["PYR"]


def test_a_protocol_without_drug_has_no_drug_window(tmp_path):
    exp = experiment(t_transition=0.0, t_drug=0.0)
    assert write(tmp_path / "run", exp, run_data(), MANIFEST).windows == {"baseline": (1.0, 3.0)}


def test_a_run_without_traces_and_without_shares(tmp_path):
    data = run_data()
    block = {key: value for key, value in data.block.items() if key != "share"}
    run = write(tmp_path / "run", experiment(), replace(data, voltage={}, block=block), MANIFEST)
    assert run.summary["block_PV_mean"] is None and run.summary["block_PV_GluN2D"] > 0
    with pytest.raises(NotRecordedError, match="it has none"):
        run.voltage("PV")


def test_a_class_that_a_population_lacks_has_no_say_in_its_mean(tmp_path):
    data = run_data()
    fraction, share = data.block["fraction"].copy(), data.block["share"].copy()
    fraction[0, 1:], share[0] = np.nan, (1, 0, 0, 0)
    run = write(
        tmp_path / "run", experiment(), replace(data, block={**data.block, "fraction": fraction, "share": share}), {}
    )
    assert run.summary["block_PYR_GluN2D"] is None
    assert run.summary["block_PYR_mean"] == run.summary["block_PYR_GluN2A"]


@pytest.mark.parametrize("change, words", [
    ({"spikes_cell": np.zeros(3, int)}, "spike times for 3 cells"),
    ({"spikes_cell": np.array([50]), "spikes_step": np.array([0])}, "in a network of 50"),
    ({"column": {"time": np.arange(3.0), "glutamate": np.ones(4)}}, r"column/glutamate has the shape \(4,\)"),
    ({"lfp": {"time": np.arange(3.0), "eeg": np.ones(3)}}, "lfp/eeg has no unit"),
    ({"classes": ("GluN2A",)}, r"block/fraction has the shape \(4, 4, 600\), expected \(4, 1, 600\)"),
])  # fmt: skip
def test_data_that_do_not_fit_together_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        replace(run_data(), **change)


# Writing: all or nothing, and nothing of anybody else


def test_the_same_run_gives_the_same_file(tmp_path):
    runs = [write(tmp_path / name, experiment(), run_data(), MANIFEST) for name in "ab"]
    assert runs[0].manifest["sha256"] == runs[1].manifest["sha256"]
    other = write(tmp_path / "c", experiment(), run_data(seed=2), MANIFEST)
    assert other.manifest["sha256"] != runs[0].manifest["sha256"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("bug"), KeyboardInterrupt()])
def test_a_failed_write_leaves_nothing_and_spares_the_old(folder, monkeypatch, error):
    def fail(path, *_):
        path.write_bytes(b"half")
        raise error

    before = everything(folder.parent), (folder / "data.nc").read_bytes()
    monkeypatch.setattr("gpu.folder.write_file", fail)
    for path in (folder, folder.parent / "new"):
        with pytest.raises(ResultsError if isinstance(error, OSError) else type(error)):
            write(path, experiment(), run_data(), MANIFEST, overwrite=True)
    assert (everything(folder.parent), (folder / "data.nc").read_bytes()) == before


def test_an_old_result_gives_way_only_to_overwrite(folder):
    with pytest.raises(ResultsError, match="already holds results.*--overwrite"):
        write(folder, experiment(), run_data(seed=2), MANIFEST)
    (folder / "figures").mkdir()
    old = Results.open(folder).manifest["sha256"]
    assert write(folder, experiment(), run_data(seed=2), MANIFEST, overwrite=True).manifest["sha256"] != old
    assert everything(folder.parent) == ["run", "run/data.nc", "run/manifest.json", "run/summary.json"]


def test_overwrite_deletes_nobody_elses_files(folder):
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ResultsError, match="holds notes.txt besides the results"):
        check_destination(folder, overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_place_that_is_taken_is_refused(tmp_path, overwrite):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    for name, words in {"file": "is a file", "full": "holds no results", "file/below": "not a folder you may"}.items():
        with pytest.raises(ResultsError, match=words):
            check_destination(tmp_path / name, overwrite)
    assert everything(tmp_path) == ["file", "full", "full/thesis.tex"]


def test_a_new_or_empty_place_is_fine(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new", "deep/er"):
        check_destination(tmp_path / name)
        assert write(tmp_path / name, experiment(), run_data(), MANIFEST).rate("PV", "drug") > 0


def test_results_can_be_read_by_others(folder):
    mask = os.umask(0)
    os.umask(mask)
    assert folder.stat().st_mode & 0o777 == 0o777 & ~mask


def test_the_manifest_can_be_amended(folder):
    amend_manifest(folder, timings={"figures_s": 2.0}, status="interrupted")
    run = Results.open(folder)
    assert run.manifest["timings"] == {"build_s": 0.1, "figures_s": 2.0} and run.interrupted
    assert everything(folder) == ["data.nc", "manifest.json", "summary.json"]


# Damage


@pytest.mark.parametrize("damage", [
    lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda data: b"",
    lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
], ids=["last byte", "half", "empty", "one bit"])  # fmt: skip
def test_altered_data_are_refused(folder, damage):
    file = folder / "data.nc"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ResultsError, match=r"data.nc has been truncated or altered .* run again"):
        Results.open(folder)


def test_unverified_damage_is_still_a_sentence(folder):
    (folder / "data.nc").write_bytes(b"no HDF5")
    with pytest.raises(ResultsError, match=r"data.nc cannot be read"):
        _ = Results.open(folder, verify=False).sizes


@pytest.mark.parametrize("name", ["data.nc", "manifest.json", "summary.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ResultsError, match=name):
        Results.open(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "pfc-results 99"}', "\x00\xff"])
def test_a_damaged_manifest_is_refused(folder, text):
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ResultsError):
        Results.open(folder)


def test_what_is_no_results_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for name, words in {"none": "no such folder", ".": "has no manifest.json", "file": "no such folder"}.items():
        with pytest.raises(ResultsError, match=words):
            Results.open(tmp_path / name)


@pytest.mark.parametrize("name", ["manifest.json", "summary.json"])
def test_json_files_hold_no_nan(written, name):
    json.loads((written.path / name).read_text(), parse_constant=lambda word: pytest.fail(f"holds {word}"))
