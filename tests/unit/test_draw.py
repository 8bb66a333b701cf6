# SPDX-License-Identifier: GPL-3.0-or-later
"""The arrays of a run: where each value comes from, which stream moves what, and that the program takes all of them.

Every session draws its own seed and prints it. Tests of a distribution have the configured one as their null hypothesis
and fail by chance with probability `FALSE_ALARM`.
"""

from __future__ import annotations

import itertools
import secrets
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from circuit import draw, equations, network, schema, spines, streams
from circuit.config import load
from circuit.course import segments
from circuit.plasticity import SUBUNITS
from circuit.populations import PATHWAYS, POPULATIONS, ranges, sizes, split
from circuit.subunits import TAGS
from gpu import build, devices

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "ketamine.yaml"
FALSE_ALARM = 1e-9
COMPARTMENTS = ("", "_d")

#: What a change of the seed of one stream may move: draws, and what is computed from them.
MOVED_BY = {
    # Edges are in the order of their sources: where the next weight goes follows from who is connected.
    "connectivity": {
        *(f"{name}.{side}" for name in ("excitation", "inhibition", "spines") for side in "ij"),
        "excitation.weight",
        *(f"inhibition.weight{c}" for c in COMPARTMENTS),
        *(f"cells.g_NMDA_max{c}" for c in COMPARTMENTS),
    },
    "weights": {
        "excitation.weight",
        *(f"{name}.weight{c}" for name in ("inhibition", "spines") for c in COMPARTMENTS),
        *(f"cells.g_NMDA_max{c}" for c in COMPARTMENTS),
    },
    "apical_targets": {f"spines.weight{c}" for c in COMPARTMENTS} | {f"cells.g_NMDA_max{c}" for c in COMPARTMENTS},
    "cell_parameters": {
        f"cells.{key}" for key in ("C_m", "C_d", "g_L", "g_L_d", "V_T", "V_T_rest", "V_cut", "v", "v_d")
    },
    "background_means": {
        f"cells.{key}{c}" for key in ("mean_ext", "g_ext", "g_NMDA_ext", "g_NMDA_max") for c in COMPARTMENTS
    },
    "initial_state": {f"cells.{key}{c}" for key in ("v", "noise") for c in COMPARTMENTS},
    "spines": {
        *(f"spines.{key}" for key in ("stage", "head", "efficacy")),
        *(f"cells.g_NMDA_max{c}" for c in COMPARTMENTS),
    },
    "stimulated": {"cells.stimulated"},
    "NMDA_share": {
        *(f"cells.{key}" for key in ("NMDA_ratio", "NMDA_ratio_ext")),
        *(f"cells.{key}{c}" for key in ("g_NMDA_ext", "g_NMDA_max") for c in COMPARTMENTS),
    },
    "inhibition": {
        *(f"inhibition.weight{c}" for c in COMPARTMENTS),
        *(f"cells.{key}{c}" for key in ("mean_ext", "g_ext", "g_NMDA_ext", "g_NMDA_max") for c in COMPARTMENTS),
    },
    "common_input": {"column.shared_noise", "column.slow_noise"},
    "subjects": set(),  # the drug of this experiment is not given as a dose
}
#: What starts at zero, so that no value of the run is needed: no spike has come yet, nothing is blocked.
STARTS_AT_ZERO = {
    *(f"cells.{key}" for key in ("w", "t_ready", "released")),
    *(f"cells.g_{receptor}{c}" for receptor in ("AMPA", "NMDA", "GABA") for c in COMPARTMENTS),
    *(f"cells.g_GABA_tonic{c}" for c in COMPARTMENTS),
    *(f"cells.block_{k}{c}" for k in TAGS for c in COMPARTMENTS),
    *(f"cells.{key}_{target}" for key in ("u", "s", "release", "gate") for target in POPULATIONS),
    *(f"column.{key}" for key in ("released", "I_AMPA_sum", "I_exc_sum", "I_inh_sum", "stimulus")),
    *(f"cells.{key}" for key in ("gate_now", "V_own")),
    *(f"cells.entry_{k}{c}" for k in SUBUNITS for c in COMPARTMENTS),
}
#: Set when the program is made: uniform in each object.
IN_THE_STRUCTURE = {"excitation.delay", "inhibition.delay", "spines.delay"}


#: Without the spreads that the cells of a population may do without, and with them.
ALIKE, SPREAD = ([f"parameters.heterogeneity.log_sd_{name}={sd}" for name in ("NMDA", "inhibition")] for sd in (0, 0.2))


@pytest.fixture(scope="module")
def configure():
    """Load the ketamine experiment with overrides and the session's seed."""
    seed = secrets.randbits(31)
    print(f"seed: {seed}")
    return lambda *overrides, spread=ALIKE, later=0: load(CONFIG, [f"seed={seed + later}", *spread, *overrides])


@pytest.fixture(scope="module")
def exp(configure):
    return configure()


@pytest.fixture(scope="module")
def given(exp):
    return draw.arrays(exp)


@pytest.fixture(scope="module")
def counts(exp):
    return sizes(exp.network.num_neurons, schema.fractions(exp.numbers))


@pytest.fixture(scope="module")
def program(exp, tmp_path_factory):
    """The network as the runner knows it; NumPy's needs no compiler and has the same variables."""
    cache = tmp_path_factory.mktemp("cache")
    return build.find_or_build(network.structure(exp), devices.choose("numpy", cache), cache, lambda line: None)


def changed(one, other):
    """Names of the arrays that differ."""
    assert one.keys() == other.keys()
    return {name for name in one if not np.array_equal(one[name], other[name])}


def test_the_program_knows_every_array_and_its_size(given, program):
    for name, values in given.items():
        target = program.indices.get(name) or program.variables[name]
        assert values.size in (1, target.size), name
        assert np.can_cast(values.dtype, target.dtype, "same_kind"), name
        assert np.isfinite(values).all(), name


def test_every_number_that_the_program_needs_is_given(given, program):
    """What is not given is zero in the program: that must be meant."""
    assert program.indices.keys() <= given.keys()
    assert program.variables.keys() - given.keys() == STARTS_AT_ZERO | IN_THE_STRUCTURE


def test_the_same_seed_gives_the_same_arrays_and_another_seed_others(configure, given):
    assert not changed(given, draw.arrays(configure()))
    other = configure(spread=SPREAD, later=1)
    assert changed(draw.arrays(configure(spread=SPREAD)), draw.arrays(other)) == set().union(*MOVED_BY.values())


@pytest.mark.parametrize("override", [
    "drug.concentration=3 uM", "network.num_neurons=1000", "parameters.cells.PV.g_tonic_max=2 nS",
    "numerics.dt=0.05 ms", "recording.lfp_step=2 ms", "parameters.receptors.Mg=2 mM",
    "knockdowns=[{subunit: GluN2B, populations: [PYR], remaining: 0}]",
])  # fmt: skip
def test_after_another_experiment_the_arrays_are_as_when_drawn_alone(configure, given, override):
    """What is kept of the one before is taken only where it is the same."""
    networks, other = draw.Networks(), configure(override)
    networks.arrays(load(CONFIG, ["seed=7"]))
    networks.arrays(configure())
    assert not changed(networks.arrays(other), draw.arrays(other))
    assert not changed(networks.arrays(configure()), given)


def test_experiments_that_differ_in_a_drug_share_a_network_that_nobody_may_change(configure):
    networks = draw.Networks()
    one, other = (networks.arrays(configure(f"drug.concentration={c} uM")) for c in (0, 3))
    assert changed(one, other) == {"drug_schedule.values"}
    assert np.shares_memory(one["spines.weight"], other["spines.weight"])
    with pytest.raises(ValueError, match="read-only"):
        other["spines.weight"][0] = 1.0


@pytest.mark.parametrize("purpose", streams.STREAMS)
def test_a_stream_moves_what_it_is_for_and_nothing_else(configure, purpose, monkeypatch):
    exp, stream = configure(spread=SPREAD), draw.stream
    given = draw.arrays(exp)
    shifted = lambda seed, name, *keys: stream(seed + (name == purpose), name, *keys)  # noqa: E731
    monkeypatch.setattr(draw, "stream", shifted)
    assert changed(given, draw.arrays(exp)) == MOVED_BY[purpose]


def test_no_two_streams_share_their_numbers():
    """A purpose has keys always or never: NumPy pads with zeros, so a single key of 0 would be as none."""
    assert len(set(streams.STREAMS.values())) == len(streams.STREAMS)
    keys = [(purpose, *key) for purpose in streams.STREAMS for key in ((0,), (1,), (15,), (0, 1))]
    draws = [streams.stream(seed, *key).random() for seed in (1, 2, 2**32 - 1) for key in keys]
    assert len(set(draws)) == len(draws)


def by_pathway(values, name, counts):
    """Edges of a synapses object as (source cell, target cell, weight on either compartment), by pathway."""
    where = ranges(counts)
    i, j = values[f"{name}.i"], values[f"{name}.j"]
    weight = values[f"{name}.weight"] + values.get(f"{name}.weight_d", 0.0)
    found = {}
    for pathway in PATHWAYS:
        source, target = (where[population] for population in split(pathway))
        mine = (i >= source.start) & (i < source.stop) & (j >= target.start) & (j < target.stop)
        found[pathway] = i[mine], j[mine], weight[mine]
    return found


def every_pathway(values, counts):
    """Edges of every pathway that has some."""
    found = [by_pathway(values, name, counts) for name in ("excitation", "inhibition", "spines")]
    return {name: edges for one in found for name, edges in one.items() if edges[0].size}


def holder(source, target):
    """Which synapses object has the synapses of a pathway."""
    return "inhibition" if source != "PYR" else "spines" if target == "PYR" else "excitation"


@pytest.mark.parametrize("pathway", ["PYR_to_PV", "SST_to_VIP"])
def test_a_pathway_of_another_size_moves_no_other(configure, given, counts, pathway):
    other = draw.arrays(configure(f"parameters.pathways.{pathway}.p=0.15"))
    for name in ("excitation", "inhibition", "spines"):
        before, after = by_pathway(given, name, counts), by_pathway(other, name, counts)
        for path in before:
            same = all(np.array_equal(one, two) for one, two in zip(before[path], after[path], strict=True))
            assert same == (path != pathway or before[path][0].size == 0), path


@pytest.mark.parametrize(
    ("override", "moved"),
    [
        ("drug.concentration=30 uM", {"drug_schedule.values"}),
        ("drug.name=none", {"drug_schedule.values"}),
        ("drug.schedule=[{time: 8 s, concentration: 2 uM}]", {"drug_schedule.values"}),
        ("protocol.t_drug=1 s", {"drug_schedule.values", "column.schedule_rate"}),
        ("numerics.block_acceleration=7", {"cells.block_acceleration"}),
    ],
)
def test_a_dose_moves_its_schedule_and_nothing_else(configure, given, override, moved):
    assert changed(given, draw.arrays(configure(override))) == moved


def test_edges_of_each_pathway_stay_in_their_populations(exp, given, counts):
    """All edges are of some pathway, each target has its in-degree, and nobody is its own source."""
    degrees = schema.in_degrees(exp.numbers) | {"PYR_to_PYR": schema.contacts(exp.numbers)}
    for name in ("excitation", "inhibition", "spines"):
        found = by_pathway(given, name, counts)
        assert sum(i.size for i, _, _ in found.values()) == given[f"{name}.i"].size
        for pathway, (i, j, _) in found.items():
            source, target = split(pathway)
            expected = degrees[pathway] if holder(source, target) == name else 0
            assert np.all(np.bincount(j, minlength=sum(counts.values()))[ranges(counts)[target]] == expected)
            assert not np.any(i == j)


def test_every_synapse_is_in_one_compartment(exp, given, counts):
    """SST cells reach dendrites, PV and VIP cells somata, and of PYR to PYR about the configured share is apical."""
    where = ranges(counts)
    for name in ("inhibition", "spines"):
        soma, dendrite = given[f"{name}.weight"] > 0, given[f"{name}.weight_d"] > 0
        np.testing.assert_array_equal(soma, ~dendrite)
    i = given["inhibition.i"]
    np.testing.assert_array_equal(given["inhibition.weight_d"] > 0, (i >= where["SST"].start) & (i < where["SST"].stop))
    apical = given["spines.weight_d"] > 0
    number, share = apical.size, exp.numbers.synapses.apical_fraction.value
    low, high = stats.binom(number, share).ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2])
    assert low <= apical.sum() <= high


def test_weights_are_log_normal_with_the_mean_of_their_pathway(exp, given, counts):
    """Logarithms against the normal law (Kolmogorov-Smirnov); its mean is below that of the weights by sd^2/2.

    Sixteen pathways at 1e-9 each. Of an apical synapse the weight counts `apical_scale` times.
    """
    sd = exp.numbers.heterogeneity.log_sd_weight.value
    scale = exp.numbers.synapses.apical_scale.value
    efficacy = spines.mean_efficacy(exp.numbers)
    plain = dict(given) | {
        "spines.weight": given["spines.weight"] * efficacy,
        "spines.weight_d": given["spines.weight_d"] * efficacy / scale,
    }
    found = every_pathway(plain, counts)
    for pathway, (_, _, weight) in found.items():
        g = getattr(exp.numbers.pathways, pathway).g.si
        z = (np.log(weight / g) + sd**2 / 2) / sd
        assert stats.kstest(z, "norm").pvalue > FALSE_ALARM, pathway


def test_pathways_draw_apart(given, counts):
    """Weights of any two pathways are uncorrelated: Fisher's z of n pairs is N(0, 1/(n - 3)) of nothing."""
    found = every_pathway(given, counts)
    for one, other in itertools.combinations(found.values(), 2):
        n = min(one[2].size, other[2].size)
        z = np.arctanh(np.corrcoef(np.log(one[2][:n]), np.log(other[2][:n]))[0, 1])
        assert abs(z) * np.sqrt(n - 3) < stats.norm.isf(FALSE_ALARM / 2)


def test_cells_differ_as_much_as_configured(exp, given, counts):
    """Capacitance, leak and drive are log-normal around their population's mean, the threshold normal around its own.

    A cell's two compartments share the factor: its dendrite is as large as its soma.
    """
    spread = exp.numbers.heterogeneity
    where = ranges(counts)

    def mean(key, population):
        return getattr(getattr(exp.numbers.cells, population), key).si

    for key, dendrite, sd in (
        ("C_m", "C_d", spread.log_sd_C.value),
        ("g_L", "g_L_d", spread.log_sd_g_L.value),
        ("mean_ext", "mean_ext_d", spread.log_sd_ext.value),
    ):
        factor = np.concatenate([given[f"cells.{key}"][where[p]] / mean(key, p) for p in POPULATIONS])
        assert stats.kstest((np.log(factor) + sd**2 / 2) / sd, "norm").pvalue > FALSE_ALARM
        expected = np.concatenate([factor[where[p]] * mean(dendrite, p) for p in POPULATIONS])
        np.testing.assert_allclose(given[f"cells.{dendrite}"], expected, rtol=1e-12)
    z = [(given["cells.V_T_rest"][where[p]] - mean("V_T", p)) / mean("V_T_sd", p) for p in POPULATIONS]
    assert stats.kstest(np.concatenate(z), "norm").pvalue > FALSE_ALARM


def test_what_the_step_reads_once_a_population_is_the_same_in_all_of_it(given, counts):
    """`equations.OF_A_POPULATION`; else the compiled step would be right and slow."""
    for name, where in itertools.product((*equations.OF_A_POPULATION, *equations.LACKED), ranges(counts).values()):
        assert np.unique(given[f"cells.{name}"][where]).size == 1, name


def test_receptor_pools_are_sums_over_the_synapses_of_a_cell(exp, given, counts):
    """By a loop over them: a first spike opens the share U k0 of a synapse's receptors; drive over its activation."""
    numbers, total = exp.numbers, sum(counts.values())
    owner = np.repeat(POPULATIONS, [counts[p] for p in POPULATIONS]).tolist()
    ratio = {}
    for target in POPULATIONS:
        opened = getattr(numbers.pathways, f"PYR_to_{target}").U.value * draw.gate_constants(numbers, target)[0]
        ratio[target] = getattr(numbers.cells, target).NMDA_ratio.value / opened
    for c in COMPARTMENTS:
        pool = [0.0] * total
        onto_soma = given["excitation.weight"].tolist() if not c else [0.0] * given["excitation.j"].size
        for j, weight in zip(given["excitation.j"].tolist(), onto_soma, strict=True):
            pool[j] += weight * ratio[owner[j]]
        present = given[f"spines.weight{c}"] * given["spines.efficacy"]
        for j, weight in zip(given["spines.j"].tolist(), present.tolist(), strict=True):
            pool[j] += weight * ratio[owner[j]]
        drive = given["cells.NMDA_ratio_ext"] * given[f"cells.mean_ext{c}"] / numbers.drive.activation.value
        np.testing.assert_allclose(given[f"cells.g_NMDA_max{c}"], np.maximum(np.array(pool) + drive, 1e-18), rtol=1e-9)


def test_terminals_are_those_of_their_pathways(exp, given, counts):
    where = ranges(counts)
    for pathway, path in exp.numbers.pathways:
        source, target = split(pathway)
        for key in ("U", "tau_rec", "tau_fac"):
            assert set(given[f"cells.{key}_{target}"][where[source]]) == {getattr(path, key).si}
    masks = np.array([given[f"cells.to_{target}"] for target in POPULATIONS])
    np.testing.assert_array_equal(masks.argmax(axis=0), np.repeat(range(4), [counts[p] for p in POPULATIONS]))
    np.testing.assert_array_equal(masks.sum(axis=0), 1)
    np.testing.assert_array_equal(given["cells.is_PYR"], given["cells.to_PYR"])


def test_the_run_starts_in_its_own_state_of_rest(exp, given):
    """Between leak and threshold; drive at its mean; tonic activation of the initial glutamate."""
    v, E_L, V_T = (given[f"cells.{key}"] for key in ("v", "E_L", "V_T"))
    fraction = (v - E_L) / (V_T - E_L)
    assert stats.kstest(fraction, "uniform").pvalue > FALSE_ALARM
    assert given["column.glutamate"] == exp.numbers.glutamate.initial.si
    for c in COMPARTMENTS:
        np.testing.assert_array_equal(given[f"cells.g_ext{c}"], given[f"cells.mean_ext{c}"])
        for k in TAGS:
            open_ = given[f"cells.g_tonic_max{c}"] * given[f"cells.f_{k}"] * given[f"column.p_tonic_{k}"]
            np.testing.assert_allclose(given[f"cells.tonic_{k}{c}"], open_, rtol=1e-12)


def test_one_euler_step_decays_exactly():
    tau, dt = np.array([1.2e-3, 6e-3, 9e-2]), 1e-4
    np.testing.assert_allclose(1 - dt / draw.euler_tau(tau, dt), np.exp(-dt / tau), rtol=1e-14)


def test_a_schedule_is_its_concentration_at_the_middle_of_each_sample(configure):
    schedule = "drug.schedule=[{time: 7 s, concentration: 1 uM}, {time: 9.5 s, concentration: 30 uM}]"
    stepped = configure(schedule)
    values = draw.column(stepped, 10, segments(stepped)[0])["drug_schedule.values"][:, 0] * 1e3
    sample = stepped.duration.si / draw.SCHEDULE_SAMPLES
    middle = (np.arange(draw.SCHEDULE_SAMPLES) + 0.5) * sample
    np.testing.assert_allclose(values, np.select([middle < 7, middle < 9.5], [0, 1], 30), rtol=1e-12)


def test_a_cell_with_more_inhibition_has_more_afferents_in_proportion(configure, counts):
    """Drawn with and without the spread, ratios of a pyramidal cell's inhibition and afferents are its factor."""
    without, spread = draw.arrays(configure()), draw.arrays(configure(spread=SPREAD))
    factor = spread["cells.mean_ext"] / without["cells.mean_ext"]
    pyramidal = ranges(counts)["PYR"]
    assert stats.kstest((np.log(factor[pyramidal]) + 0.02) / 0.2, "norm").pvalue > FALSE_ALARM
    np.testing.assert_allclose(np.delete(factor, np.r_[pyramidal]), 1, rtol=1e-12)
    for c in COMPARTMENTS:
        expected = without[f"inhibition.weight{c}"] * factor[without["inhibition.j"]]
        np.testing.assert_allclose(spread[f"inhibition.weight{c}"], expected, rtol=1e-12)


def test_the_nmda_share_spreads_over_cells_about_its_mean(configure, counts):
    """Both ratios of a cell have one log-normal factor with mean 1."""
    exp = configure(spread=SPREAD)
    values = draw.arrays(exp)
    for key in ("NMDA_ratio", "NMDA_ratio_ext"):
        means = draw.per_cell(exp.numbers, counts, key)
        factor = values[f"cells.{key}"][means > 0] / means[means > 0]
        assert stats.kstest((np.log(factor) + 0.02) / 0.2, "norm").pvalue > FALSE_ALARM
