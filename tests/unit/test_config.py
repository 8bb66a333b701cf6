# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound configs: what they resolve to, in which order layers count, and the commands that print them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import pfc
from circuit import exposure
from circuit.config import ConfigError, load, read
from circuit.errors import UserError
from circuit.tables import HEADER, ORDER, leaves, parameter_table, references, rows, sources
from circuit.units import Quantity
from circuit.yaml_source import dump

CONFIGS = Path(pfc.__file__).parent / "configs"
BASELINE = CONFIGS / "baseline.yaml"
KETAMINE = CONFIGS / "ketamine.yaml"
LIBRARY = "% heading\n@article{a,\n  title = {One}\n}\n\n@book{ b,\n  title = {Two}\n}\n@misc{c, title = {Three}}\n"


@pytest.fixture(scope="module")
def ketamine():
    return load(KETAMINE)


@pytest.mark.parametrize("name", ["baseline", "ketamine", "smoke"])
def test_shipped_config_loads_and_comes_back_equal(name, tmp_path):
    experiment = load(CONFIGS / f"{name}.yaml")
    (tmp_path / "resolved.yaml").write_text(dump(experiment.resolved()))
    assert load(tmp_path / "resolved.yaml") == experiment


def test_file_counts_over_the_one_it_extends(ketamine):
    baseline = load(BASELINE)
    assert (ketamine.drug.name, baseline.drug.name) == ("ketamine", "none")
    assert (ketamine.protocol.t_drug, baseline.protocol.t_drug) == (Quantity(5, "s"), Quantity(0, "s"))
    assert ketamine.protocol.t_settle == baseline.protocol.t_settle
    assert ketamine.numbers == baseline.numbers


def test_override_counts_over_the_file(ketamine):
    changed = load(KETAMINE, ["drug.concentration=3 uM", "seed=7", "title=run #3: a"])
    assert (changed.drug.concentration, changed.seed, changed.title) == (Quantity(3, "uM"), 7, "run #3: a")
    assert changed.protocol == ketamine.protocol


def test_override_of_a_parameter_says_so(ketamine, tmp_path):
    changed = load(KETAMINE, ["parameters.cells.PYR.C_m=0.12 nF"])
    before, after = ketamine.numbers.cells.PYR.C_m, changed.numbers.cells.PYR.C_m
    assert (after.value, after.status, after.note) == (Quantity(120, "pF"), "assumed", "overridden by --set")
    assert (after.meaning, after.source) == (before.meaning, before.source)
    assert changed.numbers.cells.PV == ketamine.numbers.cells.PV

    (tmp_path / "x.yaml").write_text(f"extends: {BASELINE}\nparameters: {{cells: {{PYR: {{C_m: 120 pF}}}}}}\n")
    assert load(tmp_path / "x.yaml").numbers.cells.PYR.C_m.note == "overridden by x.yaml"


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        ([], [(7, 1)]),
        (["drug.name=none"], []),
        (["drug.concentration=0 uM"], [(7, 0)]),
        (["drug.schedule=[{time: 7 s, concentration: 1 uM}, {time: 9 s, concentration: 300 nM}]"], [(7, 1), (9, 0.3)]),
    ],
)
def test_later_word_on_the_drug_replaces_the_earlier(overrides, steps):
    experiment = load(KETAMINE, overrides)
    found = [step for drug in experiment.drugs for step in exposure.drug_steps(experiment, drug)]
    assert [(time.to("s"), level.to("uM")) for time, level in found] == steps


def test_phases_add_up(ketamine):
    assert (ketamine.drug_onset, ketamine.duration) == (Quantity(7, "s"), Quantity(20, "s"))
    odd = load(KETAMINE, ["protocol.t_settle=0.1 s", "protocol.t_baseline=0.2 s"])
    assert odd.drug_onset.si == 0.3  # exactly, unlike 0.1 + 0.2


def test_concentration_steps_at_its_times(ketamine):
    times = np.array([[0, 6.9999], [7, 19.9]])
    np.testing.assert_array_equal(1e3 * exposure.concentration(ketamine, times), [[0, 0], [1, 1]])
    assert exposure.concentration(ketamine, 70_000 * 0.1e-3 - 1e-12) == 1e-3  # on the step but for rounding
    assert exposure.concentration(load(BASELINE), np.arange(3.0)).tolist() == [0, 0, 0]
    schedule = "drug.schedule=[{time: 7 s, concentration: 1 uM}, {time: 9 s, concentration: 0 uM}]"
    np.testing.assert_array_equal(
        exposure.concentration(load(KETAMINE, [schedule]), np.arange(6, 11)), [0, 1e-3, 1e-3, 0, 0]
    )


def test_experiment_cannot_be_changed(ketamine):
    with pytest.raises(ValueError, match="frozen"):
        ketamine.seed = 2
    with pytest.raises(ValueError, match="frozen"):
        ketamine.drug.name = "none"


def test_files_are_opened_only_by_the_function_given():
    numbers = ("parameters.yaml", "drugs.yaml", "pharmacokinetics.yaml", "signalling.yaml")
    names = ("ketamine.yaml", "baseline.yaml", *numbers)
    texts = {name: (CONFIGS / name).read_text() for name in names}
    loaded = read("ketamine.yaml", read_text=lambda path: texts[str(path)])
    assert loaded.files == tuple(map(Path, texts))
    assert loaded.experiment == load(KETAMINE)


def test_paths_start_from_the_file_that_says_them(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(f"extends: {BASELINE}\n")
    monkeypatch.chdir(tmp_path)
    assert load("mine.yaml") == load(BASELINE)
    (tmp_path / "own").mkdir()
    for name in ("parameters.yaml", "drugs.yaml", "pharmacokinetics.yaml", "signalling.yaml"):
        (tmp_path / "own" / name).write_text((CONFIGS / name).read_text())
    assert read("mine.yaml", ["model=own/parameters.yaml"]).folder == Path("own")


def test_windows_line_ends_and_byte_order_mark_are_read(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbf" + f"extends: {BASELINE}\r\nseed: 5\r\n".encode())
    assert load(tmp_path / "x.yaml").seed == 5
    (tmp_path / "y.yaml").write_bytes(f"extends: {BASELINE}\r\nseed: x\r\n".encode())
    with pytest.raises(ConfigError, match=r"y.yaml:2:7: seed"):
        load(tmp_path / "y.yaml")


def test_every_leaf_of_the_schema_is_in_the_table(ketamine):
    table = rows(ketamine.numbers)
    assert {row[0] for row in table} == {path for path, _ in leaves(ketamine.numbers)}
    assert [row[3] for row in table] == sorted((row[3] for row in table), key=ORDER.index)


@pytest.mark.parametrize("form", ["table", "markdown", "latex"])
def test_table_has_a_line_for_every_number(ketamine, form):
    text = parameter_table(ketamine.numbers, form)
    extra = {"table": 2, "markdown": 2, "latex": 7}[form]
    assert len(text.splitlines()) == len(list(leaves(ketamine.numbers))) + extra
    assert len({line.count(" | ") for line in text.splitlines()}) == 1
    if form == "latex":
        assert not [line for line in text.splitlines()[1:-1] if line.replace("\\_", "").count("_")]


def test_the_assumed_numbers_are_listed_by_part_of_the_model(ketamine):
    text = parameter_table(ketamine.numbers, "assumed")
    assumed = [leaf for leaf in leaves(ketamine.numbers) if leaf[1].status == "assumed"]
    assert sum(line.count(", ") + 1 for line in text.splitlines()) == len(assumed)
    assert re.search(r"^- `cells.PYR`: .*tau_NMDA 90 ms, .*fraction_GluN2A 0.55, ", text, re.M)


def test_a_part_of_the_table_can_be_asked_for(ketamine):
    found = rows(ketamine.numbers, under=["drugs.ketamine.*", "receptors.Mg"])
    assert len(found) == 9 and {path.split(".")[0] for path, *_ in found} == {"drugs", "receptors"}
    assert all(path == "receptors.Mg" or path.startswith("drugs.ketamine.") for path, *_ in found)
    assert rows(ketamine.numbers, under=["drug"]) == []


def test_references_are_those_used(ketamine):
    used = sources(ketamine.numbers)
    assert "this model" not in used and used == sorted(set(used))
    library = "\n".join(f"@misc{{{key},\n  note = {{}}\n}}" for key in [*used, "unused"])
    assert references(ketamine.numbers, library).count("@misc") == len(used)
    with pytest.raises(UserError, match=f"references.bib has no entry for {used[0]}"):
        references(ketamine.numbers, LIBRARY)


def test_every_source_is_in_the_library(ketamine):
    assert references(ketamine.numbers, (CONFIGS / "references.bib").read_text())


def test_check_prints_what_load_reads(tmp_path):
    done = CliRunner().invoke(pfc.cli, ["check", str(KETAMINE), "--set", "drug.concentration=3 uM"])
    (tmp_path / "x.yaml").write_text(done.output)
    assert done.exit_code == 0
    assert load(tmp_path / "x.yaml") == load(KETAMINE, ["drug.concentration=3 uM"])


@pytest.mark.parametrize("arguments", [["parameters"], ["parameters", "--format", "latex"], ["cite", str(KETAMINE)]])
def test_commands_print(arguments):
    done = CliRunner().invoke(pfc.cli, arguments)
    assert (done.exit_code, done.exception) == (0, None)
    assert HEADER[0] in done.output or "@" in done.output


def test_checking_a_config_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['pfc', 'check', sys.argv[1]]; import pfc; pfc.cli(standalone_mode=False)\n"
        "heavy = {'brian2', 'scipy', 'matplotlib', 'numpy', 'h5py', 'xarray', 'rich'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, KETAMINE], cwd=CONFIGS.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
