/** What anywidget loads: `render` draws one view of a model into `el` and returns how to end it. */
import { render as draw } from "preact";
import { App } from "./app";
import graph from "./graph/graph.css";
import header from "./header/header.css";
import { keepCard } from "./keeping";
import type { Hello } from "./messages";
import type { Model } from "./model";
import panel from "./panel/panel.css";
import physical from "./physical/physical.css";
import { makeStore } from "./store";
import frame from "./style/frame.css";
import { pageIsDark } from "./style/page";
import { LiveTable } from "./table/live_table";
import table from "./table/table.css";

const STYLE = [frame, header, graph, physical, panel, table].join("\n");

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const root = document.createElement("div");
  root.className = "sabot";
  // JupyterLab and Notebook would take keys for their commands, before they get here: arrows leave the cell, letters
  // cut it. They look from the element with the focus upwards, and some commands are for any such element.
  root.addEventListener("focusin", ({ target }) => (target as Element).setAttribute("data-lm-suppress-shortcuts", "true"));
  const style = document.createElement("style");
  style.textContent = STYLE;
  el.append(style, root);
  if (pageIsDark(el)) root.dataset["page"] = "dark";
  greet(model);
  const leave = keepCard(model);
  if (model.get("_face") === "table") {
    draw(<LiveTable model={model} />, root);
    return () => {
      leave();
      draw(null, root);
    };
  }
  const store = makeStore(model);
  draw(<App store={store} />, root);
  return () => {
    leave();
    draw(null, root);
    store.dispose();
  };
}

/** Tells the kernel that a page shows the model; where there is none, nobody needs to know. */
function greet(model: Model): void {
  const hello: Hello = { type: "hello" };
  try {
    model.send(hello);
  } catch {
    return;
  }
}

export default { render };
