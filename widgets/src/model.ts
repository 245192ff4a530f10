/** The part of anywidget's model that the widget uses: traits, custom messages, and the widget manager. */
export interface Model {
  get(trait: string): unknown;
  set(trait: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: (...args: never[]) => void): void;
  off(event: string, callback: (...args: never[]) => void): void;
  send(content: unknown): void;
  readonly widget_manager?: unknown;
}
