import { useEffect, useState } from "preact/hooks";

import type { Answer } from "../messages";
import type { Store } from "../store";

export const PROBE_MS = 2000;
export const PROBE_ROWS = 50;

/**
 * The last answer to a probe of `target`. Asks at once and again two seconds after each answer as long as `asks` is
 * true; a refusal ends the asking until `again` is called. Whoever stops looking is not asked for: the tasks take their
 * probes out by themselves.
 */
export function useProbing(store: Store, target: string, asks: boolean): { answer: Answer | null; again: () => void } {
  const [heard, setHeard] = useState<{ target: string; answer: Answer } | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!asks || !target) return;
    let looking = true;
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      const answer = await store.send("probe", { target, rows: PROBE_ROWS });
      if (!looking) return;
      setHeard({ target, answer });
      if (answer.ok) timer = setTimeout(ask, PROBE_MS);
    };
    void ask();
    return () => {
      looking = false;
      clearTimeout(timer);
    };
  }, [store, target, asks, round]);
  // what is known of another target is nobody's answer
  return { answer: heard?.target === target ? heard.answer : null, again: () => setRound(round + 1) };
}

/** Whether the page is in sight: a tab in the background asks for nothing. */
export function usePageVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const look = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return visible;
}
