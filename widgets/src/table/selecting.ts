import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Returns true while the user has selected text within the element: selected text must not change. */
export function useSelecting(inside: RefObject<HTMLElement>): boolean {
  const [selecting, setSelecting] = useState(false);
  useEffect(() => {
    const page = inside.current?.ownerDocument;
    if (!page) return;
    const look = () => setSelecting(selects(inside.current));
    page.addEventListener("selectionchange", look);
    return () => page.removeEventListener("selectionchange", look);
  }, [inside]);
  return selecting;
}

function selects(element: HTMLElement | null): boolean {
  if (!element) return false;
  // a shadow root has a selection of its own in Chromium; elsewhere the document's reaches into it
  const root = element.getRootNode() as Document & { getSelection?: () => Selection | null };
  const selection = root.getSelection?.() ?? element.ownerDocument.getSelection();
  if (!selection || selection.isCollapsed || !selection.anchorNode) return false;
  return element.contains(selection.anchorNode) || element.contains(selection.focusNode);
}
