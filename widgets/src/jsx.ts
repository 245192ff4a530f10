/** What JSX becomes in the bundle: calls that name their children are shorter than the objects of the automatic form. */
export { Fragment, h } from "preact";
