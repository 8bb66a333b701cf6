# SPDX-License-Identifier: GPL-3.0-or-later
"""What receptor pharmacologists measure, as formulas of the model's numbers: no network, no chance.

Arguments are plain numbers and words: concentrations in uM, voltages in mV, magnesium in mM; a drug by any of its
names. A population stands for the mix of its subunits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import numpy as np

from circuit import kinetic_scheme, potency
from circuit.drugs import ChannelBlocker, Drugs, identifier
from circuit.interventions import effects
from circuit.populations import POPULATIONS
from circuit.schema import Parameters, subunit_mix
from circuit.subunits import CLASSES, TAGS


def half_block(numbers: Parameters, drug: str, receptor: str, mV: float, Mg: float = 0.0) -> float:
    """IC50 of a channel blocker, uM."""
    return float(potency.IC50(_blocker(numbers, drug), numbers.receptors, receptor, mV * 1e-3, Mg)) * 1e3


def binding_rate(numbers: Parameters, drug: str) -> float:
    """Rate of binding at a fully activated receptor, /uM/s."""
    return _blocker(numbers, drug).k_on.to("/uM/s")


def unbinding_rate(numbers: Parameters, drug: str, receptor: str, mV: float) -> float:
    """Rate of unbinding at a fully activated receptor, /s."""
    return float(potency.k_off(_blocker(numbers, drug), receptor, mV * 1e-3))


def block(numbers: Parameters, drug: str, uM: float, receptor: str, mV: float, Mg: float = 0.0) -> float:
    """Settled blocked fraction, of one subunit's receptors or of the mix of a population."""
    if receptor in POPULATIONS:
        mix = subunit_mix(getattr(numbers.cells, receptor))
        return sum(share * block(numbers, drug, uM, name, mV, Mg) for name, share in mix.items() if share > 0)
    return uM / (uM + half_block(numbers, drug, receptor, mV, Mg))


def hill_coefficient(numbers: Parameters, drug: str, uM: float, receptor: str, mV: float, Mg: float = 0.0) -> float:
    """Slope of the settled block against concentration, both as logarithms of odds and of uM, around `uM`."""
    blocks = np.array([block(numbers, drug, uM * step, receptor, mV, Mg) for step in (0.99, 1.01)])
    return float(np.diff(np.log(blocks / (1 - blocks)))[0] / np.log(1.01 / 0.99))


def electrical_distance(numbers: Parameters, drug: str) -> float:
    """Share of the membrane's field that a blocker's charge crosses, from how unbinding depends on voltage at 25 C."""
    return _blocker(numbers, drug).slope_off.si * 8.314 * 298.15 / 96485


def time_of_onset(numbers: Parameters, drug: str, uM: float, receptor: str, mV: float, Mg: float = 0.0) -> float:
    """Time constant with which block settles at a fully activated receptor, ms."""
    free = float(potency.unblocked(numbers.receptors, receptor, mV * 1e-3, Mg))
    return 1e3 / (binding_rate(numbers, drug) * uM * free + unbinding_rate(numbers, drug, receptor, mV))


def block_after(
    numbers: Parameters,
    drug: str,
    uM: float,
    receptor: str,
    mV: float,
    activation: float,
    seconds: float,
    Mg: float = 0.0,
) -> float:
    """Blocked fraction so long after the drug came, of receptors of which this share is activated all the time."""
    blocker = _blocker(numbers, drug)
    pore = kinetic_scheme.Pore(
        on=binding_rate(numbers, drug) * uM,
        off=unbinding_rate(numbers, drug, receptor, mV),
        untrap=blocker.k_untrap.si,
        unblocked=float(potency.unblocked(numbers.receptors, receptor, mV * 1e-3, Mg)),
    )
    return float(kinetic_scheme.reduced(np.array([activation]), [seconds], pore)[-1])


def trapped(numbers: Parameters, drug: str, seconds: float) -> float:
    """Share of a blocker that is still there so long after agonist and drug are gone."""
    return float(np.exp(-seconds * _blocker(numbers, drug).k_untrap.si))


def IPSP(numbers: Parameters, drug: str, uM: float) -> float:
    """Size of a monosynaptic IPSP under a drug in the bath, relative to none."""
    course = _effects(numbers, drug, uM)
    return float(course["GABA_factor"][0] * course["release_factor"][0])


def activity(numbers: Parameters, drug: str, uM: float, receptor: str) -> float:
    """Activation of receptors under an allosteric modulator or glycine-site ligand, relative to none."""
    course = _effects(numbers, drug, uM)
    mix = subunit_mix(getattr(numbers.cells, receptor)) if receptor in POPULATIONS else {receptor: 1.0}
    found = {name: float(course[f"activity_{tag}"][0]) for tag, name in zip(TAGS, CLASSES, strict=True)}
    return sum(share * found[name] for name, share in mix.items()) / sum(mix.values())


ASSAYS: dict[str, Callable[..., float]] = {
    "half block": half_block,
    "binding rate": binding_rate,
    "unbinding rate": unbinding_rate,
    "block": block,
    "Hill coefficient": hill_coefficient,
    "electrical distance": electrical_distance,
    "time of onset": time_of_onset,
    "block after": block_after,
    "trapped": trapped,
    "activity": activity,
    "IPSP": IPSP,
}


#: Those that any drug can be given to; the others are for channel blockers.
ANY_DRUG = ("activity", "IPSP")


def check(name: str, given: Mapping[str, float | str]) -> None:
    """Check that an assay may be given these arguments.

    Raises
    ------
    ValueError
        With what is missing, unknown or of the wrong kind.
    """
    wanted = dict(list(inspect.signature(ASSAYS[name], eval_str=True).parameters.items())[1:])
    if unknown := [key for key in given if key not in wanted]:
        raise ValueError(f"the assay {name!r} takes {', '.join(wanted)}; found {unknown[0]}")
    for key, one in wanted.items():
        if key not in given:
            if one.default is one.empty:
                raise ValueError(f"the assay {name!r} needs {key}")
            continue
        if isinstance(given[key], str) != (one.annotation is str):
            raise ValueError(f"{key} needs a {'name' if one.annotation is str else 'number'}; found {given[key]!r}")
    if "drug" in given:
        drug = identifier(given["drug"])
        if name not in ANY_DRUG and Drugs.model_fields[drug].annotation is not ChannelBlocker:
            raise ValueError(f"{given['drug']} blocks no channel")
    known = (*CLASSES, *POPULATIONS)
    if given.get("receptor", known[0]) not in known:
        raise ValueError(f"{given['receptor']!r} is no receptor; take one of {', '.join(known)}")


def _effects(numbers: Parameters, drug: str, uM: float) -> dict[str, np.ndarray]:
    return effects(numbers.drugs, numbers.receptors, [(identifier(drug), "bath", np.array([uM * 1e-3]))], 1)


def _blocker(numbers: Parameters, drug: str) -> ChannelBlocker:
    return getattr(numbers.drugs, identifier(drug))
