import type { ButtonHTMLAttributes } from "preact";

/** A small button for tables and the panel. */
export function SmallButton(props: ButtonHTMLAttributes) {
  return <button type="button" class="sabot-small" {...props} />;
}
