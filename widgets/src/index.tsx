/** What anywidget loads: `render` draws one view of a model into `el` and returns how to end it. */
import { render as draw } from "preact";
import { App } from "./app";
import graph from "./graph/graph.css";
import header from "./header/header.css";
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
  // JupyterLab would take arrow keys and letters for its own commands
  root.dataset["lmSuppressShortcuts"] = "true";
  const style = document.createElement("style");
  style.textContent = STYLE;
  el.append(style, root);
  if (pageIsDark(el)) root.dataset["page"] = "dark";
  if (model.get("_face") === "table") {
    draw(<LiveTable model={model} />, root);
    return () => draw(null, root);
  }
  const store = makeStore(model);
  draw(<App store={store} />, root);
  return () => {
    draw(null, root);
    store.dispose();
  };
}

export default { render };
