# SPDX-License-Identifier: GPL-3.0-or-later
"""One page about one run, for a reader who does not have the program: everything is inside the file."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from circuit.rhythms import BANDS
from circuit.subunits import CLASSES
from figures import make, style, timeline
from figures import numbers as model
from figures.html import Html, join, picture, table, tag, whole_page
from figures.timeline import Timeline

FULL_NAMES = {
    "PYR": "Pyramidal cells",
    "PV": "Parvalbumin interneurons",
    "SST": "Somatostatin interneurons",
    "VIP": "VIP interneurons",
}

# Row of the first table: words, key in summary.json before and after the window's name, key of the change.
COMPARED = (
    ("Extracellular glutamate (µM)", "glutamate_{}_uM", "glutamate_change_percent"),
    ("AMPA throughput (pC per PYR cell per s)", "ampa_throughput_{}_pC_per_s", "ampa_throughput_change_percent"),
    ("Vesicular glutamate release (µM per s)", "glutamate_release_{}_uM_per_s", "glutamate_release_change_percent"),
    ("GABA synaptic events at a cell (Hz)", "gaba_release_{}_hz", "gaba_release_change_percent"),
    ("Excitatory current of a PYR cell (pA)", "excitation_PYR_{}_pA", "excitation_PYR_change_percent"),
    ("Inhibitory current of a PYR cell (pA)", "inhibition_PYR_{}_pA", "inhibition_PYR_change_percent"),
    *(
        (
            f"LFP {name.replace('hfo', 'HFO')}, {low:.0f} to {high:.0f} Hz (pA²)",
            f"{name}_power_{{}}_pA2",
            f"{name}_power_change_percent",
        )
        for name, (low, high) in BANDS.items()
    ),
    ("LFP gamma above the aperiodic part (pA²)", "gamma_periodic_{}_pA2", "gamma_periodic_change_percent"),
    ("LFP gamma peak (Hz)", "gamma_peak_{}_hz", None),
    ("Prominence of the LFP gamma peak", "gamma_prominence_{}", None),
)

# Row of the tables of spiking: words, key in summary.json before the population's name, and after it by window.
BY_WINDOW = {"baseline": "_baseline", "drug": "_drug"}
TWIN = {"baseline": "", "drug": "_drug"}
VARIABILITY = (
    ("CV of interspike intervals", "cv_isi", TWIN),
    ("Fano factor", "fano_factor", TWIN),
    ("Pairwise correlation", "pairwise_correlation", TWIN),
    ("Skewness of rates", "rate_skewness", TWIN),
    ("SD of ln(rate)", "rate_log_sd", TWIN),
    ("Share of cells that fired", "active_fraction", TWIN),
    ("Share of spikes in bursts", "burst_fraction", BY_WINDOW),
    ("Phase consistency with gamma", "spike_field", BY_WINDOW),
)
CHANGED = (("Share of cells up", "cells_up"), ("Share of cells down", "cells_down"))

WHOLE_CONFIG = "The manifest holds the complete configuration of this run, every number of the model included."
SAME_AGAIN = "The same version, device and seed give the same spikes."

STATUSES = ("assumed", "fitted", "derived", "published")
STATUS_WORDS = (
    "published: stands in the source; derived: computed from published numbers; fitted: adjusted in this model to the "
    "target in the note; assumed: a choice."
)

NO_VALUE = "–"


def write(results: Any, figs: Sequence[Path], path: str | Path | None = None) -> Path:
    """Write the page.

    Parameters
    ----------
    results : gpu.results.Results
        An open run, or any object with the same methods.
    figs : sequence of Path
        From `figures.make.all`; PNG files are put into the page, others are only counted on.
    path : str or Path, optional
        Where to write; ``report.html`` in the results folder if left out.

    Returns
    -------
    Path
        The file. It appears at once, whole.

    Raises
    ------
    OSError
        If a figure cannot be read or the page cannot be written.
    """
    return put(Path(path) if path is not None else Path(results.path) / "report.html", page(results, figs))


def put(path: Path, text: str) -> Path:
    """Write a page, all of it or nothing."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)
    return path


def page(results: Any, figs: Sequence[Path]) -> str:
    """Return the page as text."""
    title = str(results.manifest.get("title") or timeline.config(results).get("title") or "A run of the circuit")
    sections = (
        ("Key numbers", _key_numbers(results)),
        ("Figures", _figures(results, figs)),
        ("How it was run", _provenance(results)),
        ("Run it again", _again(results)),
        ("All results", _all_numbers(results)),
        ("Parameters", _parameters(results)),
    )
    return whole_page(title, join(_lead(results), _interruption(results)), sections)


def _lead(results: Any) -> Html:
    course = Timeline.of(results)
    sizes = ", ".join(f"{size:,} {name}" for name, size in results.sizes.items())
    drug = f"{course.treatment}, from {course.epochs[0].start:.3g} s" if course.epochs else "no drug"
    return tag(
        "p",
        f"A spiking model of a prefrontal cortex column: {sum(results.sizes.values()):,} cells ({sizes}), "
        f"{course.stop:.3g} s simulated, {drug}, seed {results.manifest.get('seed', NO_VALUE)}.",
        class_="lead",
    )


def _interruption(results: Any) -> Html | None:
    course = Timeline.of(results)
    if not results.interrupted:
        return None
    words = (
        f"This run was interrupted at {course.stop:.3g} s of {course.planned:.3g} s. "
        "Windows that it did not complete have no numbers."
    )
    return tag("p", tag("strong", "Interrupted. "), words, class_="warning", role="note")


def _key_numbers(results: Any) -> Html:
    return join(
        _findings(results),
        _compared(results),
        tag("div", _blocked(results) if Timeline.of(results).epochs else None, _variability(results), class_="beside"),
    )


def _findings(results: Any) -> Html:
    summary = results.summary
    points = []
    for name in results.sizes:
        before, after = summary.get(f"rate_{name}_baseline_hz"), summary.get(f"rate_{name}_drug_hz")
        points.append(_finding(f"{FULL_NAMES.get(name, name)} ({name}) fired at", "Hz", before, after))
    glutamate = (summary.get(f"glutamate_{w}_uM") for w in ("baseline", "drug"))
    points.append(_finding("Extracellular glutamate was", "µM", *glutamate))
    throughput = (summary.get(f"ampa_throughput_{w}_pC_per_s") for w in ("baseline", "drug"))
    points.append(_finding("AMPA throughput was", "pC per pyramidal cell and second", *throughput))
    return join(
        tag("ul", (tag("li", point) for point in points if point), class_="findings"),
        tag(
            "p",
            "This is one run with one seed; how far such numbers move from seed to seed is not on this page.",
            class_="note",
        ),
    )


def _finding(start: str, unit: str, before: float | None, after: float | None) -> str | None:
    if before is None:
        return None
    if after is None:
        return f"{start} {number(before)} {unit} at baseline."
    change = f" ({signed(100 * (after / before - 1))})" if before else ""
    return f"{start} {number(before)} {unit} at baseline and {number(after)} {unit} under the drug{change}."


def _compared(results: Any) -> Html:
    summary = results.summary
    rates = [
        (join(_population(name), " rate (Hz)"), f"rate_{name}_{{}}_hz", f"rate_{name}_change_percent")
        for name in results.sizes
    ]
    rows = []
    for words, key, change in (*rates, *COMPARED):
        values = [number(summary.get(key.format(window))) for window in ("baseline", "drug")]
        rows.append((words, *values, signed(summary.get(change)) if change else NO_VALUE))
    spans = " and ".join(f"{name} {start:.3g} to {stop:.3g} s" for name, (start, stop) in results.windows.items())
    return table(
        ("", "Baseline", "Drug", "Change"), rows, f"Means over the windows: {spans or 'none complete'}.", "numbers"
    )


def _blocked(results: Any) -> Html:
    summary = results.summary
    rows = []
    for name in results.sizes:
        shares = results.class_shares(name)
        cells = []
        for at, cls in enumerate(results.classes):
            absent = shares is not None and shares[at] == 0
            cells.append("absent" if absent else percent(summary.get(f"block_{name}_{cls}")))
        rows.append((_population(name), *cells, percent(summary.get(f"block_{name}_mean"))))
    names = results.classes or CLASSES
    return table(("", *names, "Together"), rows, "NMDA receptors blocked, mean of the drug window (%).", "numbers")


def _variability(results: Any) -> Html:
    return join(*(_spiking(results, window) for window in results.windows if window in TWIN))


def _spiking(results: Any, window: str) -> Html:
    rows = [
        (words, *(number(results.summary.get(f"{key}_{name}{ends[window]}")) for name in results.sizes))
        for words, key, ends in VARIABILITY
    ]
    if window == "drug":
        rows += [
            (words, *(number(results.summary.get(f"{key}_{name}")) for name in results.sizes)) for words, key in CHANGED
        ]
    title = "Spiking at baseline." if window == "baseline" else (
        "Spiking under the drug; cells up and down are those whose rate changed significantly (5 %, two-sided)."
    )
    return table(("", *map(_population, results.sizes)), rows, title, "numbers")


def _figures(results: Any, figs: Sequence[Path]) -> Html:
    pictures = [Path(path) for path in figs if Path(path).suffix == ".png"]
    return join(_figure(results, path, k) for k, path in enumerate(pictures, start=1))


def _figure(results: Any, path: Path, index: int) -> Html:
    module = make.of(results).get(path.stem)
    words = module.caption(results) if module else path.stem
    narrow = "narrow" if path.stem == "glutamate" else None
    alt = module.alt(results) if module else path.stem
    return picture(path, f"Figure {index}. {make.TITLES.get(path.stem, path.stem)}. ", words, alt, narrow)


def _provenance(results: Any) -> Html:
    manifest = results.manifest
    protocol = timeline.config(results).get("protocol") or {}
    stretches = ((key.removeprefix("t_").capitalize(), str(value)) for key, value in protocol.items())
    device, build = manifest.get("device") or {}, manifest.get("build") or {}
    seconds = manifest.get("timings") or {}
    rows = [
        ("Status", str(manifest.get("status", NO_VALUE))),
        ("Finished", str(manifest.get("finished", NO_VALUE))),
        ("Device", ": ".join(str(device[k]) for k in ("name", "reason") if device.get(k)) or NO_VALUE),
        ("Build", _build(build)),
        ("Hardware", hardware(manifest.get("hardware") or {})),
        (
            "Time taken",
            ", ".join(f"{key.removesuffix('_s')} {value:.3g} s" for key, value in seconds.items()) or NO_VALUE,
        ),
        (
            "Spikes",
            ", ".join(f"{n} {count:,}" for n, count in (manifest.get("spike_counts") or {}).items()) or NO_VALUE,
        ),
        ("Versions", ", ".join(f"{n} {v}" for n, v in (manifest.get("versions") or {}).items() if v) or NO_VALUE),
        ("Commit", str(manifest.get("commit") or "not a git checkout")),
        *((f"SHA-256 of {name}", value) for name, value in (manifest.get("sha256") or {}).items()),
    ]
    timing = table(("Stretch", "Length"), stretches, "Protocol, in this order.") if protocol else None
    return join(timing, table((), rows))


def _build(build: dict[str, Any]) -> str:
    if not build:
        return NO_VALUE
    return f"{build.get('hash', '')} ({'compiled for this run' if build.get('compiled') else 'found ready'})"


def hardware(found: dict[str, Any]) -> str:
    """Return a manifest's `hardware` in one line."""
    words = (("cpu", "{}"), ("cores", "{} cores"), ("memory_gib", "{} GiB"), ("system", "{}"), ("machine", "{}"))
    return ", ".join(form.format(found[key]) for key, form in words if found.get(key)) or NO_VALUE


def _again(results: Any) -> Html:
    config = {key: value for key, value in timeline.config(results).items() if key not in ("model", "numbers")}
    if not config:
        return join()
    extract = (
        "python -c \"import json; print(json.dumps(json.load(open('manifest.json'))['config']))\" > again.yaml\n"
        "pfc run again.yaml --out again"
    )
    return join(
        tag("p", f"{WHOLE_CONFIG} In the results folder:"),
        tag("pre", tag("code", extract)),
        tag("p", f"{SAME_AGAIN} Settings of this run, without the model's numbers:"),
        tag("pre", tag("code", yaml.safe_dump(config, sort_keys=False, allow_unicode=True).strip())),
    )


def _all_numbers(results: Any) -> Html:
    entries = results.summary.items()
    pairs = (tag("div", tag("dt", tag("code", key)), tag("dd", number(value))) for key, value in entries)
    return join(tag("p", "Everything in summary.json; units are in the names.", class_="note"), tag("dl", pairs))


def _parameters(results: Any) -> Html:
    found = list(model.leaves(model.tree(results.manifest)))
    if not found:
        return join()
    counts = Counter(leaf.status for leaf in found)
    tally = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    groups: dict[str, list[model.Leaf]] = {}
    for leaf in found:
        groups.setdefault(leaf.key.split(".")[0], []).append(leaf)
    return join(
        tag("p", f"{len(found)} numbers: {tally}. {STATUS_WORDS}"),
        (join(tag("h3", name.capitalize()), _group(name, members)) for name, members in groups.items()),
    )


def _group(name: str, members: list[model.Leaf]) -> Html:
    rows = [
        (
            leaf.key.removeprefix(f"{name}."),
            leaf.value,
            join(leaf.meaning, tag("span", f" ({leaf.note})", class_="meaning") if leaf.note else None),
            leaf.source + (f", {leaf.where}" if leaf.where else ""),
            tag("span", leaf.status, class_=leaf.status if leaf.status.isalpha() else None),
        )
        for leaf in members
    ]
    return table(("Key", "Value", "Meaning", "Source", "Status"), rows, class_="wide")


def _population(name: str) -> Html:
    return tag("span", name, class_="pop", style=f"color: {style.COLORS.get(name, style.INK)}")


def number(value: float | None) -> str:
    """Return a number in three digits with a true minus sign; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NO_VALUE
    words = f"{value:,.0f}" if abs(value) >= 1000 or value == 0 else f"{value:#.3g}".rstrip(".")
    return words.replace("-", "−")


def signed(value: float | None) -> str:
    """Return a change in percent with its sign; a line never ends before the %."""
    if value is None or not math.isfinite(value):
        return NO_VALUE
    return f"{value:+.{0 if abs(value) >= 10 else 1}f}\u00a0%".replace("-", "−")


def percent(value: float | None) -> str:
    """Return a fraction in percent."""
    return number(None if value is None else 100 * value)
