// Bundles src/ into the folder named by the first argument. Needs esbuild and nothing else.
import { build } from "esbuild";

const shape = {
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  minify: true,
  legalComments: "none",
  loader: { ".svg": "copy" },
  outdir: process.argv[2] ?? "../src/loopline/apps/web/static",
  logLevel: "warning",
};

await build({
  ...shape,
  entryPoints: ["src/app.ts", "src/overview.ts", "src/adjudicate.ts", "src/query.ts", "src/style.css", "src/mark.svg"],
});

// The labelling page is split: one catalogue of words is loaded of several, and what few people need when they need it.
await build({ ...shape, entryPoints: ["src/annotate.ts"], splitting: true, chunkNames: "annotate-[name]-[hash]" });
