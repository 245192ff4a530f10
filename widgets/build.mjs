// Builds the one file that is shipped, or serves the pages of dev/ with --dev. The file depends on the sources and on
// package-lock.json alone: `npm ci && npm run build` gives it again, byte for byte.
import * as esbuild from "esbuild";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Style sheets are imported as text: the widget puts them into its own root, which may be a shadow root. */
const styles = {
  name: "styles",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const written = await readFile(path, "utf8");
      const { code } = await esbuild.transform(written, { loader: "css", minify: build.initialOptions.minify });
      return { contents: code, loader: "text" };
    });
  },
};

const options = {
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  // in place of what tsconfig.json says, which would have the last word
  tsconfigRaw: { compilerOptions: { jsx: "react", jsxFactory: "h", jsxFragmentFactory: "Fragment" } },
  inject: [here("src/jsx.ts")],
  absWorkingDir: here("."),
  plugins: [styles],
  logLevel: "info",
};

if (process.argv.includes("--dev")) {
  const context = await esbuild.context({
    ...options,
    entryPoints: ["dev/page.tsx"],
    outdir: "dev/built",
    sourcemap: true,
  });
  await context.serve({ servedir: "dev", host: "127.0.0.1" });
} else {
  const outfile = "../sabotnb/widgets/static/widget.js";
  await esbuild.build({ ...options, entryPoints: ["src/index.tsx"], outfile, minify: true });
}
