/**
 * Replaces the outputs of a reloaded page by the job's card. The page has its outputs from the notebook's file, so the
 * kernel cannot replace them. When the job has ended, the page puts the card into its own notebook, which then needs no
 * kernel. JupyterLab and Notebook pass their notebook to widgets; elsewhere the widget stays until its cell runs again.
 */
import type { Model } from "./model";

const VIEW = "application/vnd.jupyter.widget-view+json";

interface Outputs {
  length: number;
  get(at: number): { data: Record<string, { model_id?: string }> };
  set(at: number, output: object): void;
}

/** Replaces every view of the model by its card, once there is one; returns a function that stops this. */
export function keepCard(model: Model): () => void {
  const put = (id: string, data: object): void => {
    const manager = model.widget_manager as { context?: { model: { cells: Iterable<{ outputs?: Outputs }> } } } | undefined;
    for (const { outputs } of manager?.context?.model.cells ?? [])
      for (let at = 0; outputs && at < outputs.length; at += 1)
        if (outputs.get(at).data[VIEW]?.model_id === id) outputs.set(at, { output_type: "display_data", data, metadata: {} });
  };
  const soon = (): void => {
    const card = model.get("card") as { model: string; data: object } | null | undefined;
    if (card) setTimeout(() => put(card.model, card.data)); // a view that is still being drawn can be replaced only afterwards
  };
  model.on("change:card", soon);
  soon();
  return () => model.off("change:card", soon);
}
