import { useState } from "preact/hooks";
import { SmallButton } from "./small_button";

export const MOST_LETTERS = 200;

/** A text of any length: of a long one the beginning, with a button that shows the rest. */
export function LongText({ text, most = MOST_LETTERS }: { text: string; most?: number }) {
  const [whole, setWhole] = useState(false);
  if (text.length <= most * 1.25) return <>{text}</>;
  const left = text.length - most;
  return (
    <span class={whole ? "sabot-whole" : ""}>
      {whole ? text : `${text.slice(0, most)}…`}{" "}
      <SmallButton aria-expanded={whole} onClick={() => setWhole(!whole)}>
        {whole ? "less" : `+ ${left.toLocaleString("en")} characters`}
      </SmallButton>
    </span>
  );
}
