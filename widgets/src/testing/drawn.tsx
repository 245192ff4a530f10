/** Renders into the page of a test, and finds elements by role and text. */
import { type VNode, render } from "preact";
import { act } from "preact/test-utils";
import { afterEach } from "vitest";

const places: HTMLElement[] = [];

afterEach(() => {
  for (const place of places.splice(0)) {
    act(() => render(null, place));
    place.remove();
  }
});

export function drawn(what: VNode): HTMLElement {
  const place = document.body.appendChild(document.createElement("div"));
  places.push(place);
  act(() => render(what, place));
  return place;
}

/** Returns the element of this selector whose text or label has `text`; throws with a list if there is none. */
export function found<T extends HTMLElement>(place: ParentNode, selector: string, text = ""): T {
  const all = [...place.querySelectorAll<T>(selector)];
  const one = all.find((each) => `${each.textContent} ${each.getAttribute("aria-label")}`.includes(text));
  if (!one) throw new Error(`no ${selector} with "${text}"; there are: ${all.map((each) => each.textContent).join(" | ")}`);
  return one;
}

export function texts(place: ParentNode, selector: string): string[] {
  return [...place.querySelectorAll(selector)].map((one) => one.textContent ?? "");
}

/** Returns the texts of the cells of a table. */
export function cells(place: ParentNode): string[][] {
  return [...place.querySelectorAll("tbody tr")].map((row) => texts(row, "td"));
}

export async function click(element: HTMLElement): Promise<void> {
  await act(async () => element.click());
}

export async function press(element: HTMLElement, key: string): Promise<void> {
  await act(async () => void element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })));
}

export async function type(element: HTMLInputElement, text: string): Promise<void> {
  element.value = text;
  await act(async () => void element.dispatchEvent(new Event("input", { bubbles: true })));
}

/** Runs an action and waits for its effects. */
export async function happens(what: () => unknown): Promise<void> {
  await act(async () => void (await what()));
}
