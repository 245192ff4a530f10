"""Renders a job as a static card, in HTML for saved notebooks and as text for terminals.

Both forms say the same. With ``exact=False`` a card has only what is equal in every run of the same job, so that
notebooks can be compared: for a finished bounded job the rows at its sources and sinks, for others no counts at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape

from sabotnb import text_limits
from sabotnb.display import job_line, job_svg, number_format, operator_labels, saved, theme
from sabotnb.display.job_picture import JobPicture, OperatorCard, PictureNode, View
from sabotnb.display.job_svg import Mark
from sabotnb.metrics import (
    MANY_LATE,
    JobFailure,
    JobMetrics,
    Load,
    TaskMetrics,
    Throughput,
    VertexMetrics,
    started_again,
    stopped_early,
)

LISTED = 8
"""The number of tasks and of edges in the tables: the tasks with most rows, and the first edges."""

WITHOUT_OUTPUT = ("FAILING", "FAILED", "CANCELING", "CANCELED")
"""States of jobs that say themselves what became of their output."""

TASKS = (("task", False), ("state", False), ("agent", False), ("slot", True), ("rows in", True), ("rows out", True))
SIZES = (("bytes in", True), ("bytes out", True))
LATE = (("late", True),)
EDGES = (("edge", False), ("spread", False), ("channels", True), ("rows", True), ("bytes", True))


def html(picture: JobPicture | None, metrics: JobMetrics, note: str = "", gone: str = "", *, exact: bool = True) -> str:
    """Return a ``<div>`` with inline styles and presentation attributes only, everything escaped.

    ``note`` says how this run started, ``gone`` why its metrics are no longer updated. Without ``exact`` the card omits
    what differs from run to run: durations, rates, loads, rows that were in channels when a job failed.
    """
    facts = [fact for fact in (*_facts(metrics, gone, exact=exact), note) if fact]
    name = escape(text_limits.cut(metrics.job, text_limits.JOB))
    state = _state(metrics, gone)
    badge = theme.badge(state, job_line.COLOURS.get(state, job_line.PASSING))
    parts = [f"<div><strong>{name}</strong> {badge} {theme.faint(' · '.join(facts))}</div>"]
    view = _view(picture)
    if view is not None:
        parts.append(theme.scrolled(*job_svg.draw(view, _marks(view, metrics, gone, exact=exact))))
    sentences = [*_sentences(metrics, gone, exact=exact), *_filtered_sources(picture, metrics, exact=exact)]
    parts.append(theme.sentences(sentences))
    if guarantee := _guarantee(picture, metrics):
        parts.append(theme.hinted(*guarantee))
    if metrics.error is not None:
        parts.append(_error_html(metrics.error, exact=exact))
    if exact:
        parts.append(_tables(metrics))
    return saved.card(theme.panel("".join(parts)), text(picture, metrics, note, gone, exact=exact))


def text(picture: JobPicture | None, metrics: JobMetrics, note: str = "", gone: str = "", *, exact: bool = True) -> str:
    """Return the card for terminals: a header, a line per chain, sentences, and the error if there is one."""
    facts = [fact for fact in (*_facts(metrics, gone, exact=exact), note) if fact]
    lines = [" · ".join([f"{text_limits.cut(metrics.job, text_limits.JOB)} {_state(metrics, gone)}", *facts])]
    view = _view(picture)
    if view is not None:
        marks = _marks(view, metrics, gone, exact=exact, boxed=False)
        titles = {node.id: _in_a_line(node) for node in view.nodes}
        title = max(map(len, titles.values()))
        tasks = max(len(f"x{node.tasks}") for node in view.nodes)
        for node in view.nodes:
            mark = marks[node.id]
            parts = f"{titles[node.id]:<{title}}", f"{f'x{node.tasks}':<{tasks}}", mark.text, mark.failed
            lines.append(f"  {'  '.join(filter(None, parts))}".rstrip())
    lines += [*_sentences(metrics, gone, exact=exact), *_filtered_sources(picture, metrics, exact=exact)]
    lines += _guarantee(picture, metrics)[:1]
    if metrics.error is not None:
        lines += _error(metrics.error)
    return "\n".join(lines)


def _in_a_line(node: PictureNode) -> str:
    """Return a chain with all of its operators, cut to one line; for a group its title."""
    return text_limits.cut(" → ".join(node.operators), text_limits.CHAIN) if len(node.vertices) == 1 else node.title


def _view(picture: JobPicture | None) -> View | None:
    """Return the view of the job as it runs, which is the last; None if there is nothing to draw."""
    return next((view for view in reversed(picture.views) if view.nodes), None) if picture else None


def _state(metrics: JobMetrics, gone: str = "") -> str:
    if gone:
        return "DISCONNECTED"
    if metrics.state != "RUNNING":
        return metrics.state
    return "PAUSED" if metrics.paused else "STOPPING" if metrics.stopping else metrics.state


def _facts(metrics: JobMetrics, gone: str, *, exact: bool) -> Iterator[str]:
    if exact and not metrics.terminal and not gone:
        yield f"as of {number_format.clock(metrics.at)}"
        if metrics.checkpointed is not None:
            yield f"checkpoint {number_format.ago(metrics.at - metrics.checkpointed)}"
    if exact:
        start = metrics.started if metrics.started is not None else metrics.submitted
        yield number_format.seconds(max(0.0, (metrics.ended or metrics.at) - start))
        if early := stopped_early(metrics):
            yield f"stopped after {early}"
    if exact or _repeats(metrics):
        yield f"{_counted(metrics.rows_in.rows)} in"
        yield f"{_counted(metrics.rows_out.rows)} out"
        if metrics.late:
            yield f"{number_format.count(metrics.late)} late"
    if exact and metrics.open_windows:
        yield f"{operator_labels.counted(metrics.open_windows, 'open window')} dropped"
    if exact and metrics.waiting_rows:
        yield f"{operator_labels.counted(metrics.waiting_rows, 'waiting row')} dropped"


def _repeats(metrics: JobMetrics) -> bool:
    """Return True if another run of the same job would count the same rows at its sources and sinks."""
    return metrics.bounded and metrics.state == "FINISHED"


def _sentences(metrics: JobMetrics, gone: str, *, exact: bool) -> list[str]:
    """Return why the job waits, the finding about it (not of finished and failed jobs), and whether it began again."""
    if gone:
        since = f" at {number_format.clock(metrics.at)}" if exact else ""
        return [text_limits.cut(f"Last seen {_state(metrics)}{since}: {gone}", text_limits.SENTENCE)]
    sentences = _found(metrics) if exact else []
    waits = metrics.waits if metrics.waits not in " ".join(sentences) else ""
    measured = (*_ahead(metrics), *_from_last_reports(metrics)) if exact else ()
    again = _again(metrics) if exact else ()
    late = _late(metrics) if exact or _repeats(metrics) else ()
    lines = filter(None, (waits, *sentences, *again, *late, *measured))
    return [text_limits.cut(line, text_limits.JOB_SENTENCE) for line in lines]


def _guarantee(picture: JobPicture | None, metrics: JobMetrics) -> tuple[str, str] | tuple[()]:
    """Return what a job promises about its output, and details; empty if it has no output, or ends without it."""
    if picture is None or not picture.guarantee or metrics.state in WITHOUT_OUTPUT:
        return ()
    return picture.guarantee, picture.guarantee_details


def _filtered_sources(picture: JobPicture | None, metrics: JobMetrics, *, exact: bool) -> list[str]:
    """Return a sentence per source that filtered while it read: it counts fewer rows than its files have."""
    if picture is None or not exact or not _repeats(metrics) or stopped_early(metrics):
        return []
    vertices = {vertex.id: vertex for vertex in metrics.vertices}
    filtered = [card for card in picture.operators if card.filtered and card.vertex in vertices]
    return [_read(card, _rows_read(vertices[card.vertex])) for card in filtered[:LISTED]]


def _read(source: OperatorCard, rows: int) -> str:
    of = "" if source.rows is None else f" of {number_format.count(source.rows)}"
    counted = f"{number_format.count(rows)}{of} rows" if of else _counted(rows)
    return f"{_name(source.id)} read {counted}: the filter {source.filtered} ran in the source."


def _found(metrics: JobMetrics) -> list[str]:
    """Return the finding and its advice."""
    finding = metrics.finding if metrics.error is None and metrics.state != "FINISHED" else None
    return [finding.sentence, finding.advice] if finding else []


def _again(metrics: JobMetrics) -> Iterator[str]:
    """Yield a sentence if the job began again after a loss, and one if checkpoints fail."""
    if again := started_again(metrics.state, metrics.restarts, metrics.lost, metrics.goes_on_from):
        yield again
    if metrics.checkpoint_failure:
        yield f"⚠ {metrics.checkpoint_failure}"


def _ahead(metrics: JobMetrics) -> Iterator[str]:
    """Yield a sentence if there are rows in the far future."""
    if metrics.ahead:
        rows = operator_labels.counted(metrics.ahead, "row")
        yield f"⚠ {rows} with times more than a day ahead: a filter before .with_event_time() drops them"


def _late(metrics: JobMetrics) -> Iterator[str]:
    """Yield a sentence per operator that has lost many of its rows to lateness, unless the finding says so."""
    for operator in (operator for vertex in metrics.vertices for operator in vertex.operators):
        if operator.late_share > MANY_LATE and (metrics.finding is None or metrics.finding.kind != "late"):
            share = f"{operator.late_share * 100:.0f} % of the input of {_name(operator.id)}"
            yield f"⚠ {number_format.count(operator.late)} late rows, {share}: max_delay= or .side('late') keeps them"


def _from_last_reports(metrics: JobMetrics) -> Iterator[str]:
    """Yield a sentence per lost agent: the metrics of its tasks are older than the end, so totals do not add up."""
    ages: dict[str, list[float]] = defaultdict(list)
    for task in metrics.tasks:
        if task.over and not task.final and task.reported is not None:
            ages[task.agent].append((metrics.ended or metrics.at) - task.reported)
    for agent, lost in ages.items():
        yield (
            f"worker {agent} was lost: the metrics of its {operator_labels.counted(len(lost), 'task')} "
            "are those of its last report, "
            f"{number_format.seconds(max(lost))} before the job ended."
        )


def _marks(view: View, metrics: JobMetrics, gone: str, *, exact: bool, boxed: bool = True) -> dict[str, Mark]:
    """Return the changing part of each node, by id; ``boxed`` if it has to fit into a box."""
    by_id = {vertex.id: vertex for vertex in metrics.vertices}
    marks = {}
    for node in view.nodes:
        vertices = [by_id[name] for name in node.vertices if name in by_id]
        load = _load(vertices) if exact and not (metrics.terminal or gone) else None
        if exact:
            text = _row_counts(node, vertices, boxed=boxed)
        else:
            text = _repeatable_rows(node, vertices) if _repeats(metrics) else ""
        marks[node.id] = Mark(text, load, _failed(node, metrics.error, boxed=boxed))
    return marks


def _failed(node: PictureNode, error: JobFailure | None, *, boxed: bool) -> str:
    """Return ``failed`` if the job failed in this box, with the operator's name if the box is a chain."""
    if error is None or not (error.vertex in node.vertices or error.operator in node.operators):
        return ""
    chained = len(node.operators) > 1 and error.operator
    letters = job_svg.failed_letters(node) if boxed else text_limits.OPERATOR
    return f"{text_limits.cut(error.operator, letters)} failed" if chained else "failed"


def _row_counts(node: PictureNode, vertices: Sequence[VertexMetrics], *, boxed: bool) -> str:
    """Return rows in and rows out: ``336,776 → 16 rows``; one number if they are equal."""
    rows_in, rows_out = _rows_in(node, vertices), sum(map(_rows_out, vertices))
    if not vertices or rows_in == rows_out:
        return _counted(rows_out) if vertices else ""
    text = f"{number_format.count(rows_in)} → {_counted(rows_out)}"
    return (
        f"{number_format.short(rows_in)} → {number_format.short(rows_out)} rows"
        if boxed and not job_svg.fits(node, text)
        else text
    )


def _repeatable_rows(node: PictureNode, vertices: Sequence[VertexMetrics]) -> str:
    """Return the rows that a source read or a sink wrote: those of operators may depend on the sizes of batches."""
    if node.role == "operator" or not vertices:
        return ""
    return _counted(_rows_in(node, vertices) if node.role == "source" else sum(map(_rows_out, vertices)))


def _rows_in(node: PictureNode, vertices: Sequence[VertexMetrics]) -> int:
    """Return the input rows of a node; for a chain that starts with a source, the rows that it read."""
    if node.role == "source":
        return sum(map(_rows_read, vertices))
    return sum(vertex.into.rows for vertex in vertices)


def _rows_read(vertex: VertexMetrics) -> int:
    """Return the rows that the source at the head of a vertex read."""
    return vertex.operators[0].rows if vertex.operators else vertex.out.rows


def _rows_out(vertex: VertexMetrics) -> int:
    """Return the output rows of a vertex; if it ends with a sink, the rows that the sink wrote, no side outputs."""
    ends_in_sink = bool(vertex.operators) and vertex.kinds[-1:] == ("sink",)
    return vertex.operators[-1].rows if ends_in_sink else vertex.out.rows


def _counted(rows: int) -> str:
    return f"{number_format.count(rows)} {'row' if rows == 1 else 'rows'}"


def _load(vertices: Sequence[VertexMetrics]) -> Load | None:
    """Return the load of the busiest vertex."""
    return max((vertex.load for vertex in vertices), key=lambda load: load.busy, default=None)


def _error(error: JobFailure) -> Iterator[str]:
    yield error.message[: text_limits.MESSAGE]
    for title, text in (("", error.traceback), ("rows it was given:", error.sample)):
        if text:
            yield f"\n{title}\n{text[: text_limits.TRACEBACK]}" if title else f"\n{text[: text_limits.TRACEBACK]}"


def _error_html(error: JobFailure, *, exact: bool) -> str:
    where = f" in {text_limits.cut(error.operator, text_limits.OPERATOR)}" if error.operator else ""
    style = f"color:{theme.FAILED};font-weight:600;margin-top:6px"
    title = f'<div style="{style}">&#10005; {escape(error.kind)}{escape(where)}</div>'
    parts = [title, theme.verbatim(error.message[: text_limits.MESSAGE])]
    if error.traceback:
        parts.append(theme.framed(error.traceback[: text_limits.TRACEBACK]))
    if error.sample:
        parts.append(theme.faint("rows it was given") + theme.framed(error.sample[: text_limits.TRACEBACK]))
    if error.everything and exact:
        whole = theme.framed(error.everything[-text_limits.TRACEBACK :])
        parts.append(theme.folded("full worker traceback", whole, opened=False))
    return "".join(parts)


def _tables(metrics: JobMetrics) -> str:
    """Return a table of tasks and a table of edges, folded away."""
    largest = sorted(metrics.tasks, key=lambda task: -(task.into.rows + task.out.rows))[:LISTED]
    listed, columns = {id(task) for task in largest}, (*TASKS, *SIZES, *(LATE if metrics.late else ()))
    tasks = [_task(task)[: len(columns)] for task in metrics.tasks if id(task) in listed]
    edges = [
        (
            f"{_name(edge.up)} → {_name(edge.down)}",
            text_limits.cut(f"{edge.type}({', '.join(edge.keys)})" if edge.keys else edge.type, text_limits.LABEL),
            number_format.count(edge.channels),
            *_flow(edge.sent),
        )
        for edge in metrics.edges[:LISTED]
    ]
    return _table(len(metrics.tasks), "task", columns, tasks) + _table(len(metrics.edges), "edge", EDGES, edges)


def _task(task: TaskMetrics) -> Sequence[str]:
    name = f"{_name(task.vertex)}[{task.index}]"
    rows = number_format.count(task.into.rows), number_format.count(task.out.rows)
    sizes = number_format.size(task.into.bytes), number_format.size(task.out.bytes)
    return name, task.state, task.agent, str(task.slot), *rows, *sizes, number_format.count(task.late)


def _flow(flow: Throughput) -> tuple[str, str]:
    return number_format.count(flow.rows), number_format.size(flow.bytes)


def _name(name: str) -> str:
    return text_limits.cut(name, text_limits.OPERATOR)


def _table(number: int, noun: str, columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    title = operator_labels.counted(number, noun) + (f", {len(rows)} listed" if len(rows) < number else "")
    names, numeric = [name for name, _ in columns], [right for _, right in columns]
    return theme.folded(title, theme.table(names, rows, numeric), opened=False)
