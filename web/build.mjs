// Bundles src/ into the folder named by the first argument. Needs esbuild and nothing else.
import { build } from "esbuild";

await build({
  entryPoints: ["src/app.ts", "src/overview.ts", "src/annotate.ts", "src/query.ts", "src/style.css", "src/mark.svg"],
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  loader: { ".svg": "copy" },
  outdir: process.argv[2] ?? "../src/loopline/apps/web/static",
  logLevel: "warning",
});
