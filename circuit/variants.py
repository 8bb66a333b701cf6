# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments of one config with some values changed by a program, such as the circuit at rest with stronger afferents.

Each change is a layer over the config, as a point of a sweep is, so that whatever is checked of a config is checked of
each variant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from circuit.config import Experiment, Reader
from circuit.errors import UserError
from circuit.layers import nested, override_value
from circuit.parameter import Parameter
from circuit.populations import POPULATIONS
from circuit.schema import Parameters
from circuit.units import Quantity, parse, shown
from circuit.yaml_source import Node, Place, Problems, Source

#: Settings of the circuit at rest: nobody gets a drug, and all that is analysed is the baseline.
REST = {"drug": "{name: none}", "interventions": "[]", "protocol.t_transition": "0 s", "protocol.t_drug": "0 s"}
#: What scales the mean afferents of a population, all its compartments alike.
AFFERENTS = {pop: tuple(f"parameters.cells.{pop}.{key}" for key in ("mean_ext", "mean_ext_d")) for pop in POPULATIONS}


def rates_asked(text: str) -> dict[str, float]:
    """Return target rates in Hz by population, in the order of `POPULATIONS`, from ``PYR=2 Hz,PV=9 Hz``.

    Raises
    ------
    UserError
        If it is no such text.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        pop, _, rate = (word.strip() for word in part.partition("="))
        if pop not in POPULATIONS or pop in found:
            once = "each once" if pop in found else f"of {', '.join(POPULATIONS)}"
            raise UserError(f"--rates: needs populations {once}, as in 'PYR=2 Hz,PV=9 Hz'; found {shown(part.strip())}")
        try:
            found[pop] = parse(rate, ("Hz", "/s")).si
        except ValueError as error:
            raise UserError(f"--rates: {pop} {error}") from None
        if not 0 < found[pop] <= 200:
            raise UserError(f"--rates: {pop} must be more than 0 Hz and at most 200 Hz; found {rate}")
    return {pop: found[pop] for pop in POPULATIONS if pop in found}


def setting(key: str, text: str) -> Node:
    """Return the layer that gives one key, such as ``drug.name``, the value that `text` is in a config."""
    keys = tuple(key.split("."))
    at, problems = Place(Source("the program's own change", is_override=True, rank=9)), Problems()
    node = override_value(text, at, keys, problems)
    problems.raise_if_any()
    return nested(keys, node)


def settings(values: Mapping[str, str]) -> list[Node]:
    """Return the layers of several keys."""
    return [setting(key, text) for key, text in values.items()]


def parameter(numbers: Parameters, key: str) -> Parameter:
    """Return the number of the model at ``parameters.GROUP.KEY``.

    Raises
    ------
    KeyError
        If there is no such number.
    """
    found = numbers
    first, *keys = key.split(".")
    for name in keys:
        found = getattr(found, name, None)
    if first != "parameters" or not isinstance(found, Parameter):
        raise KeyError(key)
    return found


def scaled_text(numbers: Parameters, key: str, factor: float) -> str:
    """Return the value of a key times a factor as it stands in a config, to six digits."""
    value = parameter(numbers, key).value
    if isinstance(value, Quantity):
        return str(Quantity(float(f"{value.magnitude * factor:.6g}"), value.unit))
    return f"{value * factor:.6g}"


def scaled(numbers: Parameters, keys: Sequence[str], factor: float) -> dict[str, str]:
    """Return what gives every one of `keys` its value times `factor`; those at zero stay and are left out."""
    return {key: scaled_text(numbers, key, factor) for key in keys if parameter(numbers, key).si != 0}


def at_rest(reader: Reader, changes: Mapping[str, str], seed: int) -> Experiment:
    """Return the circuit of a config at rest, with some values changed and a seed.

    Raises
    ------
    UserError
        If the config has arms or a course, or has no baseline to measure.
    """
    if reader.arms():
        raise UserError(f"{reader.path}: has arms; name a config of one circuit, such as configs/baseline.yaml")
    exp = reader.read(changes=settings({**REST, **changes, "seed": str(seed)})).experiment
    if exp.course is not None:
        raise UserError(f"{reader.path}: has a course; name a config of the circuit at rest, such as baseline.yaml")
    if exp.protocol.t_baseline.si <= 0:
        raise UserError(f"{reader.path}: protocol.t_baseline is 0 s, and the circuit at rest is measured in it")
    return exp
