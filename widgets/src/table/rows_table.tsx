import type { Ref } from "preact";
import { useState } from "preact/hooks";

import type { ColumnMessage } from "../messages";
import { LongText } from "./long_text";
import { SmallButton } from "./small_button";

/** The number of columns shown at first: a schema of 500 columns stays fast and readable. */
export const COLUMNS_AT_ONCE = 20;

const CELL_LETTERS = 40;

export type Row = readonly (string | null)[];

interface Props {
  label: string;
  columns: readonly ColumnMessage[];
  rows: readonly Row[];
  /** Number of the first row, so that rows which stay keep their elements. */
  first?: number;
  inside?: Ref<HTMLDivElement>;
}

/** A table of typed columns. A null differs from the text "null" in its style and its label. */
export function RowsTable({ label, columns, rows, first = 0, inside }: Props) {
  const [from, setFrom] = useState(0);
  const [all, setAll] = useState(false);
  const [wanted, setWanted] = useState("");
  const places = found(columns, wanted);
  const start = from < places.length ? from : 0;
  const shown = all ? places : places.slice(start, start + COLUMNS_AT_ONCE);
  return (
    <>
      {columns.length > COLUMNS_AT_ONCE && (
        <div class="sabot-row" role="group" aria-label="which columns are shown">
          <input
            type="search"
            placeholder="find columns"
            aria-label="find columns by name"
            value={wanted}
            onInput={(event) => setWanted(event.currentTarget.value)}
          />
          <SmallButton disabled={all || start === 0} onClick={() => setFrom(Math.max(0, start - COLUMNS_AT_ONCE))}>
            ‹ previous
          </SmallButton>
          <span role="status">{which(start, shown.length, places.length, columns.length)}</span>
          <SmallButton
            disabled={all || start + shown.length >= places.length}
            onClick={() => setFrom(start + COLUMNS_AT_ONCE)}
          >
            next ›
          </SmallButton>
          <SmallButton aria-pressed={all} onClick={() => setAll(!all)}>
            show all
          </SmallButton>
        </div>
      )}
      <div class="sabot-scrolled sabot-tall" tabIndex={0} role="region" aria-label={label} ref={inside ?? null}>
        <table class="sabot-table sabot-values" aria-label={label}>
          <thead>
            <tr>
              {shown.map((place) => (
                <th key={place} scope="col" class={columns[place]!.numeric ? "sabot-right" : ""} title={columns[place]!.name}>
                  <span class="sabot-column-name">{columns[place]!.name}</span>
                  <span class="sabot-type">{columns[place]!.type}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, number) => (
              <tr key={first + number}>
                {shown.map((place) => value(row[place] ?? null, columns[place]!.numeric, place))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** Returns a cell; not a component, because there may be tens of thousands. */
function value(text: string | null, numeric: boolean, place: number) {
  const short = text !== null && text.length <= CELL_LETTERS;
  return (
    <td key={place} class={numeric ? "sabot-right" : ""}>
      {short ? text : text === null ? <em class="sabot-null">null</em> : <LongText text={text} most={CELL_LETTERS} />}
    </td>
  );
}

function found(columns: readonly ColumnMessage[], wanted: string): number[] {
  const part = wanted.trim().toLowerCase();
  return columns.flatMap(({ name }, place) => (name.toLowerCase().includes(part) ? [place] : []));
}

function which(start: number, shown: number, fitting: number, every: number): string {
  const of = fitting === every ? `of ${every} columns` : `of ${fitting} matching (${every} columns)`;
  return shown ? `${start + 1}–${start + shown} ${of}` : `no matching column (${every} columns)`;
}

/** Returns names and rows as tab-separated values, for spreadsheets. Tabs and line ends in values become spaces. */
export function tsv(columns: readonly ColumnMessage[], rows: readonly Row[]): string {
  const line = (cells: readonly (string | null)[]) => cells.map((cell) => (cell ?? "").replace(/[\t\r\n]+/g, " ")).join("\t");
  return [line(columns.map(({ name }) => name)), ...rows.map(line)].join("\n");
}
