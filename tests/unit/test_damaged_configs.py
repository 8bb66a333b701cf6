# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of damage to a config gives its sentence, exit status 2, and nothing written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pfc

ROOT = Path(pfc.__file__).parent

TIME = "protocol: {t_drug: 5 s}\n"
DOSE = "drug: {name: ketamine, dose: 10 mg/kg, route: i.p., species: rat, after: 20 min"
# What stands in x.yaml after a first line `extends: baseline.yaml`, and what the message must contain.
BODIES = {
    # syntax
    "tab as indent": ("network:\n\tnum_neurons: 900", "x.yaml:3:1: a tab cannot indent; use spaces"),
    "two colons": ("title: a: b", "x.yaml:2:9: a second ': ' here", "mapping values are not allowed here"),
    "no colon": ("seed 1\ntitle: a", "x.yaml:3:1: this line is not 'key: value'"),
    "open bracket": ("drug: {name: none\nseed: 1", "x.yaml:3:5: a '{' is not closed"),
    "open quote": ('title: "a\nseed: 1\n', "a quotation mark is not closed"),
    "wrong indent": ("network:\n    num_neurons: 900\n  x: 1", "x.yaml:4:3: this line is indented differently"),
    "control character": ("title: a\x07b", "x.yaml:2:9: the character U+0007 cannot be in a config"),
    "escaped control character": ('title: "a\\0b"', "x.yaml:2:8: title: the character U+0000 cannot be"),
    "escape beyond Unicode": ('title: "\\UFFFFFFFF"', "x.yaml:1:1: is not YAML that can be read"),
    "half of a surrogate pair": ('title: "\\ud800"', "x.yaml:2:8: title: the character U+D800 cannot be"),
    "two documents": ("---\nseed: 1", "x.yaml:2:1: a config is one document"),
    "nested without end": ("title: " + "[" * 5000, "is nested more than 20 levels deep"),
    # what YAML can do and a config must not
    "anchor": ("seed: &s 1", "x.yaml:2:7: anchors and aliases (&s) are not read; write the value out"),
    "alias": ("seed: *s", "x.yaml:2:7: anchors and aliases (*s)"),
    "a million laughs": (
        "a: &a [1, 1]\nb: &b [*a, *a]\nc: &c [*b, *b]",
        "x.yaml:2:4: anchors and aliases (&a) are not read",
    ),
    "merge key": ("drug: {<<: {name: none}}", "x.yaml:2:8: drug.<<: unknown key"),
    "tag that makes an object": (
        "title: !!python/object/apply:os.mkdir [made_by_yaml]",
        "x.yaml:2:8: tags (tag:yaml.org,2002:python/object/apply:os.mkdir) are not read",
    ),
    "own tag": ("title: !secret a", "x.yaml:2:8: tags (!secret) are not read; write a plain value"),
    "harmless tag": ("seed: !!int 1", "x.yaml:2:7: tags (tag:yaml.org,2002:int) are not read"),
    # keys
    "key twice": ("seed: 1\nseed: 2", "x.yaml:3:1: seed: is given twice (first on line 2)"),
    "nested key twice": ("drug: {name: none, name: none}", "x.yaml:2:20: drug.name: is given twice (on this line)"),
    "mistyped key": ("titel: a", "x.yaml:2:1: titel: unknown key; did you mean 'title'?"),
    "mistyped nested key": (
        "drug: {concentratoin: 1 uM}",
        "x.yaml:2:8: drug.concentratoin: unknown key; did you mean 'drug.concentration'?",
    ),
    "key of another group": ("dt: 0.1 ms", "x.yaml:2:1: dt: unknown key; did you mean 'numerics.dt'?"),
    "parameter at the top": ("cells: {}", "x.yaml:2:1: cells: unknown key; did you mean 'parameters.cells'?"),
    "dotted key": ("drug.name: none", "drug.name: unknown key; a file nests keys: write drug: {name: ...}"),
    "key that is like nothing": ("qqqq: 1", "x.yaml:2:1: qqqq: unknown key\n"),
    "key that is a list": ("? [a, b]\n: 1", "x.yaml:2:3: a key must be a plain word"),
    "key of this program's inside": ("numbers: {}", "x.yaml:2:1: numbers: unknown key"),
    # types
    "number for a group": (
        "drug: 3",
        "x.yaml:2:7: drug: needs a group of keys (name, site, concentration, schedule, dose, route, ...); found 3",
    ),
    "list for a group": ("protocol: [1 s, 2 s]", "x.yaml:2:11: protocol: needs a group of keys", "found a list of 2"),
    "nothing for a group": ("drug:", "x.yaml:2:6: drug: needs a group of keys", "found nothing"),
    "group for a number": ("seed: {a: 1}", "x.yaml:2:7: seed: needs a whole number; found a group of keys (a)"),
    "list for a quantity": ("drug: {concentration: [1 uM]}", "x.yaml:2:23: drug.concentration:", "found a list of 1"),
    "text for a number": ("seed: one", "x.yaml:2:7: seed: needs a whole number; found 'one'"),
    "quoted number": ('seed: "1"', "x.yaml:2:7: seed: needs a whole number; found '1', which is text: take the quotes"),
    "fraction for a count": (
        "network: {num_neurons: 1000.5}",
        "x.yaml:2:24: network.num_neurons: needs a whole number",
    ),
    "true for a number": ("seed: true", "x.yaml:2:7: seed: needs a whole number; found true"),
    "nothing for a number": ("seed: null", "x.yaml:2:7: seed: needs a whole number; found nothing"),
    "number for a text": ("title: 5", "x.yaml:2:8: title: needs text; found 5: write '5' in quotes"),
    "blank text": ("title: '  '", "x.yaml:2:8: title: must not be empty"),
    "text of two lines": ('title: "a\\nb"', "x.yaml:2:8: title: must be one line of printable text"),
    "text for a list": ("drug: {schedule: 1 uM}", "x.yaml:2:18: drug.schedule: needs a list, such as [{time: 7 s"),
    "empty list": ("drug: {schedule: []}", "x.yaml:2:18: drug.schedule: needs at least one entry"),
    # what YAML 1.1 would take for something else
    "no": (
        "drug: {name: no}",
        "x.yaml:2:14: drug.name: 'no' is not a drug of this model; did you mean 'none'?",
    ),
    "1e-3": (
        "numerics: {dt: 1e-3}",
        "x.yaml:2:16: numerics.dt: needs a number and one of ms, us",
        "found 0.001, which",
    ),
    "010": ("seed: 010", "x.yaml:2:7: seed: needs a whole number; found '010', whose leading zero", "write 10"),
    "1:30": ("protocol: {t_drug: 1:30}", "x.yaml:2:20: protocol.t_drug: needs a number and one of s, ms", "'1:30'"),
    "1_000": ("network: {num_neurons: 1_000}", "x.yaml:2:24: network.num_neurons: needs a whole number; found '1_000'"),
    "0x10": ("seed: 0x10", "x.yaml:2:7: seed: needs a whole number; found '0x10'"),
    "date": ("seed: 2024-01-01", "x.yaml:2:7: seed: needs a whole number; found '2024-01-01'"),
    # units
    "no unit": (
        "numerics: {dt: 0.1}",
        "numerics.dt: needs a number and one of ms, us, such as '0.5 ms'; found 0.1, which",
    ),
    "no unit, quoted": ("numerics: {dt: '0.1'}", "numerics.dt: needs a number", "found '0.1', which has no unit"),
    "unit of another kind": (
        "drug: {concentration: 1 mV}",
        "x.yaml:2:23: drug.concentration: needs a number and one of uM, nM, mM, such as '1 uM'; found '1 mV', and mV",
    ),
    "unknown unit": ("numerics: {dt: 0.1 msec}", "found '0.1 msec'; did you mean 'ms'?"),
    "unit in capitals": ("drug: {concentration: 1 UM}", "found '1 UM'"),
    "unit alone": ("drug: {concentration: uM}", "found 'uM'"),
    "number with a comma": ("drug: {concentration: '1,5 uM'}", "found '1,5 uM'"),
    "two quantities": ("protocol: {t_drug: 1 s 5 ms}", "found '1 s 5 ms'"),
    # ranges
    "too few cells": ("network: {num_neurons: 0}", "must be at least 500 and at most 1000000; found 0"),
    "too many cells": ("network: {num_neurons: 10000000}", "must be at least 500 and at most 1000000; found 10000000"),
    "negative time": ("protocol: {t_drug: -1 s}", "x.yaml:2:20: protocol.t_drug: must be at least 0 s", "found -1 s"),
    "negative concentration": (
        "drug: {concentration: -1 uM}",
        "must be at least 0 uM and at most 1000 uM; found -1 uM",
    ),
    "negative seed": ("seed: -1", "x.yaml:2:7: seed: must be at least 0 and at most 4294967295; found -1"),
    "step of nothing": (
        "numerics: {dt: 0 ms}",
        "numerics.dt: must be at least 0.001 ms and at most 0.5 ms; found 0 ms",
    ),
    "nan": ("numerics: {block_acceleration: .nan}", "block_acceleration: needs a number; found '.nan'"),
    "infinite": ("numerics: {block_acceleration: .inf}", "block_acceleration: needs a number; found '.inf'"),
    "infinite quantity": ("protocol: {t_drug: inf s}", "found 'inf s'"),
    "beyond a float": ("protocol: {t_drug: 1e999 s}", "found '1e999 s', which is too large for a number"),
    "exponent of a million digits": ("protocol: {t_drug: 1e999999999 s}", "found '1e999999999 s'"),
    "whole number of 5000 digits": ("seed: " + "9" * 5000, "seed: needs a whole number", "... (5000 characters)"),
    # settings that are impossible together
    "concentration and schedule": (
        "drug: {name: ketamine, concentration: 1 uM, schedule: [{time: 8 s, concentration: 1 uM}]}\n"
        "protocol: {t_drug: 5 s}",
        "x.yaml:2:55: drug.schedule: give either a concentration or a schedule, not both",
    ),
    "a level of no drug": (
        "drug: {name: none, concentration: 1 uM}",
        "drug.concentration: is 1 uM, but drug.name is none",
    ),
    "a drug without a level": (
        "drug: {name: ketamine}",
        "x.yaml:2:7: drug: ketamine needs a concentration, such as 1 uM",
    ),
    "drug after the end": (
        "drug: {name: ketamine, concentration: 1 uM}",
        "drug.concentration: is never reached: protocol.t_transition and t_drug are both 0 s",
    ),
    "schedule out of order": (
        "protocol: {t_drug: 5 s}\n"
        "drug: {name: ketamine, schedule: [{time: 9 s, concentration: 1 uM}, {time: 8 s, concentration: 2 uM}]}",
        "x.yaml:3:76: drug.schedule.1.time: must be later than the step before it, at 9 s; found 8 s",
    ),
    "schedule after the end": (
        "protocol: {t_drug: 5 s}\ndrug: {name: ketamine, schedule: [{time: 30 s, concentration: 1 uM}]}",
        "x.yaml:3:42: drug.schedule.0.time: must be before the end of the run, at 12 s; found 30 s",
    ),
    "schedule in the baseline": (
        "protocol: {t_drug: 5 s}\ndrug: {name: ketamine, schedule: [{time: 3 s, concentration: 1 uM}]}",
        "drug.schedule.0.time: must not be before the end of the baseline, at 7 s; found 3 s",
    ),
    # doses, interventions and knock-downs
    "unknown drug": (
        "drug: {name: ketamin, concentration: 1 uM}",
        "x.yaml:2:14: drug.name: 'ketamin' is not a drug of this model; did you mean 'ketamine'?",
    ),
    "unknown route": (
        TIME + "drug: {name: ketamine, dose: 1 mg/kg, route: topical, species: rat, after: 20 min}",
        "x.yaml:3:46: drug.route: 'topical' is not a route; take one of i.v., i.v. infusion, i.m.",
    ),
    "route without data": (
        TIME + "drug: {name: ketamine, dose: 1 mg/kg, route: sublingual, species: rat, after: 20 min}",
        "x.yaml:3:46: drug.route: ketamine has no data for the route sublingual in rat; it has i.v., i.v. infusion,",
    ),
    "species without data": (
        TIME + "drug: {name: MK-801, dose: 1 mg/kg, route: i.p., species: human, after: 20 min}",
        "x.yaml:3:59: drug.species: MK_801 has no pharmacokinetics for human, only for mouse",
    ),
    "drug without pharmacokinetics": (
        TIME + "drug: {name: NBQX, dose: 1 mg/kg, route: i.p., species: rat, after: 20 min}",
        "x.yaml:3:26: drug.dose: NBQX cannot be given as a dose: there are pharmacokinetics for ketamine,",
    ),
    "unknown species": (
        TIME + "drug: {name: ketamine, dose: 1 mg/kg, route: i.p., species: dog, after: 20 min}",
        "x.yaml:3:61: drug.species: must be one of human, rat, mouse; found 'dog'",
    ),
    "negative dose": (
        TIME + "drug: {name: ketamine, dose: -1 mg/kg, route: i.p., species: rat, after: 20 min}",
        "x.yaml:3:30: drug.dose: must be at least 0 mg/kg and at most 1000 mg/kg; found -1 mg/kg",
    ),
    "dose that is a mass": (
        TIME + DOSE.replace("10 mg/kg", "10 mg") + "}",
        "x.yaml:3:30: drug.dose: needs a number and one of mg/kg, ug/kg",
    ),
    "dose and concentration": (
        TIME + DOSE + ", concentration: 1 uM}",
        "drug.dose: give either a concentration or a dose, not both",
    ),
    "dose without a route": (
        TIME + "drug: {name: ketamine, dose: 1 mg/kg, species: rat, after: 20 min}",
        "x.yaml:3:30: drug.dose: needs route too, such as route: i.p.",
    ),
    "dose without a species": (
        TIME + "drug: {name: ketamine, dose: 1 mg/kg, route: i.p., after: 20 min}",
        "x.yaml:3:30: drug.dose: needs species too, such as species: rat",
    ),
    "dose at no time": (
        TIME + "drug: {name: ketamine, dose: 1 mg/kg, route: i.p., species: rat}",
        "x.yaml:3:30: drug.dose: needs after too, such as after: 20 min",
    ),
    "route of a concentration": (
        TIME + "drug: {name: ketamine, concentration: 1 uM, route: i.p.}",
        "x.yaml:3:52: drug.route: says how a dose is given, and there is no dose but a concentration",
    ),
    "infusion without an end": (
        TIME + "drug: {name: ketamine, dose: 1 mg/kg, route: i.v. infusion, species: human, after: 20 min}",
        "x.yaml:3:46: drug.route: i.v. infusion needs a duration, such as 40 min",
    ),
    "duration of no infusion": (
        TIME + DOSE + ", duration: 3 min}",
        "drug.duration: is for the route i.v. infusion; found the route i.p.",
    ),
    "doses without an interval": (TIME + DOSE + ", repeat: 3}", "drug.repeat: 3 doses need an interval, such as 24 h"),
    "interval of one dose": (TIME + DOSE + ", interval: 3 h}", "drug.interval: is between doses, and there is one;"),
    "no doses": (TIME + DOSE + ", repeat: 0}", "drug.repeat: must be at least 1 and at most 1000; found 0"),
    "overlapping infusions": (
        TIME + "drug: {name: ketamine, dose: 1 mg/kg, route: i.v. infusion, species: human, after: 20 min,\n"
        " duration: 40 min, repeat: 2, interval: 30 min}",
        "x.yaml:4:41: drug.interval: is 0.5 h, shorter than the infusion of 40 min: the doses would overlap",
    ),
    "dose of no drug": ("drug: {name: none, dose: 1 mg/kg}", "drug.dose: is 1 mg/kg, but drug.name is none"),
    "dose that never acts": (DOSE + "}", "drug.dose: never acts: protocol.t_transition and t_drug are both 0 s"),
    "a drug given twice": (
        TIME + "drug: {name: ketamine, concentration: 1 uM}\ninterventions: [{name: ketamine, concentration: 2 uM}]",
        "x.yaml:4:17: interventions.0: gives ketamine, which drug gives already; put all of its steps into one",
    ),
    "an intervention of nothing": (
        "interventions: [{name: none}]",
        "x.yaml:2:24: interventions.0.name: is none; take the entry out of the list",
    ),
    "interventions that are no list": (
        "interventions: {name: NBQX}",
        "interventions: needs a list, such as [{name: NBQX, concentration: 10 uM}]; found a group of keys (name)",
    ),
    "intervention after the end": (
        TIME + "interventions: [{name: NBQX, schedule: [{time: 30 s, concentration: 1 uM}]}]",
        "x.yaml:3:48: interventions.0.schedule.0.time: must be before the end of the run, at 12 s; found 30 s",
    ),
    "unknown site": (
        TIME + "interventions: [{name: NBQX, site: foot, concentration: 1 uM}]",
        "x.yaml:3:36: interventions.0.site: must be one of whole brain, column, bath; found 'foot'",
    ),
    "unknown subunit": (
        "knockdowns: [{subunit: GluN2E, populations: [PYR], remaining: 0}]",
        "knockdowns.0.subunit: must be one of GluN2A, GluN2B, GluN2C, GluN2D; found 'GluN2E'",
    ),
    "knock-down in an unknown population": (
        "knockdowns: [{subunit: GluN2B, populations: [SOM], remaining: 0}]",
        "x.yaml:2:46: knockdowns.0.populations.0: must be one of PYR, PV, SST, VIP; found 'SOM'",
    ),
    "knock-down in no population": (
        "knockdowns: [{subunit: GluN2B, populations: [], remaining: 0}]",
        "knockdowns.0.populations: needs at least one entry, such as [PYR, PV]; found an empty list",
    ),
    "knock-down that leaves more": (
        "knockdowns: [{subunit: GluN2B, populations: [PYR], remaining: 2}]",
        "knockdowns.0.remaining: must be at least 0 and at most 1; found 2",
    ),
    "knocked down twice": (
        "knockdowns: [{subunit: GluN2B, populations: [PYR], remaining: 0},\n"
        " {subunit: GluN2B, populations: [PYR, PV], remaining: 0.5}]",
        "x.yaml:3:2: knockdowns.1: GluN2B in PYR is knocked down twice",
    ),
    "subunits that are not a whole": (
        "parameters: {cells: {PYR: {fraction_GluN2A: 0.9}}}",
        "fraction_GluN2A, fraction_GluN2B, fraction_GluN2C, fraction_GluN2D of PYR add up to 1.35, not 1;",
    ),
    "rate of the wrong kind": (
        "parameters: {drugs: {ketamine: {k_on: 3 /s}}}",
        "parameters.drugs.ketamine.k_on: needs a number and one of /uM/s, /mM/s",
    ),
    "step between steps": (
        "recording: {lfp_step: 0.25 ms}",
        "x.yaml:2:23: recording.lfp_step: must be a whole number of time steps (numerics.dt is 0.1 ms); found 0.25 ms",
    ),
    "phase between steps": (
        "protocol: {t_settle: 100.05 ms}",
        "protocol.t_settle: must be a whole number of time steps",
    ),
    "nothing to run": ("protocol: {t_settle: 0 s, t_baseline: 0 s}", "protocol: all phases are 0 s long"),
    "in-degree larger than the network": ("network: {num_neurons: 500}", "network.num_neurons: 500 cells are too few"),
    "more traced than there are": ("network: {num_neurons: 1000}\nrecording: {num_traced: 100}", "must be at most 60"),
    # the numbers of the model
    "unknown parameter": (
        "parameters: {cells: {PYR: {Cm: 120 pF}}}",
        "x.yaml:2:28: parameters.cells.PYR.Cm: unknown key; did you mean 'parameters.cells.PYR.C_m'?",
    ),
    "unknown population": ("parameters: {cells: {SOM: {}}}", "x.yaml:2:22: parameters.cells.SOM: unknown key"),
    "parameter of the wrong kind": (
        "parameters: {cells: {PYR: {C_m: 120 nS}}}",
        "x.yaml:2:33: parameters.cells.PYR.C_m: needs a number and one of pF, nF, such as '1 pF'; found '120 nS'",
    ),
    "parameter out of range": ("parameters: {cells: {PV: {E_L: 5 V}}}", "must be at least -150 mV and at most 100 mV"),
    "parameter as a leaf": (
        "parameters: {cells: {PYR: {C_m: {value: 120 pF}}}}",
        "x.yaml:2:33: parameters.cells.PYR.C_m: takes the value alone, such as '120 pF'; found a group of keys (value)",
    ),
    "value for a group of parameters": (
        "parameters: {cells: 3}",
        "x.yaml:2:21: parameters.cells: is a group (PYR, PV, SST",
    ),
    "parameter without a value": ("parameters: {cells: {PYR: {C_m: }}}", "parameters.cells.PYR.C_m: needs a number"),
    "model that is not a name": ("model: 3", "x.yaml:2:8: model: needs the name of a file of numbers; found 3"),
    "model that is missing": ("model: parameter.yaml", "x.yaml:2:8: model: ", "did you mean 'parameters.yaml'?"),
    "model that is an experiment": (
        "model: baseline.yaml",
        "baseline.yaml:3:1: title: unknown key",
        "cells: is missing",
    ),
}

# Whole files.
FILES = {
    "empty file": (b"", "x.yaml: is empty"),
    "only comments": (b"# nothing\n", "x.yaml: is empty"),
    "a list": (b"- 1\n- 2\n", "x.yaml:1:1: needs keys with values, such as 'seed: 1'; found a list of 2"),
    "a word": (b"ketamine\n", "x.yaml:1:1: needs keys with values", "found 'ketamine'"),
    "binary": (bytes(range(256)), "x.yaml: is not UTF-8 text (byte 129 is 0x80)"),
    "zeros": (b"\0" * 100, "x.yaml:1:1: the character U+0000 cannot be in a config"),
    "UTF-16": ("seed: 1".encode("utf-16"), "x.yaml: is not UTF-8 text (byte 1 is 0xff)"),
    "too large": (b"# " + b"x" * 5_000_000, "x.yaml: is too large to be a config"),
    "long": (b"# " + b"x" * 1_100_000, "x.yaml:1:1: has 1100002 characters"),
    "no model": (b"seed: 1\n", "model: is missing", "x.yaml:1:1: protocol: is missing"),
    "extends itself": (b"extends: x.yaml\n", "x.yaml:1:10: extends: is this file itself"),
    "extends itself by another name": (b"extends: ./sub/../x.yaml\n", "x.yaml:1:10: extends: is this file itself"),
    "extends twice removed": (b"extends: ketamine.yaml\n", "ketamine.yaml:4:1: extends: only one level: "),
    "extends nothing there": (b"extends: basline.yaml\n", "x.yaml:1:10: extends: ", "did you mean 'baseline.yaml'?"),
    "extends a folder": (b"extends: sub\n", "x.yaml:1:10: extends: ", "is a folder, where a file is needed"),
    "extends a list": (b"extends: [baseline.yaml]\n", "x.yaml:1:10: extends: needs the name of a file; found a list"),
    "extends null": (b"extends:\n", "x.yaml:1:9: extends: needs the name of a file; found nothing"),
    "extends a name with a zero": (b'extends: "a\\0b"\n', "x.yaml:1:10: extends: the character U+0000 cannot be"),
    "damaged parent": (b"extends: broken.yaml\n", "broken.yaml:1:7: drug: needs a group of keys"),
}

# Overrides of configs/ketamine.yaml.
OVERRIDES = {
    "no equals sign": (["seed"], "--set seed: needs a key and a value, such as drug.concentration='1 uM'"),
    "no key": (["=3"], "needs a key before '='"),
    "gap in the key": (["drug..name=none"], "--set drug..name: needs a key before '='"),
    "unknown": (["drug.conc=3 uM"], "--set drug.conc: unknown key; did you mean 'drug.concentration'?"),
    "unknown at the top": (
        ["concentration=3 uM"],
        "--set concentration: unknown key; did you mean 'drug.concentration'?",
    ),
    "no unit": (["drug.concentration=3"], "--set drug.concentration: needs a number", "found 3, which has no unit"),
    "nothing": (["seed="], "--set seed: needs a whole number; found nothing"),
    "value for a group": (["drug=ketamine"], "--set drug: needs a group of keys", "found 'ketamine'"),
    "key below a value": (["seed.x=1"], "--set seed: needs a whole number; found a group of keys (x)"),
    "open list": (["drug.schedule=[{"], "--set drug.schedule: "),
    "wrong inside a list": (
        ["drug.schedule=[{time: 8 s, concentration: 1}]"],
        "--set drug.schedule.0.concentration: needs a number",
    ),
    "tag": (["title={a: !!python/name:os.system x}"], "--set title: tags (tag:yaml.org,2002:python/name:os.system)"),
    "twice": (["seed=1", "seed=2"], "--set seed: is given twice"),
    "extends": (["extends=baseline.yaml"], "--set extends: can only stand in a file"),
    "parameter": (
        ["parameters.cells.PYR.C_m=3 mV"],
        "--set parameters.cells.PYR.C_m: needs a number and one of pF, nF",
    ),
    "level of no drug": (
        ["drug.name=none", "drug.concentration=1 uM"],
        "--set drug.concentration: is 1 uM, but drug.name",
    ),
    "time constant of nothing": (
        ["parameters.drive.tau=0 ms"],
        "--set parameters.drive.tau: must be more than 0 ms; found 0 ms",
    ),
    "affinity of nothing": (
        ["parameters.receptors.GluN2A.K_Mg=0 uM"],
        "--set parameters.receptors.GluN2A.K_Mg: must be more than 0 uM; found 0 uM",
    ),
    "no release": (
        ["parameters.pathways.PYR_to_PV.U=0"],
        "--set parameters.pathways.PYR_to_PV.U: must be more than 0 and at most 1; found 0",
    ),
    "delay below a step": (
        ["parameters.synapses.delay_inhibition=40 us"],
        "--set parameters.synapses.delay_inhibition: must be at least one time step (numerics.dt is 0.1 ms)",
        "found 0.04 ms",
    ),
    "gate that rises too slowly": (
        ["parameters.synapses.gate_tau_rise=80 ms"],
        "synapses.gate_tau_rise, 80 ms, must be below cells.PV.tau_NMDA, 70 ms",
    ),
    "several": (["seed=-1", "drug.nam=none"], "--set seed: must be at least 0", "\n--set drug.nam: unknown key"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with sound configs and a damaged one to extend; the working directory."""
    numbers = ("parameters.yaml", "drugs.yaml", "pharmacokinetics.yaml", "signalling.yaml")
    for name in ("baseline.yaml", "ketamine.yaml", *numbers):
        shutil.copy(ROOT / "configs" / name, tmp_path)
    (tmp_path / "broken.yaml").write_text("drug: 3\n")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Run `pfc check` on arguments that must be refused; the message."""

    def run(*arguments: str) -> str:
        before = sorted(os.walk(folder))
        monkeypatch.setattr(sys, "argv", ["pfc", "check", *arguments])
        with pytest.raises(SystemExit) as stop:
            pfc.main()
        out, err = capsys.readouterr()
        assert (stop.value.code, out) == (2, "")
        assert sorted(os.walk(folder)) == before
        assert "Traceback" not in err and str(folder) not in err
        return err

    return run


@pytest.mark.parametrize(("body", "expected"), [(b, e) for b, *e in BODIES.values()], ids=BODIES)
def test_damaged_body(refused, folder, body, expected):
    (folder / "x.yaml").write_bytes(f"extends: baseline.yaml\n{body}".encode("utf-8", "surrogatepass"))
    message = refused("x.yaml")
    assert [part for part in expected if part not in message] == [], message


@pytest.mark.parametrize(("content", "expected"), [(c, e) for c, *e in FILES.values()], ids=FILES)
def test_damaged_file(refused, folder, content, expected):
    (folder / "x.yaml").write_bytes(content)
    message = refused("x.yaml")
    assert [part for part in expected if part not in message] == [], message


@pytest.mark.parametrize(("overrides", "expected"), [(o, e) for o, *e in OVERRIDES.values()], ids=OVERRIDES)
def test_damaged_override(refused, overrides, expected):
    message = refused("ketamine.yaml", *[word for override in overrides for word in ("--set", override)])
    assert [part for part in expected if part not in message] == [], message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ketamin.yaml", "ketamin.yaml: there is no such file; did you mean 'ketamine.yaml'?\n"),
        ("configs/x.yaml", "configs/x.yaml: there is no such file, nor a folder configs\n"),
        ("sub", "sub: is a folder, where a file is needed\n"),
        ("/dev/zero", "/dev/zero: is not an ordinary file\n"),
        ("a" * 300, "cannot be read: File name too long\n"),
    ],
)
def test_no_file_to_read(refused, name, expected):
    assert refused(name).endswith(expected)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_that_may_not_be_read(refused, folder):
    (folder / "x.yaml").touch(mode=0o000)
    assert refused("x.yaml") == "x.yaml: cannot be read: Permission denied\n"


MODEL_DAMAGE = {
    "leaf without unit": ("value: 100 pF", "value: 100", "C_m.value: needs a number and one of pF, nF"),
    "leaf without source": ("source: Hass2016, ", "", "cells.PYR.C_m.source: is missing"),
    "leaf without status": ("status: derived, ", "", "cells.PYR.C_m.status: is missing"),
    "leaf without value": ("value: 100 pF, ", "", "cells.PYR.C_m.value: is missing"),
    "unknown status": ("status: derived", "status: guessed", "must be one of published, derived, fitted, assumed"),
    "derived without formula": (
        "note: here",
        "where: here",
        "cells.PYR.C_m: has status derived, so its note must name",
    ),
    "unknown field": ("note: here", "note: here, unit: pF", "cells.PYR.C_m.unit: unknown key"),
}


@pytest.mark.parametrize(("sound", "damaged", "expected"), MODEL_DAMAGE.values(), ids=MODEL_DAMAGE)
def test_damaged_number_of_the_model(refused, folder, sound, damaged, expected):
    leaf = "{value: 100 pF, status: derived, source: Hass2016, meaning: soma capacitance, note: here}"
    model = folder / "parameters.yaml"
    before, found, rest = model.read_text().partition("    C_m: {")
    model.write_text(f"{before}    C_m: {leaf.replace(sound, damaged)}{rest[rest.index('}') + 1 :]}")
    line = before.count("\n") + 1
    message = refused("ketamine.yaml")
    assert found and message.startswith(f"parameters.yaml:{line}:") and expected in message, message


def test_several_errors_come_in_the_order_of_their_places(refused, folder):
    (folder / "x.yaml").write_text(
        "extends: baseline.yaml\ntitel: a\nseed: x\nnetwork: {num_neurons: 1}\nparameters: {cells: {PYR: {C_m: 1}}}\n"
    )
    message = refused("x.yaml", "--set", "numerics.dt=1 s", "--set", "drug.name=x")
    heads = [line for line in message.splitlines() if not line.startswith(" ")]
    places = ["x.yaml:2:1: titel", "x.yaml:3:7: seed", "x.yaml:4:24: network", "x.yaml:5:33: parameters.cells.PYR.C_m"]
    places += ["--set numerics.dt", "--set drug.name"]
    assert [head[: len(place)] for head, place in zip(heads, places, strict=True)] == places


def test_message_shows_the_line_and_points_at_the_value(refused, folder):
    (folder / "x.yaml").write_text("extends: baseline.yaml\nnumerics:\n  dt: 0.1 mss\n")
    assert refused("x.yaml") == (
        "x.yaml:3:7: numerics.dt: needs a number and one of ms, us, such as '0.5 ms'; "
        "found '0.1 mss'; did you mean 'ms'?\n"
        "      dt: 0.1 mss\n"
        "          ^\n"
    )


def test_long_line_is_shown_around_the_place(refused, folder):
    (folder / "x.yaml").write_text(f"extends: baseline.yaml\nnumerics: {{precision: {' ' * 500}doubel}}\n")
    _, excerpt, caret = refused("x.yaml").splitlines()
    assert len(excerpt) < 120 and excerpt[caret.index("^") :].startswith("doubel")


@pytest.mark.parametrize("command", ["check", "parameters", "cite"])
def test_every_command_refuses_in_a_process_of_its_own(folder, command):
    (folder / "x.yaml").write_text("extends: baseline.yaml\nseed: x\n")
    done = subprocess.run([sys.executable, ROOT / "pfc.py", command, "x.yaml"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "x.yaml:2:7: seed: needs a whole number; found 'x'\n    seed: x\n          ^\n"


def test_nothing_in_a_config_is_executed(refused, folder):
    (folder / "x.yaml").write_text("title: !!python/object/apply:os.mkdir [made_by_yaml]\n")
    refused("x.yaml")
    assert not (folder / "made_by_yaml").exists()
