import type { ComponentChildren } from "preact";
import { useId, useRef } from "preact/hooks";

export interface TabItem<Name extends string> {
  name: Name;
  title: string;
  /** What is wrong: a cross in the tab, a text for screen readers. */
  mark?: string;
}

interface Props<Name extends string> {
  label: string;
  items: readonly TabItem<Name>[];
  chosen: Name;
  choose: (name: Name) => void;
  children: ComponentChildren;
}

/** Tabs after the WAI-ARIA pattern: one tab stop, arrows select, Home and End go to the ends. */
export function Tabs<Name extends string>({ label, items, chosen, choose, children }: Props<Name>) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    const to = target(event.key, items.findIndex(({ name }) => name === chosen), items.length);
    if (to === null) return;
    event.preventDefault();
    // the notebook must not handle the arrows
    event.stopPropagation();
    choose(items[to]!.name);
    (list.current?.children[to] as HTMLElement | undefined)?.focus();
  };
  return (
    <>
      <div role="tablist" aria-label={label} class="sabot-tabs" ref={list} onKeyDown={onKeyDown}>
        {items.map(({ name, title, mark }) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`${id}-${name}`}
            aria-selected={name === chosen}
            aria-controls={`${id}-panel`}
            tabIndex={name === chosen ? 0 : -1}
            onClick={() => choose(name)}
          >
            {title}
            {mark && (
              <span class="sabot-mark" title={mark}>
                {" ✕"}
                <span class="sabot-spoken"> {mark}</span>
              </span>
            )}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${chosen}`} tabIndex={0}>
        {children}
      </div>
    </>
  );
}

function target(key: string, at: number, length: number): number | null {
  switch (key) {
    case "ArrowRight":
      return (at + 1) % length;
    case "ArrowLeft":
      return (at + length - 1) % length;
    case "Home":
      return 0;
    case "End":
      return length - 1;
    default:
      return null;
  }
}
