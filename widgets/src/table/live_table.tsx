import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { TableMessage } from "../messages";
import type { Model } from "../model";
import { CopyButton } from "./copy_button";
import { RowsTable, tsv } from "./rows_table";
import { useSelecting } from "./selecting";
import { SmallButton } from "./small_button";

/** The face `table`: the last rows of a sink, not updated while the user pauses them or has selected text in them. */
export function LiveTable({ model }: { model: Model }) {
  const newest = useTrait(model);
  const [pressed, setPressed] = useState(false);
  const whole = useRef<HTMLDivElement>(null);
  const selecting = useSelecting(whole);
  const paused = pressed || selecting;
  const table = useHeld(newest, paused);
  const inside = useNewestInSight(table);
  if (!table) return <div class="sabot-live-table sabot-faint" ref={whole}>Waiting for the first rows…</div>;
  const came = newest ? newest.total - table.total : 0;
  return (
    <div class="sabot-live-table" ref={whole}>
      <div class="sabot-row">
        <strong class="sabot-cut" title={table.title}>
          {table.title}
        </strong>
        <span class="sabot-faint">{extent(table)}</span>
        {(!newest?.ended || pressed) && (
          <SmallButton aria-pressed={pressed} onClick={() => setPressed(!pressed)}>
            Pause
          </SmallButton>
        )}
        {table.rows.length > 0 && <CopyButton text={() => tsv(table.columns, table.rows)} label="copy as TSV" />}
        <span role="status">{paused ? `paused${selecting && !pressed ? " while text is selected" : ""}, ${newRows(came)}` : ""}</span>
      </div>
      {table.rows.length > 0 && (
        <RowsTable
          label={`last rows of ${table.title}`}
          columns={table.columns}
          rows={table.rows}
          first={table.total - table.rows.length}
          inside={inside}
        />
      )}
      <p class="sabot-outcome" role="status">
        {newest ? outcome(newest) : ""}
      </p>
    </div>
  );
}

/** Returns the last table that the kernel sent; null before the first. */
function useTrait(model: Model): TableMessage | null {
  const [table, setTable] = useState(() => given(model));
  useEffect(() => {
    const take = () => setTable(given(model));
    take();
    model.on("change:table", take);
    return () => model.off("change:table", take);
  }, [model]);
  return table;
}

function given(model: Model): TableMessage | null {
  const table = model.get("table") as Partial<TableMessage> | null | undefined;
  return table?.columns ? (table as TableMessage) : null;
}

/** Returns `newest`, or its value from when `held` became true. */
function useHeld<T>(newest: T, held: boolean): T {
  const kept = useRef(newest);
  if (!held) kept.current = newest;
  return kept.current;
}

/** Scrolls to the end of a box as it grows, unless the user has scrolled away. */
function useNewestInSight(table: TableMessage | null) {
  const inside = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const box = inside.current;
  if (box) follows.current = box.scrollHeight - box.scrollTop - box.clientHeight < 8;
  useLayoutEffect(() => {
    if (inside.current && follows.current) inside.current.scrollTop = inside.current.scrollHeight;
  }, [table]);
  return inside;
}

function extent({ rows, total, ended }: TableMessage): string {
  if (total === 0) return ended ? "" : "no rows yet";
  if (rows.length === total) return newRows(total, "");
  return `the last ${rows.length.toLocaleString("en")} of ${newRows(total, "")} received`;
}

function newRows(count: number, word = "new "): string {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "row" : "rows"}`;
}

function outcome({ ended, total, note }: TableMessage): string {
  if (note) return note;
  if (!ended) return "";
  return total === 0 ? "The job has ended without any rows." : "The job has ended: these are its last rows.";
}
