/** What the widget needs of anywidget's model: its traits, its custom messages, and where it is shown. */
export interface Model {
  get(trait: string): unknown;
  set(trait: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: (...args: never[]) => void): void;
  off(event: string, callback: (...args: never[]) => void): void;
  send(content: unknown): void;
  readonly widget_manager?: unknown;
}
