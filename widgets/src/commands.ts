/** Sends commands to the kernel: each is repeated until it is answered, and resolved once. */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Answer, Command } from "./messages";
import type { Model } from "./model";

export type Kind = Command["kind"];

/** A command that has no answer yet; `since` is the page's clock, in seconds. */
export interface Pending {
  id: string;
  kind: Kind;
  since: number;
}

export const RESEND_SECONDS = 3;

export interface Commands {
  readonly pending: ReadonlySignal<Pending[]>;
  /** Never rejects: if nothing can be sent, the answer has the reason. */
  send(kind: Kind, args?: Command["args"]): Promise<Answer>;
  dispose(): void;
}

/** `run` is read at the click, so that it is that of the graph on the page. */
export function makeCommands(model: Model, run: () => number, clock: () => number): Commands {
  const pending: Signal<Pending[]> = signal([]);
  const waiting = new Map<string, (answer: Answer) => void>();

  const onMessage = (content: unknown): void => {
    if (isAnswer(content)) waiting.get(content.id)?.(content);
  };
  model.on("msg:custom", onMessage);

  const send = (kind: Kind, args: Command["args"] = {}): Promise<Answer> => {
    const command: Command = { type: "command", id: freshId(), kind, run: run(), args };
    return new Promise((resolve) => {
      const settle = (answer: Answer): void => {
        if (!waiting.delete(command.id)) return;
        clearInterval(timer);
        pending.value = pending.value.filter((one) => one.id !== command.id);
        resolve(answer);
      };
      const post = (): void => {
        try {
          model.send(command);
        } catch (error) {
          settle(
            refusal(
              command.id,
              `${kind}: the kernel cannot be reached (${error instanceof Error ? error.message : error})`,
            ),
          );
        }
      };
      const timer = setInterval(post, RESEND_SECONDS * 1000);
      waiting.set(command.id, settle);
      pending.value = [...pending.value, { id: command.id, kind, since: clock() }];
      post();
    });
  };

  const dispose = (): void => {
    model.off("msg:custom", onMessage);
    for (const [id, settle] of [...waiting]) settle(refusal(id, "this view was closed before the kernel answered"));
  };

  return { pending, send, dispose };
}

function refusal(id: string, text: string): Answer {
  return { type: "answer", id, ok: false, text, sample: null, tasks: null, rejected: null };
}

function isAnswer(content: unknown): content is Answer {
  return (
    typeof content === "object" && content !== null && "type" in content && content.type === "answer" && "id" in content
  );
}

/** Returns a random id; `crypto.randomUUID` exists only on pages with TLS, which a notebook may not have. */
function freshId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
}
