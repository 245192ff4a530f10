/** The last late and failing rows of the selected box, requested only while they are visible. */
import type { RejectedMessage } from "../messages";
import { useRejected } from "../requests";
import type { Store } from "../store";
import { CopyButton } from "../table/copy_button";
import { RowsTable, tsv } from "../table/rows_table";
import type { NodeSubject } from "./subject";

const KINDS: Record<string, string> = {
  late: "late rows",
  errors: "rows for which the function raised",
  failed: "the row that ended the job",
};

export function Rejected({ store, subject: { cards } }: { store: Store; subject: NodeSubject }) {
  const { tables, text } = useRejected(store, cards.map(({ id }) => id));
  if (cards.every(({ vertex }) => vertex === "")) return <p class="sabot-faint">No task runs this operator.</p>;
  if (!tables?.length) return <p role="status" class="sabot-faint">{tables ? "No row was late or failed here." : text}</p>;
  return (
    <div class="sabot-rejected">
      <p class="sabot-faint">Each task keeps the last rows. The newest are first.</p>
      {tables.map((table) => (
        <Table key={`${table.operator} ${table.kind}`} table={table} />
      ))}
    </div>
  );
}

function Table({ table: { operator, kind, columns, rows } }: { table: RejectedMessage }) {
  const newest = [...rows].reverse();
  const title = `${operator}: ${KINDS[kind] ?? kind}`;
  return (
    <section>
      <h4>{title}</h4>
      <RowsTable label={title} columns={columns} rows={newest} />
      <CopyButton text={() => tsv(columns, newest)} label="copy as TSV" />
    </section>
  );
}
