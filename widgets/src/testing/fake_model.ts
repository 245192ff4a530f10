/**
 * A model without a kernel: the test is the kernel. `sent` has the messages of the page, except `Hello`, and except
 * requests for tasks, which are answered from `tasks`; `answer` and `put` act as Python.
 */
import type { Answer, Command, Hello, TaskMetrics } from "../messages";
import type { Model } from "../model";

export class FakeModel implements Model {
  readonly sent: Command[] = [];
  greetings = 0;
  tasks: TaskMetrics[];
  widget_manager?: unknown;
  private readonly traits: Map<string, unknown>;
  private readonly listeners = new Map<string, Set<(...args: never[]) => void>>();

  constructor(made: object = {}) {
    const { tasks = [], ...traits } = made as { tasks?: TaskMetrics[] };
    this.tasks = tasks;
    this.traits = new Map(Object.entries({ _face: "job", graph: {}, live: {}, table: {}, ...traits }));
  }

  get(trait: string): unknown {
    return this.traits.get(trait);
  }

  set(trait: string, value: unknown): void {
    this.traits.set(trait, value);
  }

  save_changes(): void {}

  on(event: string, callback: (...args: never[]) => void): void {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event)?.add(callback);
  }

  off(event: string, callback: (...args: never[]) => void): void {
    this.listeners.get(event)?.delete(callback);
  }

  send(content: unknown): void {
    const said = content as Command | Hello;
    if (said.type === "hello") this.greetings += 1;
    else if (said.kind === "tasks") this.answer({ id: said.id, tasks: this.of(said.args["vertices"] as string[]) });
    else this.sent.push(said);
  }

  private of(vertices: readonly string[]): TaskMetrics[] {
    return this.tasks.filter((task) => vertices.length === 0 || vertices.includes(task.vertex));
  }

  /** Sets a trait, as the kernel does. */
  put(trait: string, value: unknown): void {
    this.set(trait, value);
    this.tell(`change:${trait}`);
  }

  /** Answers a command, as the kernel does: the last one unless `id` is set. */
  answer(answer: Partial<Answer> = {}): void {
    const id = answer.id ?? this.sent.at(-1)?.id ?? "";
    this.tell("msg:custom", { type: "answer", ok: true, text: "done", sample: null, tasks: null, rejected: null, ...answer, id });
  }

  /** The number of registered callbacks. */
  get listening(): number {
    return [...this.listeners.values()].reduce((sum, some) => sum + some.size, 0);
  }

  private tell(event: string, ...content: unknown[]): void {
    for (const callback of [...(this.listeners.get(event) ?? [])])
      (callback as (...args: unknown[]) => void)(...content);
  }
}
