# SPDX-License-Identifier: GPL-3.0-or-later
"""Which numbers the pharmacokinetics have, by drug and species: the tree of configs/pharmacokinetics.yaml.

What is done with them is in `circuit.pharmacokinetics`.
"""

from __future__ import annotations

from circuit import units
from circuit.parameter import Model, Parameter
from circuit.units import did_you_mean

#: As written in configs, and the field that holds the data of the route; intravenous ones need none of their own.
ROUTES = {
    "i.v.": None,
    "i.v. infusion": None,
    "i.m.": "intramuscular",
    "s.c.": "subcutaneous",
    "i.p.": "intraperitoneal",
    "oral": "oral",
    "sublingual": "sublingual",
    "intranasal": "intranasal",
}
INFUSION = "i.v. infusion"
SPECIES = ("human", "rat", "mouse")
SYNONYMS = {
    "iv": "i.v.",
    "intravenous": "i.v.",
    "bolus": "i.v.",
    "ivbolus": "i.v.",
    "infusion": INFUSION,
    "ivinfusion": INFUSION,
    "im": "i.m.",
    "intramuscular": "i.m.",
    "sc": "s.c.",
    "subcutaneous": "s.c.",
    "ip": "i.p.",
    "intraperitoneal": "i.p.",
    "po": "oral",
    "oral": "oral",
    "sl": "sublingual",
    "sublingual": "sublingual",
    "nasal": "intranasal",
    "intranasal": "intranasal",
}


class Absorption(Model):
    """One route: what of the dose reaches plasma, how fast, and what arrives as metabolite instead."""

    F: Parameter[units.PositiveFraction]
    ka: Parameter[units.AbsorptionRate]
    first_pass: Parameter[units.Fraction]


class Metabolite(Model):
    """The active metabolite, by its name as a drug: norketamine."""

    molar_mass: Parameter[units.MolarMass]
    formed: Parameter[units.Fraction]
    CL: Parameter[units.Clearance]
    V: Parameter[units.SpecificVolume]
    Q: Parameter[units.ClearanceOrZero]
    V_peripheral: Parameter[units.SpecificVolume]
    fu: Parameter[units.PositiveFraction]
    Kp_uu: Parameter[units.Positive]
    brain_to_plasma: Parameter[units.Positive]


class Disposition(Model):
    """One drug in one species, per kg of body mass."""

    body_mass: Parameter[units.BodyMass]
    molar_mass: Parameter[units.MolarMass]
    CL: Parameter[units.Clearance]
    V: Parameter[units.SpecificVolume]
    Q1: Parameter[units.ClearanceOrZero]
    V1: Parameter[units.SpecificVolume]
    Q2: Parameter[units.ClearanceOrZero]
    V2: Parameter[units.SpecificVolume]
    fu: Parameter[units.PositiveFraction]
    Kp_uu: Parameter[units.Positive]
    brain_to_plasma: Parameter[units.Positive]
    t_half_brain: Parameter[units.HalfLife]
    log_sd_CL: Parameter[units.NonNegative]
    log_sd_V: Parameter[units.NonNegative]
    log_sd_F: Parameter[units.NonNegative]
    norketamine: Metabolite | None = None
    intramuscular: Absorption | None = None
    subcutaneous: Absorption | None = None
    intraperitoneal: Absorption | None = None
    oral: Absorption | None = None
    sublingual: Absorption | None = None
    intranasal: Absorption | None = None

    def routes(self) -> list[str]:
        """Return the routes with data."""
        return [route for route, field in ROUTES.items() if field is None or getattr(self, field) is not None]


class DrugKinetics(Model):
    """One drug in the species it has data for."""

    human: Disposition | None = None
    rat: Disposition | None = None
    mouse: Disposition | None = None


class Pharmacokinetics(Model):
    """All drugs with pharmacokinetics, by the identifiers of `circuit.drugs`."""

    ketamine: DrugKinetics
    S_ketamine: DrugKinetics
    R_ketamine: DrugKinetics
    MK_801: DrugKinetics


def route_named(text: str) -> str:
    """Return a route as configs write it, from that or from a usual synonym.

    Raises
    ------
    ValueError
        If it is none.
    """
    plain = text.lower().replace(".", "").replace(" ", "").replace("-", "")
    if plain not in SYNONYMS:
        hint = did_you_mean(plain, SYNONYMS)
        raise ValueError(f"{text!r} is not a route; take one of {', '.join(ROUTES)}{hint}")
    return SYNONYMS[plain]


class NoData(ValueError):
    """There are no pharmacokinetics for this; `key` is what to change, ``"dose"``, ``"species"`` or ``"route"``."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


def disposition(numbers: Pharmacokinetics, drug: str, species: str, route: str) -> Disposition:
    """Return the numbers of a drug in a species.

    Raises
    ------
    NoData
        If there are none, or none for the route; the sentence says what there is.
    """
    known = getattr(numbers, drug, None)
    if known is None:
        have = ", ".join(type(numbers).model_fields)
        raise NoData("dose", f"{drug} cannot be given as a dose: there are pharmacokinetics for {have} only")
    body = getattr(known, species)
    if body is None:
        have = ", ".join(name for name in SPECIES if getattr(known, name) is not None)
        raise NoData("species", f"{drug} has no pharmacokinetics for {species}, only for {have}")
    if route not in body.routes():
        have = ", ".join(body.routes())
        raise NoData("route", f"{drug} has no data for the route {route} in {species}; it has {have}")
    return body
