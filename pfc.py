# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line `pfc`: thin, and the only place that prints.

Whatever takes long to import is imported inside the command that needs it, so that a wrong config is told at once.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from circuit.errors import UserError
from gpu import threads

if TYPE_CHECKING:
    from circuit.config import Experiment
    from circuit.scores import Scores
    from circuit.validation import Study
    from gpu.collect import Collected
    from gpu.devices import Device
    from gpu.plan import Plan
    from gpu.progress import Meter
    from gpu.results import Results
    from gpu.slurm import Request
    from gpu.validation import Reading

CONFIGS = Path(__file__).resolve().parent / "configs"

#: Exit status after Ctrl-C, as a shell expects it.
INTERRUPTED = 130

config_argument = click.argument("config", type=click.Path())
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one value, such as drug.concentration='3 uM'.",
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="auto, cuda, cpp or numpy: what runs the network; auto takes the first of them that works.",
)
folder_argument = click.argument("folder", type=click.Path(path_type=Path))
#: What a job of a cluster is asked for: `gpu.slurm.Request`.
REQUEST_OPTIONS = (
    click.option("--partition", metavar="P", help="Slurm's; by default the cluster's own."),
    click.option("--time", metavar="T", help="Limit of one start of a task, as sbatch takes it.  [default: 4:00:00]"),
    click.option("--gres", metavar="WHAT", help="Of a task, such as gpu:1."),
    click.option("--array-limit", type=click.IntRange(1), help="Tasks that run at a time."),
    click.option("--parts", type=click.IntRange(1), help="Tasks; by default one a batch, at most 100."),
    click.option("--points-per-task", type=click.IntRange(1), help="In place of --parts."),
    click.option("--cpus", type=click.IntRange(1), help="Cores of a task; by default the cluster's own."),
    click.option("--mem", type=click.FloatRange(0.1), metavar="GB", help="Memory of a task."),
    click.option("--account", metavar="A", help="Who pays."),
    click.option("--slurm-option", "extra", multiple=True, metavar="KEY=VALUE", help="Any option of sbatch."),
)


def request_options(command: Callable) -> Callable:
    """Give a command the options of a job."""
    for option in reversed(REQUEST_OPTIONS):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Simulate a spiking microcircuit of the prefrontal cortex under ketamine."""


@cli.command()
@config_argument
@set_option
def check(config: str, overrides: tuple[str, ...]) -> None:
    """Check CONFIG without building anything; print everything it resolves to, as YAML."""
    from circuit.config import load
    from circuit.yaml_source import dump

    click.echo(dump(load(config, overrides).resolved()), nl=False)


@cli.command()
@click.argument("config", type=click.Path(), default=str(CONFIGS / "baseline.yaml"))
@set_option
@click.option("--format", "form", type=click.Choice(["table", "markdown", "latex", "assumed"]), default="table")
@click.option("--under", multiple=True, metavar="PATTERN", help="Only such as 'drugs.*'; may be given again.")
def parameters(config: str, overrides: tuple[str, ...], form: str, under: tuple[str, ...]) -> None:
    """Print every number of the model that CONFIG uses, with unit, meaning, source and status; assumed ones first."""
    from circuit.config import load
    from circuit.tables import parameter_table

    click.echo(parameter_table(load(config, overrides).numbers, form, under))


@cli.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
def findings(ids: tuple[str, ...], form: str) -> None:
    """Print the published observations that the model is fitted to or compared with; all of them, or those of IDs."""
    from circuit import findings

    chosen = findings.choose(findings.load(), ids)
    click.echo(findings.markdown(chosen) if form == "markdown" else findings.text(chosen))


@cli.command()
@config_argument
@set_option
def cite(config: str, overrides: tuple[str, ...]) -> None:
    """Print the BibTeX entries of everything that CONFIG takes a number from."""
    from circuit.config import read, read_text
    from circuit.tables import references

    loaded = read(config, overrides)
    library = next((p for p in (loaded.folder / "references.bib", CONFIGS / "references.bib") if p.is_file()), None)
    if library is None:
        raise UserError(
            f"{loaded.folder / 'references.bib'}: there is no such file; it belongs beside the model's numbers"
        )
    click.echo(references(loaded.experiment.numbers, read_text(library), library.name))


@cli.command()
@config_argument
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="Results folder; by default a new one under results/.")
@device_option
@click.option("--overwrite", is_flag=True, help="Replace the results in --out.")
@click.option("--figures/--no-figures", "with_figures", default=True, help="Draw the figures and write the report.")
@click.option("--arm", help="Of a CONFIG with arms, only this one.")
def run(
    config: str,
    overrides: tuple[str, ...],
    out: Path | None,
    device: str,
    overwrite: bool,
    with_figures: bool,
    arm: str | None,
) -> None:
    """Simulate CONFIG; leave data, summary, figures and a report in one folder, or one folder for each of its arms.

    A course of hours to weeks keeps its state beside the folder as it goes: interrupted or killed, the same command,
    with the same --out, goes on from there.
    """
    from circuit.config import arms, load

    names = arms(config)
    if arm is not None and arm not in names:
        known = f"it has {', '.join(names)}" if names else "it has none"
        raise UserError(f"{config}: there is no arm {arm!r}; {known}")
    out = out or _new_folder(config)
    if names and arm is None:
        _run_arms(config, {name: load(config, overrides, arm=name) for name in names}, out, device, overwrite)
        return
    exp = load(config, overrides, arm=arm)
    from gpu import job

    results = job.perform(exp, out, device, overwrite, _say, _meter)
    if with_figures:
        _draw(results, out)
    click.echo(_closing(results, out))
    if results.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)


@cli.command()
@config_argument
@set_option
@device_option
@click.option("--columns", type=click.IntRange(1), default=1, show_default=True, help="Runs in one program.")
def build(config: str, overrides: tuple[str, ...], device: str, columns: int) -> None:
    """Compile the network of CONFIG, so that a later run finds it."""
    from circuit.config import load

    exp = load(config, overrides)
    from circuit import network
    from gpu import job

    made = job.find(network.structure(exp, columns), job.choose(device, _say, to_run=False), _say, _meter)
    click.echo(f"{'Compiled' if made.compiled else 'Found'} {made.hash} in {made.seconds:.1f} s.")


@cli.command()
@config_argument
@set_option
@click.option(
    "--vary", multiple=True, metavar="KEY=V,V,...", help="An axis besides those of CONFIG, or in its place; seed=1..8."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the sweep; by default a new one in results/.")
@device_option
@click.option("--columns", type=click.IntRange(1), help="Points that one program does; by default the device's.")
@click.option("--workers", type=click.IntRange(1), help="Programs that run at a time; by default the device's.")
@click.option("--figures/--no-figures", "with_figures", default=True, help="Draw the figures and write the report.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing; with --slurm, as a job script.")
@click.option("--plan", "plan_only", is_flag=True, help="Only write down what there is to do, for pfc work.")
@click.option("--slurm", is_flag=True, help="Submit what is missing to Slurm, as an array; options below.")
@request_options
def sweep(
    config: str,
    overrides: tuple[str, ...],
    vary: tuple[str, ...],
    out: Path | None,
    device: str,
    columns: int | None,
    workers: int | None,
    with_figures: bool,
    dry_run: bool,
    plan_only: bool,
    slurm: bool,
    **wanted: Any,
) -> None:
    """Simulate every point of the sweep in CONFIG, or of --vary; one folder, one labelled dataset, figures.

    Stopped or killed, the same command with the same --out does what is missing.
    """
    from circuit.sweep import expand

    request = _request(slurm, workers, device, wanted)
    asked = expand(config, overrides, vary)
    from gpu import job, plan, points, status
    from gpu.slurm_jobs import make_folder

    out = out or _new_folder(config)
    chosen = _nodes(request) if request else job.choose(device, _say)
    columns = columns or chosen.columns
    if dry_run:
        planned = plan.draft(asked, out, columns)
        if request:
            _show_script(planned, request, _plan_command(config, overrides, vary, out, columns))
        else:
            click.echo("\n".join(status.preview(planned, chosen, workers or chosen.workers)))
        return
    planned = plan.write(asked, out, columns)
    if plan_only:
        make_folder(planned)
        click.echo(f"Planned {len(planned.points)} points in {len(planned.batches)} batches: {out}")
        return
    again = [failure.point for failure in points.failures(planned) if failure.cause == points.KILLED]
    points.forget(planned, again)
    if request:
        _submit(planned, request, again, "figures" if with_figures else "collect")
    else:
        _do(planned, chosen, workers, with_figures)


def _request(slurm: bool, workers: int | None, device: str, wanted: dict[str, Any]) -> Request | None:
    """What is asked of Slurm; None if nothing is, and then no option may be for it."""
    given = {key: value for key, value in wanted.items() if value is not None and value != ()}
    if not slurm:
        if given:
            names = ", ".join("--slurm-option" if key == "extra" else f"--{key.replace('_', '-')}" for key in given)
            raise UserError(f"{names} asks something of Slurm: add --slurm, or leave it out")
        return None
    if workers:
        raise UserError("--workers is for a sweep on this machine; with --slurm, --array-limit says how many at a time")
    from gpu.slurm import Request

    return Request(device=device, **given)


def _nodes(request: Request) -> Device:
    from gpu import slurm

    return slurm.nodes(request)


def _submit(planned: Plan, request: Request, again: Sequence[str], closing: str = "figures") -> None:
    from gpu import slurm

    click.echo("\n".join([*slurm.submit(planned, request, again, closing), f"Sweep: {planned.folder}"]))


def _show_script(planned: Plan, request: Request, first: str) -> None:
    """Print a job script, and apart from it, so that it can be saved as it stands, what it would do."""
    from gpu import pool, slurm, status
    from gpu.plan import PLAN

    batches = pool.left(planned)
    slurm.check_memory(planned, batches, request)
    device = slurm.nodes(request, len(slurm.shares(batches, request)))
    _say("\n".join(status.preview(planned, device, device.at_once)))
    written = (planned.folder / PLAN).is_file() and (planned.folder / "slurm").is_dir()
    click.echo(slurm.script(planned, request, None if written else first), nl=False)


def _plan_command(config: str, overrides: tuple[str, ...], vary: tuple[str, ...], out: Path, columns: int) -> str:
    """Return the command that writes the plan of a sweep into a folder."""
    options = [word for name, values in (("--set", overrides), ("--vary", vary)) for v in values for word in (name, v)]
    return shlex.join(["pfc", "sweep", config, *options, "--out", str(out), "--columns", str(columns), "--plan"])


def _do(planned: Plan, device: Device, workers: int | None, with_figures: bool) -> None:
    """Do what is missing of a sweep on this machine, and say how it ended; status 1 if a point failed."""
    from gpu import points, pool, status, worker

    if with_figures:
        _import_ahead("figures.sweep", "figures.sweep_report")
    try:
        with worker.stoppable():
            pool.perform(planned, device, workers, _say, _meter)
    except worker.Stopped as stopped:
        click.echo("\n".join(status.summary(planned)))
        _say(f"Stopped; what is done is kept in {planned.folder}. The same command with the same --out goes on.")
        worker.wait_for_end(stopped)
        raise click.exceptions.Exit(INTERRUPTED) from None
    _finish(planned.folder, with_figures)
    click.echo("\n".join([*status.summary(planned), f"Sweep: {planned.folder}"]))
    if any(state != points.DONE for state in points.states(planned).values()):
        raise click.exceptions.Exit(1)


@cli.command()
@folder_argument
@click.option("--part", type=click.IntRange(0), default=0, show_default=True, help="Which part, from 0.")
@click.option("--of", type=click.IntRange(1), default=1, show_default=True, help="Of how many equal parts.")
@device_option
def work(folder: Path, part: int, of: int, device: str) -> None:
    """Do one part of what is missing of the sweep in FOLDER, in this process; for a job of a cluster.

    Told to end, it ends, and another start goes on. Inside a Slurm job it waits for the end then, since Slurm puts back
    only jobs that it had to end itself.
    """
    from gpu import job, worker
    from gpu.plan import Plan

    if part >= of:
        raise UserError(f"--part {part}: parts count from 0, so of {of} the last is {of - 1}")
    planned = Plan.read(folder)
    batches = worker.part(planned, part, of)
    try:
        with worker.stoppable() as asked, _meter(f"part {part} of {of}") as meter:
            counted = worker.Counted(planned, batches, meter)
            worker.Worker(planned, job.choose(device, _say), counted, _say, asked).work(batches)
    except worker.Stopped as stopped:
        _say("Stopped; what is done is kept.")
        worker.wait_for_end(stopped)
        raise click.exceptions.Exit(INTERRUPTED) from None


@cli.command()
@folder_argument
def status(folder: Path) -> None:
    """Say how many points of the sweep in FOLDER are done, running, failed and missing, what failed, what is queued."""
    from gpu import slurm_jobs, status
    from gpu.plan import Plan

    planned = Plan.read(folder)
    click.echo("\n".join([*status.summary(planned), *slurm_jobs.summary(planned)]))


@cli.command()
@folder_argument
@device_option
@click.option("--workers", type=click.IntRange(1), help="Programs that run at a time; by default the device's.")
@click.option("--local", is_flag=True, help="Run here what was submitted to Slurm.")
def retry(folder: Path, device: str, workers: int | None, local: bool) -> None:
    """Run again what failed or is damaged of the sweep in FOLDER, and what is missing; where it ran before.

    What was submitted to Slurm is submitted again with the options of the last time; --device and --workers are for
    this machine.
    """
    from gpu import job, points, slurm_jobs, status
    from gpu.plan import Plan

    planned = Plan.read(folder)
    jobs = slurm_jobs.noted(planned)
    again = [failure.point for failure in points.failures(planned)]
    points.forget(planned, again)
    points.discard(planned, status.damaged(planned))
    if jobs and not local:
        from gpu.slurm import Request

        _submit(planned, Request.of(jobs[-1].options), again)
    else:
        _do(planned, job.choose(device, _say), workers, True)


@cli.command()
@folder_argument
def cancel(folder: Path) -> None:
    """Stop whatever works on the sweep in FOLDER, here and in its jobs; what is done is kept."""
    from gpu import pool, slurm_jobs
    from gpu.plan import Plan

    planned = Plan.read(folder)
    told = pool.stop_others(planned)
    click.echo(f"Told {told} to stop." if told else "Nothing on this machine works on it.")
    if cancelled := slurm_jobs.cancel(planned):
        click.echo(f"Cancelled Slurm's {', '.join(cancelled)}.")


@cli.command()
@folder_argument
def verify(folder: Path) -> None:
    """Check that the results in FOLDER, of a run or a sweep, are what was written; status 1 if not."""
    from gpu import status

    wrong = status.verify(folder)
    click.echo("\n".join(wrong) or f"{folder}: everything is as it was written.")
    if wrong:
        raise click.exceptions.Exit(1)


@cli.command()
@click.argument("config", type=click.Path(), default=str(CONFIGS / "validation.yaml"))
@click.option("--base", type=click.Path(), help="Experiment whose circuit is meant; by default the one in CONFIG.")
@set_option
@click.option("--seeds", type=click.IntRange(2, 1000), help="Seeds of each arm; by default as many as CONFIG says.")
@click.option("--fast", is_flag=True, help="Only what there is time for between two commits.")
@click.option("--only", multiple=True, metavar="ID", help="Only this finding, such as B24; may be given again.")
@click.option("--gate", type=click.Path(path_type=Path), help="Scores from before; status 1 if what passed fails now.")
@click.option("--format", "form", type=click.Choice(["table", "markdown"]), default="table", help="What is printed.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of all this; by default a new one in results/.")
@device_option
@click.option("--workers", type=click.IntRange(1), help="Programs that run at a time; by default the device's.")
def validate(
    config: str,
    base: str | None,
    overrides: tuple[str, ...],
    seeds: int | None,
    fast: bool,
    only: tuple[str, ...],
    gate: Path | None,
    form: str,
    out: Path | None,
    device: str,
    workers: int | None,
) -> None:
    """Hold the model against published findings: run each one's experiment and score what comes of it.

    Leaves scores.json, scores.csv, validation.md and a figure in one folder. Stopped or killed, the same command with
    the same --out does what is missing.
    """
    from circuit import findings, scores, scoring, validation

    study = validation.load(config, base, overrides, seeds, fast, only)
    published = findings.load()
    from gpu import validation as running

    running.fit(study, published)
    before = running.read(gate) if gate else None
    out = out or _new_folder(config)
    found = running.score(study, published, _perform_study(study, out, device, workers))
    page = scores.page(found, scoring.RULE)
    running.write(found, out, page)
    _draw_scores(found, out)
    click.echo(scores.table(found) if form == "table" else page)
    if before is not None and (lost := scores.lost(found, before)):
        click.echo("\n".join(lost))
        raise click.exceptions.Exit(1)


def _perform_study(study: Study, out: Path, device: str, workers: int | None) -> Reading:
    """Do what is missing of a study's runs on this machine."""
    from gpu import job, validation, worker

    if not study.sweep.points:
        return validation.Reading(study, Path)
    chosen = job.choose(device, _say)
    _import_ahead("figures.validation")
    try:
        with worker.stoppable():
            return validation.perform(study, out, chosen, workers, _say, _meter)
    except worker.Stopped as stopped:
        _say(f"Stopped; what is done is kept in {out}. The same command with the same --out goes on.")
        worker.wait_for_end(stopped)
        raise click.exceptions.Exit(INTERRUPTED) from None


def _draw_scores(found: Scores, out: Path) -> None:
    from figures import style, validation

    try:
        paths = style.save(validation.figure(found), out, "validation")
    except OSError as error:
        raise UserError(f"The scores are safe in {out}, but the figure could not be written: {error}") from error
    _say(f"Figure: {paths[0]}")


@cli.command()
@folder_argument
def collect(folder: Path) -> None:
    """Make one labelled dataset of the sweep in FOLDER, sweep.nc, and one table, sweep.csv.

    Points may still be missing; each one is compared with its checksum first.
    """
    counts = _collect(folder).counts
    click.echo(", ".join(f"{number} {state}" for state, number in counts.items() if number))
    click.echo(f"Dataset: {folder / 'sweep.nc'}\nTable: {folder / 'sweep.csv'}")


@cli.command()
@folder_argument
@click.option("--cells", "population", default="PYR", show_default=True, help="Population of the clamped cells.")
def clamp(folder: Path, population: str) -> None:
    """Print frequency and amplitude of spontaneous synaptic currents in the run in FOLDER, as under voltage clamp.

    The network is drawn anew and the spikes are replayed through its synapses. Afferents have no events in the model.
    """
    from gpu.results import Results

    for key, value in Results.open(folder).clamped(population).items():
        name, _, unit = key.rpartition("_")
        click.echo(f"{name:<40} {value:8.4g} {'Hz' if unit == 'hz' else unit}")


@cli.command()
@config_argument
@set_option
@click.option("--columns", type=click.IntRange(1), default=1, show_default=True, help="Runs in one program.")
def estimate(config: str, overrides: tuple[str, ...], columns: int) -> None:
    """Print the memory that a run of CONFIG needs, object by object; status 2 if it does not fit."""
    from circuit.config import load

    exp = load(config, overrides)
    from circuit import network
    from gpu import job, memory

    shape = network.structure(exp, columns)
    click.echo(memory.table(memory.estimate(shape, exp.duration.si)))
    job.check_memory(shape, exp.duration.si)


@cli.command()
@config_argument
@set_option
@device_option
@click.option("--seeds", type=click.IntRange(2, 100), default=5, show_default=True, help="From that of CONFIG on.")
@click.option("--step", type=click.FloatRange(0.01, 0.5), default=0.1, show_default=True, help="Of ln mean_ext.")
@click.option("--workers", type=click.IntRange(1), help="Programs that run at a time; by default the device's.")
@click.option("--out", type=click.Path(path_type=Path), help="A .json or .csv file for the matrix.")
def response(
    config: str,
    overrides: tuple[str, ...],
    device: str,
    seeds: int,
    step: float,
    workers: int | None,
    out: Path | None,
) -> None:
    """Measure how the resting circuit of CONFIG answers to more afferents of each population.

    Prints d ln rate / d ln mean_ext with standard errors, and whether inhibition stabilises the circuit.
    """
    from circuit.config import Reader
    from circuit.variants import at_rest

    reader = Reader(config, overrides)
    rest = at_rest(reader, {}, reader.read().experiment.seed)
    from gpu import overrides as files
    from gpu import response
    from gpu.trials import Trials

    if out is not None:
        files.check(out, (".json", ".csv"))
    trials = Trials.on(device, rest, _say, _meter, workers)
    with _meter("simulating") as meter:
        found = response.measure(trials, reader, range(rest.seed, rest.seed + seeds), step, None, meter)
    click.echo("\n".join(found.lines()))
    if out is not None:
        files.write(out, found.text(out))
        click.echo(f"Matrix: {out}")


@cli.command()
@click.argument("target", type=click.Path())
@set_option
@device_option
@click.option("--rates", help="Resting rates for the afferents of a CONFIG, such as 'PYR=2 Hz,PV=9 Hz'.")
@click.option("--seeds", type=click.IntRange(2, 100), default=5, show_default=True, help="With --rates.")
@click.option("--tolerance", type=click.FloatRange(0.001, 0.5), default=0.02, show_default=True, help="Relative.")
@click.option("--sobol", type=int, metavar="N", help="Instead of a search: Sobol indices from N*(parameters + 2) runs.")
@click.option("--elasticity", type=click.FloatRange(0.1, 50), metavar="PERCENT", help="Instead: d ln output/d ln key.")
@click.option("--profile", metavar="KEY", help="After a search: the least cost along one free parameter.")
@click.option("--workers", type=click.IntRange(1), help="Programs that run at a time; by default the device's.")
@click.option("--out", type=click.Path(path_type=Path), help="With --rates a .yaml file, else a folder.")
def calibrate(
    target: str,
    overrides: tuple[str, ...],
    device: str,
    rates: str | None,
    seeds: int,
    tolerance: float,
    workers: int | None,
    out: Path | None,
    **study: Any,
) -> None:
    """Fit numbers of the model: the afferents of a CONFIG to --rates, or the free parameters of a SPEC to its targets.

    A search keeps its log in --out as it goes: interrupted or killed, the same command goes on from there.
    """
    if sum(value is not None for value in (rates, *study.values())) > 1:
        raise UserError("--rates, --sobol, --elasticity and --profile each ask for something else: give one of them")
    if rates is not None:
        _fit_afferents(target, overrides, device, rates, seeds, tolerance, workers, out)
        return
    if overrides:
        raise UserError("--set goes with --rates; what a spec changes stands under its settings")
    from circuit import calibration_spec, findings

    spec = calibration_spec.read(target, lambda: findings.load(CONFIGS / "findings.yaml"))
    from gpu import calibration
    from gpu.trials import Trials

    out = out or _new_folder(target)
    calibration.check(out)
    trials = Trials.on(device, spec.base, _say, _meter, workers)
    work = calibration.Calibration(spec, trials, out, _meter, _say)
    click.echo("\n".join(work.perform(**study)))


@cli.command()
@click.argument("config", type=click.Path(), default=str(CONFIGS / "ketamine.yaml"))
@set_option
@device_option
@click.option("--cells", type=click.IntRange(1), help="Cells of a column; by default those of CONFIG.")
@click.option("--columns", type=click.IntRange(1), default=1, show_default=True, help="Columns of the network.")
@click.option("--precision", type=click.Choice(["double", "single"]), help="By default that of CONFIG.")
@click.option("--seconds", type=click.FloatRange(0.001), default=2.0, show_default=True, help="Simulated time.")
@click.option("--repeats", type=click.IntRange(1), default=1, show_default=True, help="Runs; the fastest counts.")
@click.option("--append", type=click.Path(path_type=Path), help="File to add the line to, besides printing it.")
def benchmark(
    config: str,
    overrides: tuple[str, ...],
    device: str,
    cells: int | None,
    columns: int,
    precision: str | None,
    seconds: float,
    repeats: int,
    append: Path | None,
) -> None:
    """Measure build, initialise, simulate and collect; print one line of JSON with hardware and versions."""
    import json

    from circuit.config import load

    half = f"{seconds / 2:g} s"
    own = {"network.num_neurons": cells, "numerics.precision": precision, "protocol.t_settle": "0 s"}
    own |= {"protocol.t_baseline": half, "protocol.t_transition": "0 s", "protocol.t_drug": half}
    exp = load(config, (*overrides, *(f"{key}={value}" for key, value in own.items() if value is not None)))
    from gpu import benchmark

    line = json.dumps(benchmark.measure(exp, device, columns, _say, _meter, repeats))
    if append:
        with append.open("a") as file:
            file.write(line + "\n")
    click.echo(line)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
def figures(folder: Path) -> None:
    """Draw the figures and the report of the results in FOLDER, of a run or a sweep, anew."""
    from gpu.plan import PLAN
    from gpu.results import Results

    if (folder / PLAN).is_file():
        _finish(folder, True)
        return
    if (folder / "arms.csv").is_file():
        _draw_arms(folder, [run.parent.name for run in sorted(folder.glob("*/manifest.json"))])
        return
    _draw(Results.open(folder), folder)
    click.echo(f"Report: {folder / 'report.html'}")


@cli.command()
@device_option
def doctor(device: str) -> None:
    """Say what is here to run on, what is missing and what to do; status 1 if the device does not work."""
    from gpu import doctor

    report = doctor.examine(device)
    for finding in report.findings:
        click.echo(f"{'ok' if finding.works else 'no':<4}{finding.what:<17}{finding.found}")
    click.echo(report.verdict)
    sys.exit(0 if report.works else 1)


@cli.command()
@click.argument("drug")
@click.option("--dose", required=True, help="Such as '0.5 mg/kg', or '25 mg' for the species' typical body.")
@click.option("--route", required=True, help="i.v., i.v. infusion, i.m., s.c., i.p., oral, sublingual or intranasal.")
@click.option("--species", required=True, type=click.Choice(["human", "rat", "mouse"]))
@click.option("--duration", help="Of an infusion, such as '40 min'.")
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, show_default=True, help="Number of doses.")
@click.option("--interval", help="Between doses, such as '24 h'.")
@click.option("--hours", type=click.FloatRange(0.01, 8760), help="How long to follow; by default 6 h past the last.")
@click.option("--subjects", type=click.IntRange(0, 10_000), default=200, show_default=True, help="0 for no spread.")
@click.option("--model", "config", default=str(CONFIGS / "baseline.yaml"), help="Config whose numbers are used.")
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="Figure (PNG, PDF beside it); by default in results/.")
def pharmacology(drug: str, config: str, overrides: tuple[str, ...], out: Path | None, **dose: object) -> None:
    """Follow a dose of DRUG to plasma, brain and NMDA receptors, without simulating the network."""
    from circuit.config import load

    numbers = load(config, overrides).numbers
    from circuit import occupancy
    from figures import pharmacology, style

    study = occupancy.asked(numbers, drug, **dose)
    click.echo("\n".join(occupancy.lines(study)))
    out = out or Path("results", f"pharmacology-{study.drug}-{time.strftime('%Y%m%d-%H%M%S')}.png")
    try:
        paths = style.save(pharmacology.figure(study), out.parent, out.stem)
    except OSError as error:
        raise UserError(f"{out}: the figure could not be written: {error}") from error
    click.echo(f"\nFigure: {paths[0]}")


def _fit_afferents(
    config: str,
    overrides: tuple[str, ...],
    device: str,
    rates: str,
    seeds: int,
    tolerance: float,
    workers: int | None,
    out: Path | None,
) -> None:
    """Adjust the afferents of a config to resting rates; print them, and write a config that has them."""
    from circuit.config import Reader
    from circuit.variants import at_rest, rates_asked

    targets, reader = rates_asked(rates), Reader(config, overrides)
    rest = at_rest(reader, {}, reader.read().experiment.seed)
    from gpu import afferents
    from gpu import overrides as files
    from gpu.trials import Trials

    if out is not None:
        files.check(out, (".yaml",))
    trials = Trials.on(device, rest, _say, _meter, workers)
    circuit = afferents.Circuit(trials, reader, tuple(targets), tuple(range(rest.seed, rest.seed + seeds)), _meter)
    found = circuit.fit(targets, tolerance)
    click.echo("\n".join(found.lines()))
    if out is not None:
        files.write(out, files.text(reader, found.values, {key: found.note(key) for key in found.values}, out))
        click.echo(f"Config: {out}")


def _run_arms(config: str, exps: dict[str, Experiment], out: Path, device: str, overwrite: bool) -> None:
    """Simulate every arm that is not there yet; draw what they come to side by side."""
    from gpu import ensemble

    tasks = {name: ensemble.Task(exp, out / name) for name, exp in exps.items()}
    todo = [task for task in tasks.values() if overwrite or not ensemble.is_done(task)]
    if todo:
        ensemble.perform_all(todo, device, overwrite, _say, _meter)
    _draw_arms(out, list(tasks))
    click.echo(f"{len(tasks)} arms of {config}: {out}")


def _draw_arms(out: Path, names: list[str]) -> None:
    from figures import arms, style
    from gpu.results import Results

    runs = {name: Results.open(out / name) for name in names}
    if not all(run.has_course for run in runs.values()):
        return
    runs = {name: [run] for name, run in runs.items()}
    try:
        paths = style.save(arms.figure(runs), out, "arms")
        arms.write_table(runs, out / "arms.csv")
    except OSError as error:
        raise UserError(f"{out}: the runs are safe, but the figure could not be written: {error}") from error
    click.echo("\n".join([*arms.lines(runs), f"Figure: {paths[0]}"]))


def _new_folder(config: str) -> Path:
    return Path("results", f"{Path(config).stem}-{time.strftime('%Y%m%d-%H%M%S')}")


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


def _meter(label: str) -> Meter:
    from gpu.progress import Meter

    return Meter(label, sys.stderr)


def _draw(results: Results, folder: Path) -> None:
    _say("Drawing the figures.")
    from figures import make, report
    from gpu.results import amend_manifest

    start = time.monotonic()
    try:
        report.write(results, make.all(results, folder / "figures"), folder / "report.html")
    except OSError as error:
        raise UserError(f"The data are safe in {folder}, but the figures could not be written: {error}") from error
    amend_manifest(folder, timings={"figures_s": round(time.monotonic() - start, 4)})


def _collect(folder: Path) -> Collected:
    """Make the dataset and the table of a sweep; say what is not in them."""
    from gpu import collect, dataset, plan

    sweep = collect.gather(plan.Plan.read(folder))
    dataset.write(sweep)
    for sentence in sweep.sentences():
        _say(sentence)
    return sweep


def _finish(folder: Path, with_figures: bool) -> None:
    """Make the dataset of a sweep, and its figures and report; say what the dose axis comes to."""
    if not with_figures:
        _collect(folder)
        return
    from figures import beside
    from gpu.build import environment

    with beside.helper(environment()) as second:  # begun now, it is ready when the sweep is read
        sweep = _collect(folder)
        _say("Drawing the figures.")
        from figures import dose, sweep_report
        from figures import sweep as drawing

        drawn = drawing.draw(sweep)
        try:
            sweep_report.write(sweep, drawn, drawing.save(drawn, folder / "figures", second))
        except OSError as error:
            told = f"The points are safe in {folder}, but the figures could not be written: {error}"
            raise UserError(told) from error
    table = dose.Table.of(sweep)
    for line in dose.verdict(table) if table is not None else ():
        click.echo(line)
    click.echo(f"Report: {folder / 'report.html'}")


def _import_ahead(*modules: str) -> None:
    """Import modules beside what this process does, which is mostly to wait: Matplotlib takes a second."""
    import importlib
    import threading

    threading.Thread(target=lambda: [importlib.import_module(name) for name in modules], daemon=True).start()


def _closing(results: Results, out: Path) -> str:
    """Return the last lines of a run: rates and glutamate before and under the drug, and where everything is."""
    values, windows = results.summary, ("baseline", "drug")
    keys = {f"{population} (Hz)": f"rate_{population}_{{}}_hz" for population in results.sizes}
    keys["glutamate (uM)"] = "glutamate_{}_uM"
    lines = [" " * 15 + "".join(f"{window:>10}" for window in windows)]
    for label, key in keys.items():
        found = [values.get(key.format(window)) for window in windows]
        lines.append(f"{label:<15}" + "".join(f"{'-' if value is None else f'{value:.2f}':>10}" for value in found))
    if results.interrupted:
        lines.append(f"Interrupted after {results.duration:.2f} s of simulated time; what was computed is kept.")
    return "\n".join([*lines, f"Results: {out}"])


def main() -> None:
    """Run the command line; an error that the user can put right is one message on stderr and status 2."""
    threads.take_one()
    try:
        sys.exit(cli(prog_name="pfc", standalone_mode=False))
    except UserError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; what was not finished is not kept.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # The reader of our output has gone: `pfc parameters | head`.
        sys.stderr.close()
        sys.exit(1)


if __name__ == "__main__":
    main()
