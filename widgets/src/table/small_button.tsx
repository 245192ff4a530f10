import type { ButtonHTMLAttributes } from "preact";

/** A button among figures and rows. */
export function SmallButton(props: ButtonHTMLAttributes) {
  return <button type="button" class="sabot-small" {...props} />;
}
