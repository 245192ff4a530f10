/**
 * For elements that take arrow keys while they have the focus. Notebook 7 looks at keys before they get here, and takes
 * arrows for headings.
 */
export const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };
