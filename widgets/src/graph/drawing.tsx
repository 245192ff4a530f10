/** All boxes and lines of a view with the current metrics. */
import { useComputed } from "@preact/signals";
import type { Line, PictureNode, View } from "../messages";
import { isSelected, lineSelection, nodeWith } from "../selection";
import type { Store } from "../store";
import { EdgeLine } from "./edge_line";
import { lineFigures, nodeFigures } from "./figures";
import { NodeBox } from "./node_box";
import type { Stop } from "./walk";

const FINDINGS: Record<string, string> = { busy: "bottleneck", sink: "bottleneck", skew: "skewed" };

interface Props {
  store: Store;
  view: View;
  /** The element that the Tab key focuses. */
  at: Stop;
  far: boolean;
}

export function Drawing({ store, view, at, far }: Props) {
  const over = store.over.value;
  const known = { vertices: store.vertices.value, over };
  const edges = useComputed(() => new Map(store.live.value?.metrics?.edges.map((one) => [one.index, one]))).value;
  const finding = store.live.value?.metrics?.finding;
  const found = finding && !over && finding.operator ? nodeWith(view, finding.operator)?.id : undefined;
  const selected = store.selected.value;
  const boxes = view.nodes.map((node) => nodeFigures(node, known));
  const byId = new Map(view.nodes.map((node, place) => [node.id, { node, figures: boxes[place] }]));
  const lines = view.lines.map((line) => lineFigures(line, edges, byId.get(line.up)?.figures?.outRate ?? 0));
  const fastest = Math.max(0, ...lines.map((line) => line.rate));
  const tabIndex = (kind: Stop["kind"], place: number) => (at.kind === kind && at.place === place ? 0 : -1);
  return (
    <>
      {lines.map((figures, place) => {
        const line = view.lines[place] as Line;
        const props = {
          line,
          figures,
          fastest,
          place,
          over,
          room: room(line, byId.get(line.up)?.node),
          tabIndex: tabIndex("line", place),
        };
        return (
          <EdgeLine
            key={`line-${place}`}
            {...props}
            selected={line.edges.length > 0 && isSelected(selected, lineSelection(line))}
          />
        );
      })}
      {boxes.map((figures, place) => {
        const node = view.nodes[place] as PictureNode;
        const badge = node.id === found ? (FINDINGS[finding?.kind ?? ""] ?? "") : "";
        const chosen = isSelected(selected, { kind: "node", id: node.id });
        return (
          <NodeBox
            key={`node-${place}`}
            {...{ node, figures, place, far }}
            selected={chosen}
            found={badge}
            tabIndex={tabIndex("node", place)}
          />
        );
      })}
    </>
  );
}

const room = (line: Line, up: PictureNode | undefined): number => (up ? line.tip[0] - up.x - up.width : 0);
