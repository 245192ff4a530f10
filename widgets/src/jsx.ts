/** The functions that JSX compiles to: calls with children are shorter than the objects of the automatic runtime. */
export { Fragment, h } from "preact";
