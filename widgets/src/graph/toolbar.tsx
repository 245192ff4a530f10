/** The toolbar above the picture: a legend, and buttons for the functions of wheel and keyboard. */
import type { Canvas } from "./canvas";

export function Toolbar({ canvas }: { canvas: Canvas }) {
  return (
    <>
      <ul class="sabot-legend" aria-label="Legend">
        <Sign text="busy">
          <rect class="sabot-busy" y="1" width="18" height="8" rx="2" />
        </Sign>
        <Sign text="blocked (backpressure)">
          <rect class="sabot-track" y="1" width="18" height="8" rx="2" />
          <path class="sabot-held" d="M0 5h18" stroke-width="8" />
        </Sign>
        <Sign text="idle">
          <rect class="sabot-track" y="1" width="18" height="8" rx="2" />
        </Sign>
        <Sign text="queue">
          <path class="sabot-queue" d="M7 5h11" />
          <path class="sabot-way" d="M0 5h18" stroke-width="2" />
        </Sign>
      </ul>
      <div class="sabot-zoom" role="group" aria-label="Zoom">
        <button type="button" aria-label="Zoom out" title="Zoom out (-)" onClick={() => canvas.zoomBy(-1)}>
          −
        </button>
        <button
          type="button"
          aria-label="Zoom in"
          title="Zoom in (+, or Ctrl and the wheel)"
          onClick={() => canvas.zoomBy(1)}
        >
          +
        </button>
        <button type="button" title="Show all (0)" onClick={canvas.fitAll}>
          Fit
        </button>
      </div>
    </>
  );
}

function Sign({ text, children }: { text: string; children: preact.ComponentChildren }) {
  return (
    <li>
      <svg width="18" height="10" aria-hidden="true">
        {children}
      </svg>
      {text}
    </li>
  );
}
