# SPDX-License-Identifier: GPL-3.0-or-later
"""Physical quantities of a closed list of units, and the kinds of quantity a config may hold.

Which text is a voltage, and which number is it? This is the only parser of units. The list is closed because a general
unit library takes ``dose: 0.5`` for 500000 mg/kg: mass over mass has no dimension. Here each field names the units it
takes, and a number without one of them does not load.

Conversions are exact rationals until the last step, so ``0.1 ms``, ``100 us`` and ``1e-4 s`` are the same number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction as Ratio
from functools import lru_cache
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

# unit: (dimension, what one of it is in the SI unit of that dimension)
UNITS: dict[str, tuple[str, Ratio]] = {
    unit: (dimension, Ratio(factor))
    for dimension, members in {
        "time": {"us": "1e-6", "ms": "1e-3", "s": 1, "min": 60, "h": 3600, "d": 86400},  # s
        "voltage": {"uV": "1e-6", "mV": "1e-3", "V": 1},  # V
        "inverse voltage": {"/mV": 1000, "/V": 1},  # 1/V
        "capacitance": {"pF": "1e-12", "nF": "1e-9"},  # F
        "conductance": {"pS": "1e-12", "nS": "1e-9", "uS": "1e-6", "S": 1},  # S
        "current": {"pA": "1e-12", "nA": "1e-9", "A": 1},  # A
        "charge": {"fC": "1e-15", "pC": "1e-12", "nC": "1e-9"},  # C
        "concentration": {"nM": "1e-6", "uM": "1e-3", "mM": 1},  # mol/m^3
        "concentration per time": {"uM/s": "1e-3", "mM/s": 1},  # mol/m^3/s
        "rate": {"Hz": 1, "/s": 1, "/ms": 1000, "/min": Ratio(1, 60), "/h": Ratio(1, 3600)},  # 1/s
        "rate per concentration": {"/uM/s": 1000, "/mM/s": 1, "/mM/ms": 1000},  # m^3/mol/s
        "dose": {"mg/kg": "1e-6", "ug/kg": "1e-9"},  # kg/kg
        "mass": {"mg": "1e-6", "kg": 1},  # kg
        "molar mass": {"g/mol": "1e-3"},  # kg/mol
        "specific volume": {"L/kg": "1e-3", "ml/kg": "1e-6"},  # m^3/kg
        "clearance": {"L/h/kg": Ratio(1, 3_600_000), "ml/min/kg": Ratio(1, 60_000_000)},  # m^3/s/kg
        "length": {"um": "1e-6", "mm": "1e-3"},  # m
        "plain number": {"1": 1, "%": "1e-2"},
    }.items()
    for unit, factor in members.items()
}

# The exponent has at most three digits: an exact 10**999999999 would fill the memory before any check of range.
NUMBER = r"[-+]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:[eE][-+]?\d{1,3})?"
_QUANTITY = re.compile(rf"({NUMBER}) ?(\D.*)")


@dataclass(frozen=True, eq=False)
class Quantity:
    """A number and its unit; two quantities are equal when they are the same amount, however spelled.

    Parameters
    ----------
    magnitude : float
        Finite.
    unit : str
        A key of `UNITS`.

    Raises
    ------
    ValueError
        If the unit is not in the list or the magnitude is not finite.
    """

    magnitude: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"{self.unit!r} is not a unit of this model{did_you_mean(self.unit, UNITS)}")
        object.__setattr__(self, "magnitude", float(self.magnitude))
        if self.magnitude - self.magnitude != 0:  # inf and nan
            raise ValueError(f"{self.magnitude} {self.unit} is not a finite amount")

    @property
    def dimension(self) -> str:
        """What kind of amount this is, such as ``"voltage"``."""
        return UNITS[self.unit][0]

    @property
    def exact(self) -> Ratio:
        """The amount in SI units as a rational number; the magnitude is taken as the decimal number it prints as."""
        return _exact(self.magnitude, self.unit)

    @property
    def si(self) -> float:
        """The amount in V, F, S, A, s, C, m, mol/m^3 (so 1 mM is 1.0), 1/s, kg/kg or a plain number."""
        return _si(self.magnitude, self.unit)

    def to(self, unit: str) -> float:
        """The amount in `unit`.

        Raises
        ------
        ValueError
            If `unit` is of another dimension or not in the list.
        """
        if self.dimension != Quantity(0, unit).dimension:
            raise ValueError(f"{self} is a {self.dimension} and cannot be given in {unit}")
        return float(self.exact / UNITS[unit][1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Quantity):
            return NotImplemented
        return (self.dimension, self.exact) == (other.dimension, other.exact)

    def __hash__(self) -> int:
        return hash((self.dimension, self.exact))

    def __str__(self) -> str:
        return f"{number_text(self.magnitude)} {self.unit}"


@lru_cache(maxsize=2**16)
def _exact(magnitude: float, unit: str) -> Ratio:
    return Ratio(repr(magnitude)) * UNITS[unit][1]


@lru_cache(maxsize=2**16)
def _si(magnitude: float, unit: str) -> float:
    return float(_exact(magnitude, unit))


def number_text(value: float) -> str:
    """Return the shortest text that reads back as exactly `value`, such as ``"120"`` or ``"1e-05"``."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of the `known` words, or nothing."""
    names = [str(name) for name in known]
    begun = [name for name in names if len(word) >= 3 and name.startswith(word)]
    near = begun or get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def shown(value: object) -> str:
    """Return how a value found in a config is named in a sentence, at most some sixty characters long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"a group of keys ({', '.join(map(str, list(value)[:3]))}{', ...' if len(value) > 3 else ''})"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = str(value)
    short = text if len(text) <= 60 else text[:40]
    rest = "" if len(text) <= 60 else f"... ({len(text)} characters)"
    return (repr(short) if isinstance(value, str) else short) + rest


def parse(text: object, units: tuple[str, ...], example: float = 1) -> Quantity:
    """Read text such as ``"25 nS"``; the result is in the first of `units`.

    Parameters
    ----------
    text : object
        A number, at most one blank, and one of `units`; the micro sign may stand for ``u``. A Quantity passes too.
    units : tuple of str
        The units this field takes, the canonical one first.
    example : float
        A number that would do, in the first unit; for the sentence.

    Raises
    ------
    ValueError
        With a sentence that says what is needed and what was found.
    """
    try:
        return _parsed(text, units)
    except ValueError as error:  # the sentence takes longer than the reading, and a sweep reads thousands
        wanted = f"one of {', '.join(units)}" if len(units) > 1 else units[0]
        such = f"such as '{number_text(example)} {units[0]}'; found {shown(text)}"
        raise ValueError(f"needs a number and {wanted}, {such}{error}") from None


def _parsed(text: object, units: tuple[str, ...]) -> Quantity:
    """As `parse`; of the sentence, the error is the end."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(", which has no unit")
    text = re.sub("[µμ]", "u", str(text).strip()) if isinstance(text, str | Quantity) else ""
    if re.fullmatch(NUMBER, text):
        raise ValueError(", which has no unit")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError("")
    number, unit = match.groups()
    if unit not in units:
        raise ValueError(f", and {unit} is a unit of {UNITS[unit][0]}" if unit in UNITS else did_you_mean(unit, units))
    try:
        return Quantity(float(Ratio(number) * UNITS[unit][1] / UNITS[units[0]][1]), units[0])
    except OverflowError:
        raise ValueError(", which is too large for a number") from None


def check_bounds(
    value: Quantity | float,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> None:
    """Raise ValueError, stating the bounds, for a value outside them; they are in the unit of `value`."""
    number, unit = (value.magnitude, f" {value.unit}") if isinstance(value, Quantity) else (value, "")
    tests = (
        ("at least", ge, lambda bound: number >= bound),
        ("more than", gt, lambda bound: number > bound),
        ("at most", le, lambda bound: number <= bound),
        ("less than", lt, lambda bound: number < bound),
    )
    stated = [(f"{word} {number_text(bound)}{unit}", holds(bound)) for word, bound, holds in tests if bound is not None]
    if not all(holds for _, holds in stated):
        raise ValueError(f"must be {' and '.join(text for text, _ in stated)}; found {number_text(number)}{unit}")


def quantity(*units: str, **bounds: float) -> Any:
    """Return the pydantic type of a number with one of `units`, the first of them canonical.

    Parameters
    ----------
    *units : str
        Keys of `UNITS`, all of one dimension.
    **bounds : float
        ``ge``, ``gt``, ``le``, ``lt`` in the first unit.
    """

    example = min(max(1, bounds.get("ge", 1)), bounds.get("le", 1))

    def read(value: object) -> Quantity:
        result = parse(value, units, example)
        check_bounds(result, **bounds)
        return result

    pattern = rf"^{NUMBER} ?({'|'.join(map(re.escape, units))})$"
    schema = WithJsonSchema({"type": "string", "pattern": pattern, "examples": [f"{number_text(example)} {units[0]}"]})
    return Annotated[Quantity, PlainValidator(read), PlainSerializer(str, return_type=str), schema]


def number(whole: bool = False, **bounds: float) -> Any:
    """Return the pydantic type of a bare number, `whole` or not, within bounds as in `quantity`."""
    wanted = "needs a whole number" if whole else "needs a number"
    kinds = int if whole else int | float

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, kinds):
            hint = ", which is text: take the quotes off" if isinstance(value, str) and _bare(value) else ""
            if isinstance(value, str) and re.fullmatch(r"[-+]?0\d+", value):
                hint = f", whose leading zero could mean octal: write {value.lstrip('+-0') or '0'}"
            raise ValueError(f"{wanted}; found {shown(value)}{hint}")
        check_bounds(value, **bounds)
        return value if whole else float(value)

    kind = int if whole else float
    return Annotated[kind, PlainValidator(read), WithJsonSchema({"type": "integer" if whole else "number"})]


def _bare(text: str) -> bool:
    return re.fullmatch(NUMBER, text) is not None and abs(float(text)) < 1e300


Time = quantity("ms", "s", "us", "min", "h", ge=0)
TimeConstant = quantity("ms", "s", "us", "min", "h", gt=0)
Duration = quantity("s", "ms", "min", "h", ge=0)
Minutes = quantity("min", "h", "d", "s", gt=0)
Hours = quantity("h", "d", "min", "s", gt=0)
Voltage = quantity("mV", "V", ge=-150, le=100)
VoltageRange = quantity("mV", "V", gt=0, le=250)
Capacitance = quantity("pF", "nF", gt=0)
Conductance = quantity("nS", "pS", "uS", "S", ge=0)
Current = quantity("pA", "nA", "A")
Concentration = quantity("uM", "nM", "mM", ge=0)
Affinity = quantity("uM", "nM", "mM", gt=0)
ConcentrationRate = quantity("uM/s", "mM/s", ge=0)
Rate = quantity("Hz", "/s", ge=0)
InverseTime = quantity("/s", "/ms", "/min", "/h", gt=0)
AbsorptionRate = quantity("/h", "/min", "/s", gt=0)
HalfLife = quantity("min", "s", "h", gt=0)
RateOrZero = quantity("/s", "/ms", "/min", "/h", ge=0)
BindingRate = quantity("/uM/s", "/mM/s", "/mM/ms", gt=0)
Slope = quantity("/mV", "/V")
Dose = quantity("mg/kg", "ug/kg", ge=0)
BodyMass = quantity("kg", gt=0)
MolarMass = quantity("g/mol", gt=0)
SpecificVolume = quantity("L/kg", "ml/kg", gt=0)
Clearance = quantity("L/h/kg", "ml/min/kg", gt=0)
ClearanceOrZero = quantity("L/h/kg", "ml/min/kg", ge=0)
Charge = quantity("pC", "fC", "nC")
Length = quantity("um", "mm", ge=0)
Fraction = number(ge=0, le=1)
PositiveFraction = number(gt=0, le=1)
Number = number()
Positive = number(gt=0)
NonNegative = number(ge=0)
Count = number(whole=True, ge=0)
