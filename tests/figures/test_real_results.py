# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures and report from a real results folder, written and opened by `gpu.results`."""

from __future__ import annotations

import numpy as np
import pytest

from circuit import config
from circuit.subunits import CLASSES
from figures import make, report
from figures import numbers as model
from figures.timeline import Timeline
from gpu.results import RunData, write
from tests.figures.standin import StandIn

DT = 1e-4


def run_data(made: StandIn) -> RunData:
    """The stand-in's recordings as a runner would hand them over."""
    first = dict(zip(made.sizes, np.cumsum([0, *made.sizes.values()]).tolist(), strict=False))
    spikes = {name: made.spikes(name) for name in made.sizes}
    names = ("glutamate", "drug_concentration", "ampa_throughput")
    times, _ = made.lfp()
    return RunData(
        dt=DT,
        duration=made.duration,
        sizes=made.sizes,
        spikes_step=np.concatenate([np.floor(t / DT).astype(int) for t, _ in spikes.values()]),
        spikes_cell=np.concatenate([cell + first[name] for name, (_, cell) in spikes.items()]),
        column={"time": made.column("glutamate")[0], **{name: made.column(name)[1] for name in names}},
        block={
            "time": made.block("PYR", "GluN2A")[0],
            "fraction": np.array([[made.block(name, cls)[1] for cls in CLASSES] for name in made.sizes]),
            "share": np.array([made.class_shares(name) for name in made.sizes]),
        },
        classes=CLASSES,
        lfp={"time": times, **{name: made.lfp(name)[1] for name in ("excitatory", "inhibitory", "lfp")}},
    )


def folder(path, root, stop):
    made = StandIn(stop=stop)
    experiment = config.load(root / "configs" / "ketamine.yaml")
    manifest = {
        "status": "complete" if stop >= 20 else "interrupted",
        "device": {"name": "cpp", "reason": "because"},
        "build": {"hash": "abc", "compiled": True},
        "timings": {"simulate_s": 1.0},
        "versions": {"brian2": "2.10.1", "brian2cuda": None},
        "commit": None,
        "hardware": {"cpu": None, "cores": 2, "memory_gib": 8.0},
    }
    return write(path, experiment, run_data(made), manifest)


@pytest.mark.parametrize("stop", [20.0, 9.3])
def test_a_real_folder_becomes_figures_and_a_report(stop, root, tmp_path):
    results = folder(tmp_path / "run", root, stop)
    course = Timeline.of(results)
    assert course.treatment == "ketamine 1 µM" and course.interrupted == (stop < 20) and course.planned == 20.0
    page = report.write(results, make.all(results, results.path / "figures"))
    assert page == results.path / "report.html"
    source = page.read_text(encoding="utf-8")
    assert source.count("data:image/png") == len(make.FIGURES)
    leaves = list(model.leaves(model.tree(results.manifest)))
    assert all(f"{name} {count:,}" in source for name, count in results.manifest["spike_counts"].items())
    assert len(leaves) > 150 and all(leaf.status for leaf in leaves)
