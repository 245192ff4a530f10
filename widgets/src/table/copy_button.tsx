import { useEffect, useRef, useState } from "preact/hooks";
import { SmallButton } from "./small_button";

const SHOWN_MS = 2000;

/** A button that copies `text()` to the clipboard and shows for two seconds whether it worked. */
export function CopyButton({ text, label, of }: { text: () => string; label: string; of?: string }) {
  const [result, setResult] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (event: Event) => {
    const button = event.currentTarget as HTMLElement;
    setResult((await copied(text(), button)) ? "copied" : "the browser blocked it: select the text and copy it");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setResult(""), SHOWN_MS);
  };
  return (
    <span class="sabot-copy">
      <SmallButton onClick={copy} aria-label={of && `${label} ${of}`}>
        {label}
      </SmallButton>
      <span role="status" class="sabot-faint">
        {result}
      </span>
    </span>
  );
}

/** Copies a text; returns false if the browser does not allow it. Pages without TLS have no `navigator.clipboard`. */
async function copied(text: string, beside: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedBySelection(text, beside);
  }
}

function copiedBySelection(text: string, beside: HTMLElement): boolean {
  const page = beside.ownerDocument;
  const area = page.createElement("textarea");
  area.value = text;
  area.className = "sabot-spoken";
  beside.after(area);
  area.select();
  // deprecated, but the only way without TLS
  const done = page.execCommand?.("copy") ?? false;
  area.remove();
  beside.focus();
  return done;
}
