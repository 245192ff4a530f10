import { useState } from "preact/hooks";

import type { OperatorCard } from "../messages";
import { CopyButton } from "../table/copy_button";
import { LongText } from "../table/long_text";
import { SmallButton } from "../table/small_button";

const COLUMNS_AT_FIRST = 30;
const LETTERS_AT_FIRST = 4000;

/** Where each operator of the box was written, its code, and its output columns. */
export function Code({ cards, note }: { cards: readonly OperatorCard[]; note: string }) {
  if (cards.length === 0) return <p class="sabot-faint">{note || "No source code is known for this."}</p>;
  return (
    <>
      {cards.map((card) => (
        <section key={card.id} class="sabot-code">
          <h4>
            {card.id} <span class="sabot-faint">{card.origin}</span>
          </h4>
          {card.code && (
            <>
              <pre tabIndex={0} aria-label={`code of ${card.id}`}>
                <LongText text={card.code} most={LETTERS_AT_FIRST} />
              </pre>
              <CopyButton text={() => card.code} label="copy code" of={`of ${card.id}`} />
            </>
          )}
          {card.notes.map((line) => (
            <p key={line} class="sabot-faint">
              {line}
            </p>
          ))}
          <Columns columns={card.columns} />
        </section>
      ))}
    </>
  );
}

function Columns({ columns }: { columns: OperatorCard["columns"] }) {
  const [all, setAll] = useState(false);
  if (columns.length === 0) return null;
  const shown = all ? columns : columns.slice(0, COLUMNS_AT_FIRST);
  return (
    <details open>
      <summary>{columns.length === 1 ? "1 output column" : `${columns.length} output columns`}</summary>
      <dl class="sabot-columns">
        {shown.map(([name, type], place) => (
          <div key={place}>
            <dt>
              <LongText text={name} most={80} />
            </dt>
            <dd>{type}</dd>
          </div>
        ))}
      </dl>
      {columns.length > COLUMNS_AT_FIRST && (
        <SmallButton aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? `show the first ${COLUMNS_AT_FIRST}` : `show all ${columns.length}`}
        </SmallButton>
      )}
    </details>
  );
}
