# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up run with the methods of `gpu.results.Results` and realistic numbers, so that figures need no simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from circuit.errors import ResultsError
from circuit.measures import spectrum
from circuit.subunits import CLASSES
from gpu.summary import Constants, summarise

SIZES = {"PYR": 1600, "PV": 140, "SST": 120, "VIP": 140}
RATES = {"PYR": 2.0, "PV": 10.0, "SST": 6.0, "VIP": 5.0}
CHANGE = {"PYR": 1.35, "PV": 0.80, "SST": 0.65, "VIP": 1.05}
SETTLED = {
    (name, cls): block
    for cls, blocks in {
        "GluN2A": (0.17, 0.22, 0.20, 0.21),
        "GluN2B": (0.18, 0.23, 0.21, 0.22),
        "GluN2C": (0.0, 0.42, 0.39, 0.0),
        "GluN2D": (0.0, 0.30, 0.29, 0.0),
    }.items()
    for name, block in zip(SIZES, blocks, strict=True)
}
MIX = {
    "PYR": (0.55, 0.45, 0.0, 0.0),
    "PV": (0.45, 0.20, 0.10, 0.25),
    "SST": (0.30, 0.35, 0.05, 0.30),
    "VIP": (0.40, 0.60, 0.0, 0.0),
}
MEAN_EXT = {"PYR": 1.75, "PV": 1.65, "SST": 0.72, "VIP": 0.65}
NMDA_RATIO = {"PYR": 0.5, "PV": 0.12, "SST": 0.45, "VIP": 0.6}
TONIC = {"PYR": 1, "PV": 4, "SST": 3, "VIP": 1}
DURATION, ONSET, STEP = 20.0, 7.0, 0.01

PROBABILITY = {
    "PYR": (0.08, 0.25, 0.20, 0.10),
    "PV": (0.40, 0.40, 0.08, 0.08),
    "SST": (0.35, 0.25, 0.05, 0.30),
    "VIP": (0.0, 0.10, 0.35, 0.05),
}
CONDUCTANCE = {
    "PYR": (0.25, 0.40, 0.09, 0.30),
    "PV": (1.2, 1.2, 0.6, 0.5),
    "SST": (0.73, 0.35, 0.33, 0.30),
    "VIP": (0.3, 0.28, 0.50, 0.20),
}


class StandIn:
    """The part of `gpu.results.Results` that figures use."""

    path = Path("results/stand-in")
    classes = CLASSES

    def __init__(
        self, scale=0.05, silent=(), drug=True, stop=DURATION, seed=1, dose=1.0, config=True, windows=None, flat=False
    ):
        self._random = np.random.default_rng(seed)
        self.sizes = {name: max(6, round(size * scale)) for name, size in SIZES.items()}
        self._drug, self.duration, self._dose = drug, stop, dose
        self.interrupted = stop < DURATION
        self._spikes = {name: self._train(name, name in silent, ONSET if drug else np.inf) for name in self.sizes}
        self._flat = flat
        windows = windows or {"baseline": (2.0, 7.0), "drug": (15.0, 20.0)}
        self.windows = {name: w for name, w in windows.items() if w[1] <= stop and (drug or name == "baseline")}
        self.manifest = manifest(drug, stop, dose, self._spikes, config)
        self.summary = summarise(self, constants())

    def _window(self, window):
        if isinstance(window, str) and window not in self.windows:
            raise ResultsError(f"no window {window}")
        return self.windows[window] if isinstance(window, str) else window

    def spikes(self, population, window=None):
        times, cell = self._spikes[population]
        start, stop = self._window(window) if window is not None else (0, np.inf)
        keep = (times >= start) & (times < stop)
        return times[keep], cell[keep]

    def rate(self, population, window):
        start, stop = self._window(window)
        return self.spikes(population, window)[0].size / self.sizes[population] / (stop - start)

    def cell_rates(self, population, window):
        start, stop = self._window(window)
        return np.bincount(self.spikes(population, window)[1], minlength=self.sizes[population]) / (stop - start)

    def mean(self, name, window):
        return self._mean(*self.column(name), window)

    def mean_block(self, population, name, window):
        return self._mean(*self.block(population, name), window)

    def _mean(self, times, values, window):
        start, stop = self._window(window)
        return float(values[(times >= start) & (times < stop)].mean())

    def class_shares(self, population):
        return np.array(MIX[population])

    def column(self, name):
        t = np.arange(0, self.duration, STEP)
        rise = self._rise(t)
        noise = np.random.default_rng(5).normal(size=t.size)
        if name == "drug_concentration":
            return t, np.where((t >= ONSET) & self._drug, self._dose, 0.0)
        if name == "glutamate":
            slow = np.convolve(noise, np.exp(-np.arange(100) / 20.0))[: t.size] / 4
            return t, 1.0 + 0.3 * rise + 0.05 * slow
        if name == "ampa_throughput":
            return t, np.abs(18 + 8 * rise + 6 * noise)
        raise ResultsError(f"no series {name}")

    def block(self, population, name):
        t = np.arange(0, self.duration, STEP)
        noise = np.random.default_rng(6).normal(size=t.size)
        return t, SETTLED[population, name] * self._rise(t) * (1 + 0.01 * noise)

    def lfp(self, name="lfp"):
        step, random = 1e-3, np.random.default_rng(7)
        size = round(self.duration / step)
        t, frequency = np.arange(size) * step, np.fft.rfftfreq(size, step)

        def noise(shape):
            real, imaginary = random.normal(size=(2, frequency.size))
            z = shape * (real + 1j * imaginary)
            z[0] = 0
            return np.fft.irfft(z, size) * np.sqrt(size)

        bump = np.exp(-0.5 * ((frequency - 45) / 6) ** 2)
        pink = 40 / (1 + (frequency / 12) ** 1.1)
        if name != "lfp":
            return t, np.full(size, {"excitatory": -160.0, "inhibitory": 40.0}[name])
        if self._flat:
            return t, np.full(size, 300.0)
        return t, 300 + noise(pink) + noise(8 * bump) + noise(14 * bump) * self._rise(t)

    def lfp_spectrum(self, window, name="lfp"):
        times, values = self.lfp()
        start, stop = self._window(window)
        return spectrum(values[(times >= start) & (times < stop)], 1e-3)

    def _rise(self, t):
        return np.where((t >= ONSET) & self._drug, 1 - np.exp(-np.maximum(t - ONSET, 0) / 2.0), 0.0)

    def _train(self, name, silent, onset):
        size = self.sizes[name]
        if silent:
            return np.empty(0), np.empty(0, int)
        spread = 0.9 if name == "PYR" else 0.4
        rate = RATES[name] * self._random.lognormal(-(spread**2) / 2, spread, size)
        change = CHANGE[name] * self._random.lognormal(-0.04, 0.28, size)
        before, after = min(onset, self.duration), max(0.0, self.duration - onset)
        counts = self._random.poisson(rate * before), self._random.poisson(rate * change * after)
        cell = np.concatenate([np.repeat(np.arange(size), n) for n in counts])
        times = np.concatenate(
            [self._random.uniform(0, before, counts[0].sum()), before + self._random.uniform(0, after, counts[1].sum())]
        )
        order = np.argsort(times)
        return times[order], cell[order]


def constants():
    degrees = {
        f"{source}_to_{target}": round(PROBABILITY[source][k] * SIZES[source])
        for source in SIZES
        for k, target in enumerate(SIZES)
    }
    return Constants(degrees, leak=10.0, uptake_max=800.0, uptake_K=20.0, has_uptake=True)


def leaf(value, meaning, source="Campagnola2022", status="published", note=""):
    return {"value": value, "meaning": meaning, "source": source, "where": "Table 1", "status": status, "note": note}


def numbers():
    """A tree of parameters in the shape of configs/parameters.yaml."""
    cells = {
        name: {
            "C_m": leaf("120 pF", "membrane capacitance", "Hass2016"),
            "mean_ext": leaf(
                f"{MEAN_EXT[name]} nS", "mean afferent AMPA conductance", status="fitted", note="target: rates"
            ),
            "mean_ext_d": leaf("1.2 nS" if name == "PYR" else "0 nS", "the same at the dendrite", status="fitted"),
            "NMDA_ratio": leaf(NMDA_RATIO[name], "NMDA to AMPA", "Rotaru2011", "assumed"),
            **{
                f"fraction_{cls}": leaf(share, f"share of {cls}", "this model", "assumed")
                for cls, share in zip(CLASSES, MIX[name], strict=True)
            },
            "g_tonic_max": leaf(f"{TONIC[name]} nS", "extrasynaptic NMDA conductance", "this model", "fitted"),
        }
        for name in SIZES
    }
    pathways = {
        f"{source}_to_{target}": {
            "p": leaf(PROBABILITY[source][k], f"connection probability {source} to {target}", "Billeh2020"),
            "g": leaf(f"{CONDUCTANCE[source][k]} nS", "conductance of the first spike", status="assumed"),
        }
        for source in SIZES
        for k, target in enumerate(SIZES)
    }
    return {
        "populations": {name: {"fraction": leaf(SIZES[name] / 2000, f"share of {name} cells")} for name in SIZES},
        "cells": cells,
        "pathways": pathways,
        "synapses": {"num_neurons_ref": leaf(2000, "reference size"), "apical_fraction": leaf(0.4, "apical share")},
        "glutamate": {"initial": leaf("1 uM", "extracellular glutamate at the start")},
    }


def manifest(drug, stop, dose, spikes, config):
    resolved = {
        "title": 'Ketamine <step> & "quotes"',
        "seed": 1,
        "network": {"num_neurons": 2000},
        "numerics": {"dt": "0.1 ms", "precision": "double", "block_acceleration": 100},
        "protocol": {"t_settle": "2 s", "t_baseline": "5 s", "t_transition": "8 s", "t_drug": "5 s"},
        "drug": {"name": "ketamine" if drug else "none", "concentration": f"{dose if drug else 0} uM"},
        "model": numbers(),
    }
    return {
        "status": "complete" if stop >= DURATION else "interrupted",
        "config": resolved if config else {"title": "bare"},
        "seed": 1,
        "simulated_s": stop,
        "versions": {"python": "3.12.1", "brian2": "2.10.1", "numpy": "2.3.0"},
        "commit": "0123abcd",
        "hardware": {"cpu": "A <processor>", "cores": 2, "memory_gib": 24.0},
        "device": {"name": "cpp", "reason": "a C++ compiler was found"},
        "build": {"hash": "9f1c", "compiled": False},
        "timings": {"build_s": 0.02, "draw_s": 0.3, "simulate_s": 7.1, "collect_s": 0.4},
        "spike_counts": {name: int(train[0].size) for name, train in spikes.items()},
    }
