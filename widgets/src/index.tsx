/** The entry point for anywidget: `render` draws a view of a model into `el` and returns a function that removes it. */
import { render as draw } from "preact";
import { App } from "./app";
import graph from "./graph/graph.css";
import header from "./header/header.css";
import { keepCard } from "./saved_card";
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
  // JupyterLab and Notebook handle keys as commands before they arrive here: arrows leave the cell, letters cut it.
  // They search from the focused element upwards, and some commands apply to any such element.
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

/** Tells the kernel that a page shows the model; a page without a kernel has no connection and is ignored. */
function greet(model: Model): void {
  const hello: Hello = { type: "hello" };
  try {
    model.send(hello);
  } catch {
    return;
  }
}

export default { render };
