/**
 * A page that was loaded again has its outputs from the notebook's file, out of the kernel's reach. When there will be
 * no news any more, it puts the card into its own notebook, so that what is saved needs no kernel. JupyterLab and
 * Notebook give widgets the notebook they are in; elsewhere the widget stays until its cell runs again.
 */
import type { Model } from "./model";

const VIEW = "application/vnd.jupyter.widget-view+json";

interface Outputs {
  length: number;
  get(at: number): { data: Record<string, { model_id?: string }> };
  set(at: number, output: object): void;
}

/** Puts the model's card, once there is one, into the place of every view of the model; returns how to end that. */
export function keepCard(model: Model): () => void {
  const put = (id: string, data: object): void => {
    const manager = model.widget_manager as { context?: { model: { cells: Iterable<{ outputs?: Outputs }> } } } | undefined;
    for (const { outputs } of manager?.context?.model.cells ?? [])
      for (let at = 0; outputs && at < outputs.length; at += 1)
        if (outputs.get(at).data[VIEW]?.model_id === id) outputs.set(at, { output_type: "display_data", data, metadata: {} });
  };
  const soon = (): void => {
    const card = model.get("card") as { model: string; data: object } | null | undefined;
    if (card) setTimeout(() => put(card.model, card.data)); // a view that is being drawn must be there before it can go
  };
  model.on("change:card", soon);
  soon();
  return () => model.off("change:card", soon);
}
