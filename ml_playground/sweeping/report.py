"""``report.html``: the answer, plots and the leaderboard in one file that makes no request."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence

from optuna.trial import FrozenTrial, TrialState
from plotly.offline import get_plotlyjs

from ml_playground.durable import to_json
from ml_playground.runs.manifest import find_manifest
from ml_playground.sweeping.figures import Figure, figures
from ml_playground.sweeping.leaderboard import Row
from ml_playground.sweeping.names import short_names, show_value
from ml_playground.sweeping.points import LEARNING_RATE, duplicate_of, values_of
from ml_playground.sweeping.progress import trained_tokens
from ml_playground.sweeping.results import Results
from ml_playground.sweeping.study import PRUNED_AT, reason
from ml_playground.terminal.numbers import short

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px }}
th, td {{ padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }}
th {{ position: sticky; top: 0; background: #fff }}
td:first-child, th:first-child {{ text-align: left }}
.answer p {{ font-size: 17px; margin: .3rem 0 }}
.answer p:first-child {{ font-weight: 600 }}
.answer tr.changed td {{ font-weight: 600 }}
.table {{ overflow: auto; max-height: 40rem }}
.note, .summary {{ color: #666 }}
pre {{ background: #f4f4f4; padding: .6rem .8rem; overflow-x: auto }}
</style>
<script>{script}</script>
</head>
<body>
<h1>{title}</h1>
<div class="answer">
{answer}
</div>
<p class="summary">{summary}</p>
{plots}
<h2>Trials</h2>
{ended}
<div class="table"><table>
{table}
</table></div>
<script>
for (const [id, figure] of Object.entries({figures}))
  Plotly.newPlot(id, figure.traces, {{margin: {{t: 40, r: 20}}, ...figure.layout}},
    {{responsive: true, displaylogo: false}});
</script>
</body>
</html>
"""


def render_report(results: Results, rows: Sequence[Row]) -> str:
    """Render the page.

    Args:
        results: What the sweep has found so far.
        rows: The leaderboard.
    """
    sweep = results.sweep
    plots = list(figures(results))
    return _PAGE.format(
        title=html.escape(f"{sweep.name} on {sweep.budget.base.experiment}"),
        answer="\n".join(_answer(results)),
        summary=html.escape(_summary(results)),
        script=get_plotlyjs(),
        plots="\n".join(_section(number, figure) for number, figure in enumerate(plots)),
        ended="\n".join(_ended(results)),
        table="\n".join(_table(rows)),
        figures=_data(plots),
    )


def _answer(results: Results) -> Iterator[str]:
    for line in results.answer:
        yield f"<p>{html.escape(line[0].upper() + line[1:])}.</p>"
    if best := results.best:
        yield f"<table>{''.join(_comparison(results, best))}</table>"
        yield f"<p class='note'>Train it:</p><pre>{html.escape(results.command)}</pre>"


def _comparison(results: Results, best: FrozenTrial) -> Iterator[str]:
    """Yield the rows that compare the best values with the baseline's."""
    own, sweep = results.baseline, results.sweep
    yield _row("th", ["", *(["your values"] if own else []), f"best (trial {best.number})"])
    columns = [trial for trial in (own, best) if trial]
    for key, name in short_names(sweep.space).items():
        values = [show_value(values_of(trial).get(key, "")) for trial in columns]
        yield _row("td", [name, *values], changed=len(set(values)) > 1)
    if any(LEARNING_RATE in trial.user_attrs for trial in columns) and sweep.budget.lr_scaling.name != "none":
        base = sweep.budget.base.train.optim.learning_rate
        rates = [show_value(trial.user_attrs.get(LEARNING_RATE, base)) for trial in columns]
        yield _row("td", ["learning rate after scaling", *rates], changed=len(set(rates)) > 1)
    for index, name in enumerate(sweep.objectives):
        scores = [f"{trial.values[index]:,.4f}" if trial.values else "none" for trial in columns]
        yield _row("td", [name, *scores])
    if confirmation := results.confirmation:
        known = {candidate.trial.number: candidate for candidate in confirmation.candidates if candidate.scores}
        means = [f"{known[t.number].mean:,.4f}" if t.number in known else "" for t in columns]
        optimism = [f"{known[t.number].optimism:+,.4f}" if t.number in known else "" for t in columns]
        yield _row("td", [f"mean of {len(sweep.fresh_seeds)} fresh seeds", *means])
        yield _row("td", ["... minus the score in the search", *optimism])
    if extension := results.extension:
        longer = [extension.score(trial) for trial in columns]
        cells = ["" if score is None else f"{score:,.4f}" for score in longer]
        yield _row("td", [f"{sweep.objectives[0]} with {extension.factor} times the tokens", *cells])


def _summary(results: Results) -> str:
    sweep, trials = results.sweep, results.trials
    budget = sweep.budget
    search = sum(trained_tokens(sweep, trial) for trial in trials)
    counts = Counter(trial.state.name.lower() for trial in trials if duplicate_of(trial) is None)
    fates = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    confirming = sum(
        manifest.tokens for folder in sweep.folder.glob("confirmation/*/*") if (manifest := find_manifest(folder))
    )
    more = f" and {short(confirming)} in the confirmation" if confirming else ""
    if extension := results.extension:
        more += f" and {short(sum(run.tokens(sweep) for run, _ in extension.runs))} in the extension"
    return (
        f"{fates} of {sweep.n_trials} trials of {budget.tokens:,} training tokens, scored with"
        f" {budget.eval_block_size} tokens of context; sampler {sweep.config.sampler.name}, pruner {sweep.pruner.name}."
        f" Tokens spent: {short(search)} in the search{more}. {sweep.config.description}"
    )


def _ended(results: Results) -> Iterator[str]:
    """Yield what happened to trials without a score, by number of trials."""
    fates: Counter[str] = Counter()
    for trial in results.trials:
        if duplicate_of(trial) is not None:
            fates["duplicates of an earlier trial"] += 1
        elif trial.state is TrialState.FAIL:
            fates[f"failed: {reason(trial)}"] += 1
        elif trial.state is TrialState.PRUNED and PRUNED_AT in trial.user_attrs:
            share = 100 * trial.user_attrs[PRUNED_AT] / results.sweep.budget.tokens
            fates[f"pruned by {results.sweep.pruner.name} at {share:.0f} % of the tokens"] += 1
        elif trial.state is TrialState.PRUNED:
            fates[f"pruned: {reason(trial)}"] += 1
    if fates:
        yield f"<ul>{''.join(f'<li>{count}: {html.escape(fate)}</li>' for fate, count in fates.most_common(20))}</ul>"


def _section(number: int, figure: Figure) -> str:
    return (
        f"<h2>{html.escape(figure.title)}</h2>\n<p class='note'>{html.escape(figure.note)}</p>\n"
        f"<div class='plot' id='plot{number}'></div>"
    )


def _data(plots: Sequence[Figure]) -> str:
    data = {f"plot{n}": {"traces": plot.traces, "layout": plot.layout} for n, plot in enumerate(plots)}
    # "</script>" in a name would end the element.
    return to_json(data).replace("<", "\\u003c")


def _table(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows[:1]:
        yield _row("th", list(row))
    for row in rows:
        yield _row("td", ["" if value is None else show_value(value) for value in row.values()])


def _row(tag: str, cells: Sequence[str], *, changed: bool = False) -> str:
    attribute = " class='changed'" if changed else ""
    return f"<tr{attribute}>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"
