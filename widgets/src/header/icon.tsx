/** Icons of states, so that no state is shown by colour only. */
import type { Sign } from "./state";

const PATHS: Record<Sign, string> = {
  waiting: "M6 1.5a4.5 4.5 0 1 0 .01 0M6 3.5v2.7l1.8 1.1",
  running: "M3.5 1.8v8.4L10 6Z",
  paused: "M4 2v8M8 2v8",
  finished: "M1.8 6.4 4.8 9.4 10.2 2.8",
  failed: "M2.5 2.5l7 7m0-7-7 7",
  canceled: "M6 1.5a4.5 4.5 0 1 0 .01 0M2.9 9.1 9.1 2.9",
};

export function Icon({ sign }: { sign: Sign }) {
  return (
    <svg class={`sabot-icon is-${sign}`} width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
      <path d={PATHS[sign]} />
    </svg>
  );
}
