"""What a report is made of: runs that explained, and raters, read from logs."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

from inspect_ai.log import EvalLog, EvalSample

from neuron_eval.given.controls import ALL_CONTROLS
from neuron_eval.logs.files import CHECKED, EXPLAINED, RATED, RATING, headers
from neuron_eval.logs.identity import defaults, models, paper_order, place
from neuron_eval.logs.pooling import Pool, alike, pool
from neuron_eval.logs.reading import Epochs, Samples, read_or_note, read_runs
from neuron_eval.logs.runs import Run
from neuron_eval.logs.sanity import SanityChecks, sanity_checks_of
from neuron_eval.messages import InputError
from neuron_eval.rating import judging
from neuron_eval.rating.asking import is_person
from neuron_eval.rating.judging import About, Judgement, Planted
from neuron_eval.reporting.differences import Pair
from neuron_eval.reporting.raters import RatedNeuron, Rater
from neuron_eval.tasks.rate import rate

# What a rater was asked about, in the header's metadata.
ABOUT_RATING = ("rated_columns", "explanations", "explanations_sha256", "rating_pack_sha256")
PARTS = ("limit", "shard")  # arguments by which parts of one run may differ
# Arguments that the header's metadata say better.
TOLD_BY_HEADER = ("explanations", "neurons", "columns", "pack")


@dataclass(frozen=True, slots=True)
class Collected:
    """What is to be reported on, with a sentence for each log or neuron left out.

    Runs are in the paper's order of formats, then by explainer and simulator; none if there are
    none but raters or sanity checks. The pair are two of the runs, to be set against each other.
    Controls stand beside the runs; where nothing else was run, they are the runs.
    """

    runs: tuple[Run, ...]
    notes: tuple[str, ...] = ()
    raters: tuple[Rater, ...] = ()
    checks: tuple[SanityChecks, ...] = ()
    pair: Pair | None = None
    controls: tuple[Run, ...] = ()

    @property
    def every(self) -> tuple[Run, ...]:
        """The runs, and the controls behind them."""
        return (*self.runs, *self.controls)


class NoRunsError(InputError):
    """There is nothing to report on; the message says what was found."""


def collect(
    locations: Sequence[str],
    *,
    excerpts: bool = False,
    workers: int = 1,
    measures: Collection[str] = (),
) -> Collected:
    """Read logs, at places as `log_files` has them, and keep what can be compared.

    Args:
        locations: Log files and folders.
        excerpts: Whether to keep what was simulated for each held-out excerpt.
        workers: How many processes may read logs; above 1 only where the main module can be
            imported again, as that of a command can.
        measures: Those of `neuron_eval.simulation.headline.HEADLINES` that each simulation is
            measured by, whatever its score is.

    Raises:
        NoRunsError: No log is left.
        OSError: A place does not exist.
    """
    logs, notes = headers(locations)
    explained = pool(logs, EXPLAINED, alike(logs), notes)
    rated = sorted(pool(logs, RATED, rater_identity, notes), key=_people_first)
    runs, unread = read_runs(explained, excerpts, workers, measures)
    read_raters = [read_or_note(partial(_read_rater, of), of.first) for of in rated]
    raters = tuple(rater for rater, _ in read_raters if rater is not None)
    checked = pool(logs, CHECKED, checks_identity, notes)
    read_checks = [read_or_note(partial(_read_checks, of), of.first) for of in checked]
    checks = tuple(check for check, _ in read_checks if check is not None)
    notes += filter(None, [*unread, *(note for _, note in (*read_raters, *read_checks))])
    if not (runs or raters or checks):
        what = "; ".join(notes) or "no log files"
        raise NoRunsError(f"{', '.join(locations)}: no log to report on: {what}")
    runs.sort(key=lambda run: (*paper_order(run.format), run.explainer, run.simulator))
    explaining = tuple(run for run in runs if not run.control)
    controls = [run for run in runs if run.control] if explaining else []
    controls.sort(key=lambda run: ALL_CONTROLS.index(run.control))
    shown = explaining or tuple(runs)
    return Collected(shown, tuple(notes), raters, checks, controls=tuple(controls))


def checks_identity(log: EvalLog) -> str:
    """Equal if the same was checked twice."""
    about = log.eval.metadata or {}
    arguments, choice = (
        {name: value for name, value in given.items() if name not in PARTS}
        for given in (log.eval.task_args, about.get("neurons_choice") or {})
    )
    roles = tuple(log.eval.model_roles or ())
    settings = [arguments, place(about.get("neurons")), choice]
    settings.append(models(log.eval, explains=False, roles=roles))
    return json.dumps(settings, sort_keys=True, default=str)


def rater_identity(log: EvalLog) -> str:
    """As `identity`, of a log of ratings: equal if a rater was asked the same twice."""
    spec, about = log.eval, log.eval.metadata or {}
    arguments = {**defaults(rate), **spec.task_args}
    settings = {
        "arguments": {k: v for k, v in arguments.items() if k not in (*TOLD_BY_HEADER, *PARTS)},
        "about": {name: about.get(name) for name in ABOUT_RATING},
        "neurons": place(about.get("neurons")),
        **models(spec, explains=False, roles=tuple(spec.model_roles or ())),
    }
    if is_person(spec.model):
        # Where the page was served is no part of it; in another file, answers are answers anew.
        settings["explainer"] = [spec.model, spec.model_args.get("answers")]
    return json.dumps(settings, sort_keys=True, default=str)


def _people_first(rated: Pool) -> tuple[bool, str, str, str]:
    log = rated.first
    model, excerpts = log.eval.model, str((log.eval.metadata or {}).get("excerpts"))
    return not is_person(model), model, excerpts, log.eval.created


def _read_checks(checked: Pool, _: EvalLog) -> tuple[SanityChecks, str]:
    return sanity_checks_of(*checked.logs, again=checked.again), ""


def _read_rater(rated: Pool, header: EvalLog) -> tuple[Rater | None, str]:
    about = header.eval.metadata or {}
    neurons: dict[str, RatedNeuron] = {}
    again: dict[str, Judgement | None] = {}
    ratings: list[About] = []
    columns = about[RATED]
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise ValueError(f"{RATED} is {columns!r:.60}; expected a list of names")

    def made(epochs: Epochs) -> tuple[list[About], RatedNeuron, str | None]:
        answers = [score for score in map(_about, epochs) if score.get("ratings")]
        judging.places(answers)
        repeat_of = (epochs[0].metadata or {}).get("repeat_of")
        return answers, _neuron(epochs, answers, columns), repeat_of

    unread: list[str] = []
    for log in rated.logs:
        samples = Samples(log.location, without=rated.again.get(log.location, ()))
        for answers, neuron, repeat_of in samples.neurons(made):
            ratings += answers
            if repeat_of:
                again[str(repeat_of)] = neuron.judgement
            else:
                neurons[neuron.id] = neuron
        unread += filter(None, [samples.note])
    note = "; ".join(unread)
    if not neurons:
        return None, note
    rater = Rater(
        log=header.location,
        name=header.eval.model,
        columns=tuple(columns),
        excerpts=str(about.get("excerpts", "")),
        pack=str(about.get("rating_pack_sha256", "")),
        identity=rated.identity,
        neurons=tuple(replace(neuron, again=again.get(id)) for id, neuron in neurons.items()),
        places=tuple(judging.places(ratings)),
        further_logs=tuple(log.location for log in rated.logs[1:]),
    )
    return rater, note


def _neuron(
    samples: Sequence[EvalSample], rated: Sequence[About], columns: Sequence[str]
) -> RatedNeuron:
    judgements = [judgement for about in rated if (judgement := judging.judgement_in(about))]
    for judgement in judgements:
        if not set(judgement.ratings) == set(judgement.best) == set(columns):
            rates = ", ".join(judgement.ratings)
            raise ValueError(f"it rates {rates}, and not {', '.join(columns)}")
    texts: Mapping[str, str] = (samples[0].metadata or {}).get("explanations", {})
    seconds = [about.get("seconds") for about in map(_about, samples)]
    times = [float(taken) for taken in seconds if taken is not None]
    return RatedNeuron(
        id=str(samples[0].id),
        explanations={column: text.strip() for column, text in texts.items()},
        judgement=judging.mean_judgement(judgements),
        planted=tuple(Planted(**about["planted"]) for about in rated if about.get("planted")),
        reason="" if rated else _reason(samples[0]),
        comment="\n".join(about["comment"] for about in rated if about.get("comment")),
        seconds=fmean(times) if times else None,
    )


def _about(sample: EvalSample) -> About:
    score = (sample.scores or {}).get(RATING)
    return (score.metadata or {}) if score else {}


def _reason(sample: EvalSample) -> str:
    if sample.error:
        return sample.error.message
    score = (sample.scores or {}).get(RATING)
    if score is None:
        return "not scored by the scorer rating"
    return score.explanation or score.reason or "no reason given"
