"""Commits, aborts or saves the output of one run of a job, by renaming and removing files.

Theory of operation
-------------------
*What there is.* Each output folder has one hidden folder for the run, with a folder for each of its epochs
(``hidden_folders``). ``FileSink`` tasks leave complete, synced files there, and the claims with which they kept other
jobs out. A committable has the cut, and the hidden path, final name and number of rows of each file. That and the
folders are all that a committer knows: it keeps no state between calls, so the machine may ask another agent when one
is lost. A committer of a later epoch commits what earlier ones prepared, up to the cut that the run restarted from.

*States.* A new file is either hidden or has its final name; a rename takes it from one state to the other. Final names
contain random digits, the epoch and the cut, so a rename never overwrites an older file. An epoch is undecided until
its folder is renamed (see ``commit_decision``). Removing the hidden folder is the last step: without it the run is
over, and a late committer removes nothing.

*Commit*, at the end of a run, goes through these steps, and each finishes for all sinks of the job before the next
begins:

1. Create the output folders, then lock them. A lock needs a folder to hold.
2. List the files to replace, and check that every new file still exists, that no other owner's data is there, and that
   the folders are writable. Most failures occur here, before any reader can see a change.
3. Rename the new files, and sync the folders. If this raises, decide to abort, and hide the new files again.
4. Decide to commit.
5. Remove the replaced files (not with ``append``).
6. Remove the hidden folders, and those of earlier runs.

*Commit of a cut*, of a run that goes on, decides nothing: the cut is stored, so its output is going to be committed,
and a commit that was cut short is finished by the next one.

1. As 1 above, and the same checks. Outputs without new files at this cut are left alone.
2. Before the first commit of an epoch, note which files the run replaces (``committed_cuts``).
3. Rename the new files, and sync the folders.
4. Note that the cut is committed, and that the files that are noted as replaced are to be removed.
5. Remove these, and note that it is done. The first commit of an epoch also removes the hidden folders of earlier runs.

It touches no file of another cut, so it may come late: its files are renamed or gone then. A run that ends has its last
files committed as above, but what it replaces is what was noted, never its own files.

*Invariants.* No old file is removed before the run is decided as committed, or a cut of it is noted as committed; both
need the final names of all new files. No final name is taken back before the run is decided as aborted, and never that
of a committed cut. The decision is an atomic rename that one committer wins, so no two committers can do both, with or
without a lock. To abort is also to rename the other folders: from then on a committer that was stopped in step 3 finds
nothing to rename. So does one of an earlier epoch, from the time when a task of a later epoch has opened.

*A crash* during step 3 leaves some new files beside all old ones; after it and before the end of step 5, all new files
beside some old ones. Readers may see rows of both until another commit finishes: many files cannot be renamed as one
transaction. Every step finds what is left to do, so the same commit can run again from any point.

*What may interleave.* The folder lock keeps other jobs, and other committers of this run, out of steps 2 to 6. It is
only waited for a few seconds, because a stopped process keeps it, and some file systems have none. So each rename and
removal also accepts that another committer of the run was first, and only the decision tells which direction to take.

*Lineage.* Each epoch knows the cuts that lead to it: those from which the earlier epochs of the run, and the runs that
it continues, went on (``lineage``). The files up to these cuts stay. Those after them are replaced, whatever the mode,
because their rows are written again. Of everything else, the mode decides as for a run that begins at the beginning:
``append`` leaves it, otherwise the files of the job are replaced. So it does not matter whether an earlier epoch, or a
run that is continued, had come to its first commit.

*Output of earlier runs* that the run goes on from is checked before the run begins, and committed with its own (see
``inherited_output``).

*Output that cannot be committed* is complete, and the abort that follows would remove it. ``keep`` moves it to a folder
beside the output first (see ``saved_output``), where no later run of the job removes it.

*Output that a stored cut needs* stays hidden when the run is aborted, for a run that goes on from the cut (see
``kept_output``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sabotnb.connectors.sinks.commit_decision import ABORTED, COMMITTED, KEPT, decide, decided
from sabotnb.connectors.sinks.file_sink import token_of
from sabotnb.connectors.sinks.folder_changes import remove_if_empty, writing
from sabotnb.connectors.sinks.folder_locks import alone_in
from sabotnb.connectors.sinks.inherited_output import refuse_lost_output
from sabotnb.connectors.sinks.lineage import Lineage
from sabotnb.connectors.sinks.sink_output import SinkOutput
from sabotnb.errors import SinkError
from sabotnb.graph import Sink as Spec
from sabotnb.protocol import FIRST_EPOCH, Committable, LineageCut, RunId
from sabotnb.protocol.failure import NOTHING_LOST


class FileCommitter:
    """Commits or aborts the output of one run of a job, for all of its sinks together.

    Stateless and idempotent: another committer can take over from a lost one. See the module docstring.
    """

    def __init__(self, specs: Mapping[str, Spec], run: RunId, epoch: int, lineage: Sequence[LineageCut] = ()) -> None:
        """``specs`` by the id of the operator that they describe; the committer acts for ``run`` in ``epoch``."""
        self._specs = specs
        self._run = run
        self._epoch = epoch
        self._lineage = lineage

    def check(self, committables: Sequence[Committable]) -> None:
        """Raise a SinkError if this run cannot commit those of ``committables`` that earlier runs prepared.

        So it does if another run has replaced output that this one goes on from.
        """
        for output in self._outputs(()):
            output.refuse_replaced()
        folders = {operator: Path(spec.options["path"]) for operator, spec in self._specs.items()}
        tokens = [token_of(spec) for spec in self._specs.values()]
        lineage = Lineage(self._run, next(iter(tokens), ""), self._epoch, self._lineage)
        refuse_lost_output(self._run, folders, tokens, committables, lineage)

    def commit(self, committables: Sequence[Committable]) -> None:
        """Check every sink, rename every new file, then remove the files that they replace.

        An error during the renames is raised after the new files are hidden again; the run can then only be aborted.
        """
        self.check(committables)
        outputs = self._outputs(committables)
        for output in outputs:
            output.make_folder()  # before the lock, which skips folders that do not exist
        with alone_in([output.folder for output in outputs]):
            self._begin(outputs)
            for output in outputs:
                output.add_empty_file()
                output.check_new()
            replaced = [(output, [*output.replaced(), *output.uncommitted()]) for output in outputs]
            if _decided(outputs) != COMMITTED:
                self._rename_all(outputs)
            for output, files in replaced:
                output.remove(files)
            self._remove_hidden(outputs, aborts=False)

    def commit_cut(self, cut: int, committables: Sequence[Committable]) -> None:
        """Make what was prepared up to ``cut`` visible, while the run goes on; touches no file of another cut.

        A call that was cut short, or raised, is finished by the next one.
        """
        self.check(committables)
        outputs = [output for output in self._outputs(committables) if not output.is_committed()]
        for output in outputs:
            output.make_folder()
        with alone_in([output.folder for output in outputs]):
            for output in outputs:
                output.check_new()
            due = [output for output in outputs if output.has_hidden_files() or output.has_hidden()]
            self._begin(due)
            first = [output for output in due if output.note_replaced()]
            for output in due:
                output.rename()
                output.check_renamed()
            for output in due:
                output.note_committed(cut)
                output.remove_noted()
            for output in first:
                output.remove_earlier()

    def abort(self, committables: Sequence[Committable], kept: Sequence[Committable] = ()) -> None:
        """Remove the hidden files of the run, and those that were renamed; committed cuts stay.

        Those of ``kept`` stay hidden, for a run that goes on from a stored cut. If its commit has been decided, another
        committer failed later or was stopped, so finish it as far as possible.
        """
        outputs = self._outputs(committables, kept)
        with alone_in([output.folder for output in outputs]):
            if any(output.is_superseded() for output in outputs):
                return  # the run goes on: what it has prepared is of use
            for output in outputs:
                output.begin()
            decision = _decide(outputs, ABORTED)
            if decision == KEPT:
                return  # another committer has done it, and another run may have committed what is kept
            for output in outputs:
                if decision == ABORTED:
                    output.take_back()
                with suppress(SinkError):  # the commit that failed has reported it
                    if decision == ABORTED:
                        output.remove_noted()
                    elif decision == COMMITTED:
                        output.remove([*output.replaced(), *output.uncommitted()])
            made = [folder for output in outputs for folder in output.made()]  # the list is in the hidden folder
            self._remove_hidden(outputs, aborts=decision != COMMITTED)
            for folder in made:
                remove_if_empty(folder)

    def keep(self, committables: Sequence[Committable]) -> str:
        """Save the output of a run that cannot be committed; returns a sentence that says where, or an empty string."""
        outputs = self._outputs(committables)
        with alone_in([output.folder for output in outputs]):
            if any(output.is_superseded() for output in outputs):
                return ""
            decision = _decide(outputs, ABORTED)
            if decision == KEPT or (decision != ABORTED and all(output.is_renamed() for output in outputs)):
                return ""  # another committer has committed it, or left it to another run
            kept = [saved for output in outputs if (saved := output.keep())]
        return f"{NOTHING_LOST}: {', and '.join(kept)}." if kept else ""

    def _begin(self, outputs: Sequence[SinkOutput]) -> None:
        if any(output.is_superseded() for output in outputs):
            raise SinkError(f"job {self._run.job!r} has started again, so this commit is out of date: wait for its end")
        for output in outputs:
            output.begin()
        if _decided(outputs) in (ABORTED, KEPT):
            taken_back = f"the output of job {self._run.job!r} was taken back when it could not be committed"
            raise SinkError(f"{taken_back}: run the job again")

    def _rename_all(self, outputs: Sequence[SinkOutput]) -> None:
        """Rename the new files of all sinks and decide to commit; if one cannot be renamed, hide them again."""
        try:
            for output in outputs:
                output.rename()
            decision = _decide(outputs, COMMITTED)
        except Exception:
            decision = _decide(outputs, ABORTED)
            if decision == ABORTED:
                for output in outputs:
                    output.hide()
            if decision != COMMITTED:
                raise
        if decision != COMMITTED and not all(output.is_renamed() for output in outputs):
            raise SinkError(f"the output of job {self._run.job!r} was taken back by another process: run the job again")

    def _remove_hidden(self, outputs: Sequence[SinkOutput], *, aborts: bool) -> None:
        for output in reversed(outputs):  # the first has the decision, which must outlive the others
            if not aborts:  # else an earlier run, which may have been killed, can still be resumed
                output.remove_earlier()
            output.remove_hidden(aborts=aborts)

    def _outputs(self, committables: Sequence[Committable], kept: Sequence[Committable] = ()) -> list[SinkOutput]:
        return [
            SinkOutput(
                spec,
                self._run,
                self._epoch,
                [committable for committable in committables if committable.operator == operator],
                self._lineage,
                [committable for committable in kept if committable.operator == operator],
            )
            for operator, spec in self._specs.items()
        ]


def committer(
    specs: Mapping[str, Spec], run: RunId, epoch: int = FIRST_EPOCH, lineage: Sequence[LineageCut] = ()
) -> FileCommitter:
    """The committer of what ``run`` wrote up to ``epoch``, for any machine that has the output folders.

    ``specs`` are those of the job's sinks, by operator id; ``lineage`` the cuts that lead to the epoch.
    """
    return FileCommitter(specs, run, epoch, lineage)


def _decided(outputs: Sequence[SinkOutput]) -> str | None:
    return decided(outputs[0].deciding) if outputs else None


def _decide(outputs: Sequence[SinkOutput], decision: str) -> str | None:
    """Make ``decision`` for a run unless another holds; returns the one that holds, None if the run is over."""
    if not outputs:
        return None
    with writing(outputs[0].folder):
        holds = decide(outputs[0].deciding, decision)
    if holds == ABORTED:
        for output in outputs:
            output.abort_all_epochs()
    return holds
