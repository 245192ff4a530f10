"""Output that earlier runs have prepared, up to the cut from which a run goes on.

Theory of operation. A stored cut has the committables that were not known to be committed then. A run that goes on from
it does not write their rows again, so it has to make sure that readers get them. Each file is in one of three states:

- It has its final name: it was committed, and there is nothing to do.
- It is hidden, because its run ended before it could commit (``kept_output``): this run commits it with its own output.
- It is neither: it was moved, or removed. Its rows are not there to be committed, so the run is refused.

A hidden file can only be committed into the output that it was written for. A run that has no sink for that output any
more is refused too. Output that was committed before the cut was stored is not among its committables: it may have been
moved since.

Another run may have gone on from an earlier cut, and have replaced what leads to this one: its files say so
(``Lineage.replacement``). A run that would go on writing to that output is refused. It may write to another one: the
rows before the cut belong to the old output, where they were replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sabotnb.connectors.sinks.commit_decision import current_names
from sabotnb.connectors.sinks.lineage import Lineage
from sabotnb.connectors.sinks.output_checks import data_files
from sabotnb.connectors.sinks.ownership import origin_of
from sabotnb.errors import SinkError
from sabotnb.protocol import Committable, LineageCut, RunId


def is_inherited(final: str, run: RunId, tokens: Collection[str]) -> bool:
    """True if another run than ``run`` prepared the file; ``tokens`` are the random digits of ``run``."""
    origin = origin_of(final)
    return origin is not None and (origin.run != run or origin.token not in tokens)


def hidden_file(hidden: Path) -> Path | None:
    """Where a file is that was prepared as ``hidden`` and does not have its final name; None if it is not there."""
    return next((path for folder in current_names(hidden.parent) if (path := folder / hidden.name).exists()), None)


def output_of(committable: Committable, folder: Path) -> Path:
    """The output that ``committable`` was written for; ``folder`` if it does not say."""
    return Path(committable.payload.get("output", folder))


def refuse_replaced_output(lineage: Lineage, job: str, folder: Path) -> None:
    """Raise a SinkError if a run has replaced output in ``folder`` from which a run of ``job`` goes on."""
    replaced = _replacement(lineage, folder)
    if replaced is None:
        return
    by, whole = replaced
    if whole is not None:
        what = f"{by} went on from checkpoint {whole.cut} of {whole.run}, and replaced later output in '{folder}'"
        ways = f"Begin from that checkpoint or one of {by}"
    else:
        what = f"{by} began without this checkpoint, and replaced its output in '{folder}'"
        ways = f"Begin from a checkpoint of {by}"
    raise SinkError(f"{what}. {ways}, write to another folder, or begin without saved state: .run({job!r}, fresh=True)")


def _replacement(lineage: Lineage, folder: Path) -> tuple[RunId, LineageCut | None] | None:
    return lineage.replacement([origin for file in data_files(folder) if (origin := origin_of(file)) is not None])


def refuse_lost_output(
    run: RunId,
    sinks: Mapping[str, Path],
    tokens: Collection[str],
    committables: Sequence[Committable],
    lineage: Lineage,
) -> None:
    """Raise a SinkError if ``run`` cannot commit what it inherits; ``sinks`` are its outputs by operator."""
    gone, elsewhere = [], []
    for committable, file in _inherited(run, tokens, committables):
        folder = sinks.get(committable.operator)
        output = output_of(committable, folder or Path())
        if (output / file["final"]).exists():
            continue
        if hidden_file(Path(file["hidden"])) is None:
            if output not in sinks.values() and _replacement(lineage, output) is not None:
                continue
            gone.append(output / file["final"])
        elif output != folder:
            elsewhere.append(output)
    fresh = f"begin without saved state: .run({run.job!r}, fresh=True)"
    if gone:
        files = "1 file is" if len(gone) == 1 else f"{len(gone)} files are"
        raise SinkError(
            f"{files} gone whose rows are before the checkpoint, such as '{gone[0]}': moved, or removed when a later "
            f"run of the job committed. Put moved files back, or {fresh}"
        )
    if elsewhere:
        raise SinkError(
            f"rows before the checkpoint are not committed to '{elsewhere[0]}' yet, and the job has no sink for that "
            f"output any more. Write there as before, or {fresh}"
        )


def _inherited(
    run: RunId, tokens: Collection[str], committables: Sequence[Committable]
) -> Iterator[tuple[Committable, Mapping[str, Any]]]:
    for committable in committables:
        for file in committable.payload["files"]:
            if file["rows"] and is_inherited(file["final"], run, tokens):
                yield committable, file
