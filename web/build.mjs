// Builds the page: kernel, worklet, script and style into one HTML file; with --check, compares it with the committed one.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const artefact = join(here, "../components/export/web/page.html");

/** Compiles the kernel; returns the module as base64 of gzip. */
function kernel() {
  const scratch = mkdtempSync(join(tmpdir(), "luthier-"));
  const output = join(scratch, "kernel.wasm");
  const options = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", "--use", "abort=", "-o", output];
  execFileSync(
    process.execPath,
    [join(here, "node_modules/assemblyscript/bin/asc.js"), join(here, "kernel/index.ts"), ...options],
    {
      stdio: "inherit",
    },
  );
  const bytes = readFileSync(output);
  rmSync(scratch, { recursive: true });
  return gzipSync(bytes, { level: 9 }).toString("base64");
}

/** Bundles a script; returns its text. */
async function bundle(entry, define) {
  const options = {
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
  };
  const result = await build({ ...options, entryPoints: [join(here, "src", entry)], define });
  return result.outputFiles[0].text.trim();
}

/** Returns the SHA-256 of everything that the page is built from; a test of the Python part compares it. */
function sourceDigest() {
  const sources = ["src", "kernel"].flatMap((folder) =>
    readdirSync(join(here, folder)).map((name) => `${folder}/${name}`),
  );
  const digest = createHash("sha256");
  for (const name of [...sources, "build.mjs", "package-lock.json"].sort())
    digest.update(`${name}\n`).update(readFileSync(join(here, name)));
  return digest.digest("hex");
}

const worklet = await bundle("worklet.ts", {});
const transfer = await bundle("transfer_worker.ts", {});
const script = await bundle("main.ts", {
  WORKLET: JSON.stringify(worklet),
  TRANSFER: JSON.stringify(transfer),
  KERNEL: JSON.stringify(kernel()),
});
const page = readFileSync(join(here, "src/page.html"), "utf8")
  .replace("source-digest", sourceDigest())
  .replace("/* style */", () => readFileSync(join(here, "src/page.css"), "utf8").trim())
  .replace("/* script */", () => script.replaceAll("</script", "<\\/script"));

if (process.argv.includes("--check")) {
  if (readFileSync(artefact, "utf8") !== page) {
    console.error("components/export/web/page.html is not what web/ builds: run make web");
    process.exit(1);
  }
} else {
  writeFileSync(artefact, page);
  console.log(`components/export/web/page.html: ${Math.round(page.length / 1000)} kB`);
}
