"""``report.html``: Optuna's plots and the leaderboard in one self-contained file."""

from __future__ import annotations

import html
from collections.abc import Iterator

import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import TrialState, create_trial
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from ml_playground.sweeping.names import show_value
from ml_playground.sweeping.sweep import Sweep

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px }}
th, td {{ padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }}
.table {{ overflow-x: auto }}
</style>
<script>{script}</script>
</head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
{plots}
<h2>Trials</h2>
<div class="table"><table>
{table}
</table></div>
</body>
</html>
"""


def render_report(sweep: Sweep, study: optuna.Study, rows: list[dict[str, object]]) -> str:
    """Render the HTML page.

    Args:
        rows: The leaderboard, best first; at least one trial is complete.
    """
    budget = sweep.budget
    summary = (
        f"{len(rows)} trials of {budget.tokens:,} training tokens, scored with {budget.eval_block_size} tokens of"
        f" context; sampler {sweep.config.sampler.name}, pruner {sweep.pruner.name}. {sweep.config.description}"
    )
    return _PAGE.format(
        title=html.escape(f"{sweep.name} on {budget.base.experiment}"),
        summary=html.escape(summary),
        script=get_plotlyjs(),
        plots="\n".join(_section(title, figure) for title, figure in _figures(sweep, study)),
        table="\n".join(_table(rows)),
    )


def _figures(sweep: Sweep, study: optuna.Study) -> Iterator[tuple[str, Figure]]:
    plots = optuna.visualization
    if len(sweep.objectives) > 1:
        yield "Pareto front", plots.plot_pareto_front(study, target_names=sweep.objectives)
    else:
        yield "Intermediate values", plots.plot_intermediate_values(study)
    for index, name in enumerate(sweep.objectives):
        one = _of_one_objective(sweep, study, index)
        yield f"{name}: history", plots.plot_optimization_history(one, target_name=name)
        # Parameters with the same value in all complete trials are uninformative, and Optuna cannot plot them.
        varied = [key for key in sweep.space.leaves if len({trial.params[key] for trial in one.trials}) > 1]
        if varied:
            importances = plots.plot_param_importances(one, PedAnovaImportanceEvaluator(), varied, target_name=name)
            yield f"{name}: hyperparameter importances", importances
            yield f"{name}: slice", plots.plot_slice(one, varied, target_name=name)
            yield f"{name}: parallel coordinate", plots.plot_parallel_coordinate(one, varied, target_name=name)
        if len(varied) > 1:
            yield f"{name}: contour", plots.plot_contour(one, varied, target_name=name)


def _of_one_objective(sweep: Sweep, study: optuna.Study, index: int) -> optuna.Study:
    """Return a single-objective study of the complete trials: most plots support one objective and its direction."""
    one = optuna.create_study(direction=sweep.directions[index])
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        value = trial.values[index]
        one.add_trial(create_trial(value=value, params=trial.params, distributions=trial.distributions))
    return one


def _section(title: str, figure: Figure) -> str:
    body = figure.to_html(include_plotlyjs=False, full_html=False)
    return f"<h2>{html.escape(title)}</h2>\n{body}"


def _table(rows: list[dict[str, object]]) -> Iterator[str]:
    yield "<tr>" + "".join(f"<th>{html.escape(name)}</th>" for name in rows[0]) + "</tr>"
    for row in rows:
        cells = ("" if value is None else show_value(value) for value in row.values())
        yield "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
