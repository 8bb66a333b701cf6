# SPDX-License-Identifier: GPL-3.0-or-later
"""Units: the definition of each, and what is not a quantity."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from circuit import units
from circuit.parameter import Parameter
from circuit.units import UNITS, Quantity, parse

# One of each unit in SI, by hand from the definitions; 1 mM is 1 mol/m^3.
IN_SI = {
    "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400,
    "uV": 1e-6, "mV": 1e-3, "V": 1, "/mV": 1e3, "/V": 1,
    "pF": 1e-12, "nF": 1e-9, "pS": 1e-12, "nS": 1e-9, "uS": 1e-6, "S": 1,
    "pA": 1e-12, "nA": 1e-9, "A": 1, "fC": 1e-15, "pC": 1e-12, "nC": 1e-9,
    "nM": 1e-6, "uM": 1e-3, "mM": 1, "uM/s": 1e-3, "mM/s": 1,
    "Hz": 1, "/s": 1, "/ms": 1e3, "/min": 1 / 60, "/h": 1 / 3600,
    "/uM/s": 1e3, "/mM/s": 1, "/mM/ms": 1e3,
    "mg/kg": 1e-6, "ug/kg": 1e-9, "um": 1e-6, "mm": 1e-3, "1": 1, "%": 1e-2,
    "mg": 1e-6, "kg": 1, "g/mol": 1e-3, "L/kg": 1e-3, "ml/kg": 1e-6,
    "L/h/kg": 1e-3 / 3600, "ml/min/kg": 1e-6 / 60,
}  # fmt: skip


def test_every_unit_is_what_it_says():
    assert {unit: Quantity(1, unit).si for unit in UNITS} == IN_SI


@pytest.mark.parametrize(
    ("text", "allowed", "expected"),
    [
        ("120 pF", ("pF", "nF"), Quantity(120, "pF")),
        ("0.12nF", ("pF", "nF"), Quantity(120, "pF")),
        ("-70 mV", ("mV", "V"), Quantity(-70, "mV")),
        ("1e-3 s", ("ms", "s"), Quantity(1, "ms")),
        (".5 uM", ("uM",), Quantity(0.5, "uM")),
        ("5. \u00b5M", ("uM",), Quantity(5, "uM")),  # micro sign
        ("5 \u03bcM", ("uM",), Quantity(5, "uM")),  # Greek mu
        (" 1 min ", ("s", "min"), Quantity(60, "s")),
        ("2 /uM/s", ("/uM/s", "/mM/ms"), Quantity(2, "/uM/s")),
        ("2 /mM/ms", ("/uM/s", "/mM/ms"), Quantity(2, "/uM/s")),
        (Quantity(5, "ms"), ("ms",), Quantity(5, "ms")),
    ],
)
def test_text_is_read_into_the_first_unit(text, allowed, expected):
    assert parse(text, allowed) == expected
    assert parse(text, allowed).unit == allowed[0]


@pytest.mark.parametrize("text", ["", "ms", "5", "5 m s", "5  ms", "5 ms ms", "0x5 ms", "1_0 ms", "5,0 ms", "--5 ms",
                                  "5e ms", "5 MS", "five ms", "1/2 ms", "inf ms", "nan ms", "5 kg", "5 ms\n6 ms",
                                  "٥ kg", "5 mV", "1e9999 ms", 5, 5.0, True, None, [], {}])  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="needs a number and one of ms, s, such as '1 ms'; found"):
        parse(text, ("ms", "s"))


def test_conversion_is_correctly_rounded():
    assert parse("100 us", ("ms", "us")).magnitude == 0.1
    assert Quantity(0.1, "ms").si == 1e-4
    assert Quantity(0.3, "mV").to("uV") == 300
    assert Quantity(90, "min").to("h") == 1.5


def test_quantity_is_its_amount():
    assert Quantity(0.1, "ms") == Quantity(100, "us")
    assert hash(Quantity(0.1, "ms")) == hash(Quantity(100, "us"))
    assert Quantity(1, "Hz") != Quantity(1, "V")
    assert Quantity(1, "V") != 1
    assert [str(Quantity(*q)) for q in ((1, "uM"), (0.5, "ms"), (-70.0, "mV"), (1e-20, "S"))] == [
        "1 uM", "0.5 ms", "-70 mV", "1e-20 S"]  # fmt: skip


def test_quantity_refuses_what_is_none():
    with pytest.raises(ValueError, match="'msec' is not a unit of this model; did you mean 'ms'"):
        Quantity(1, "msec")
    with pytest.raises(ValueError, match="not a finite amount"):
        Quantity(float("nan"), "ms")
    with pytest.raises(ValueError, match="1 mV is a voltage and cannot be given in ms"):
        Quantity(1, "mV").to("ms")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (units.Time, ["0 ms", "2 h"], ["-1 ms", 1]),
        (units.Voltage, ["-150 mV", "0.1 V"], ["-151 mV", "101 mV"]),
        (units.VoltageRange, ["0.1 mV"], ["0 mV", "-1 mV"]),
        (units.Capacitance, ["1 pF"], ["0 pF"]),
        (units.Conductance, ["0 nS", "1 uS"], ["-1 nS"]),
        (units.Current, ["-5 pA"], ["5 pF"]),
        (units.Concentration, ["0 uM", "1 mM"], ["-1 uM"]),
        (units.Rate, ["5 Hz", "5 /s"], ["-5 Hz", "5 ms"]),
        (units.InverseTime, ["5 /ms"], ["5 Hz"]),
        (units.BindingRate, ["1 /uM/s"], ["1 /s"]),
        (units.Slope, ["-0.062 /mV"], ["0.062 mV"]),
        (units.Dose, ["0.5 mg/kg"], ["0.5", 0.5, "-1 mg/kg"]),
        (units.Charge, ["-1 pC"], ["1 pA"]),
        (units.Fraction, [0, 0.5, 1], [-0.1, 1.1, "0.5", "50 %", True, float("nan")]),
        (units.Number, [-1, 2.5], ["1", None, False]),
        (units.Positive, [1e-9, 3], [0, -1]),
        (units.Count, [0, 7], [-1, 1.0, True, "7"]),
    ],
)
def test_kind_takes_and_refuses(kind, good, bad):
    adapter = TypeAdapter(kind)
    for value in good:
        adapter.validate_python(value)
    for value in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


def leaf(kind=units.Capacitance, **changes):
    return Parameter[kind](
        **{"value": "120 pF", "meaning": "capacitance", "source": "this model", "status": "assumed"} | changes
    )


def test_parameter_gives_its_value_in_any_unit():
    assert (leaf().si, leaf().to("nF"), leaf().unit) == (1.2e-10, 0.12, "pF")
    share = leaf(units.Fraction, value=0.25)
    assert (share.si, share.to("1"), share.to("%"), share.unit) == (0.25, 0.25, 25, "1")
    with pytest.raises(ValueError, match="cannot be given in mV"):
        share.to("mV")


@pytest.mark.parametrize("missing", ["value", "meaning", "source", "status"])
def test_parameter_without_its_origin_does_not_load(missing):
    whole = leaf().model_dump()
    with pytest.raises(ValidationError, match=missing):
        Parameter[units.Capacitance](**{key: value for key, value in whole.items() if key != missing})


@pytest.mark.parametrize(("status", "wanted"), [("fitted", "the target"), ("derived", "the formula")])
def test_parameter_says_how_it_was_made(status, wanted):
    with pytest.raises(ValidationError, match=f"has status {status}, so its note must name {wanted}"):
        leaf(status=status)
    assert leaf(status=status, note="PYR rate 1 Hz").status == status


def test_parameter_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        leaf().value = Quantity(1, "pF")
