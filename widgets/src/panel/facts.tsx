import { unbroken } from "./words";

/** Names and values; empty values are omitted. */
export function Facts({ facts }: { facts: readonly (readonly [string, string])[] }) {
  return (
    <dl class="sabot-facts">
      {facts
        .filter(([, text]) => text)
        .map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{unbroken(text)}</dd>
          </div>
        ))}
    </dl>
  );
}
