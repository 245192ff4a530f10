import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { SmallButton } from "./small_button";

/** A column of a table. `sort` returns the sort key; numbers start with the largest. */
export interface Heading<T> {
  name: string;
  hint?: string;
  sort: (one: T) => number | string;
  cell?: (one: T) => ComponentChildren;
}

export interface Order {
  column: number;
  descending: boolean;
}

interface Props<T> {
  label: string;
  headings: Heading<T>[];
  rows: readonly T[];
  id: (one: T) => string;
  /** Undefined keeps the order of the rows. */
  order?: Order;
  /** The number of rows shown at first; a button shows all. */
  most?: number;
  current?: string | undefined;
  rowClass?: (one: T) => string;
}

/** A table whose headings are buttons that sort it; a second click reverses the order. */
export function SortableTable<T>(props: Props<T>) {
  const { label, headings, rows, id, most = 100, current, rowClass } = props;
  const [order, setOrder] = useState<Order | undefined>(props.order);
  const [all, setAll] = useState(false);
  const ordered = order ? sorted(rows, headings[order.column]!, order.descending) : rows;
  const shown = all ? ordered : ordered.slice(0, most);
  const numeric = headings.map(({ sort }) => rows.length > 0 && typeof sort(rows[0]!) === "number");
  const press = (column: number) =>
    setOrder({ column, descending: order?.column === column ? !order.descending : numeric[column]! });
  return (
    <div class="sabot-scrolled" tabIndex={0} role="region" aria-label={label}>
      <table class="sabot-table" aria-label={label}>
        <thead>
          <tr>
            {headings.map(({ name, hint }, column) => (
              <th
                key={name}
                scope="col"
                class={numeric[column] ? "sabot-right" : ""}
                aria-sort={order?.column === column ? (order.descending ? "descending" : "ascending") : "none"}
              >
                <button type="button" title={hint} onClick={() => press(column)}>
                  {name}
                  <span aria-hidden="true" class="sabot-order">
                    {order?.column === column ? (order.descending ? "▼" : "▲") : ""}
                  </span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={id(one)} class={rowClass?.(one) ?? ""} aria-current={current === id(one) ? "true" : undefined}>
              {headings.map((heading, column) => (
                <td key={heading.name} class={numeric[column] ? "sabot-right" : ""}>
                  {heading.cell ? heading.cell(one) : heading.sort(one)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > most && (
        <SmallButton onClick={() => setAll(!all)}>
          {all ? `show the first ${most}` : `show all ${rows.length.toLocaleString("en")}`}
        </SmallButton>
      )}
    </div>
  );
}

/** Returns `rows` sorted; the sort is stable. */
export function sorted<T>(rows: readonly T[], { sort }: Heading<T>, descending: boolean): T[] {
  const sign = descending ? -1 : 1;
  return [...rows].sort((one, other) => sign * compared(sort(one), sort(other)));
}

function compared(one: number | string, other: number | string): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}
