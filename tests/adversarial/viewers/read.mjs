// What pdf.js shows of the files whose names come on standard input: a digest a line, or the error.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.argv[2]}/`);
// Only what draws needs these.
for (const name of ["DOMMatrix", "ImageData", "Path2D"]) globalThis[name] ??= class {};
console.warn = console.log = () => {};
const pdfjs = await import(pathToFileURL(require.resolve("pdfjs-dist/legacy/build/pdf.mjs")));

async function shown(file) {
  const data = new Uint8Array(await readFile(file));
  const pdf = await pdfjs.getDocument({ data, verbosity: 0, disableFontFace: true, useSystemFonts: false }).promise;
  const digest = createHash("sha256");
  const add = (value) => digest.update(JSON.stringify(value) ?? "");
  for (let number = 1; number <= pdf.numPages; number++) {
    const page = await pdf.getPage(number);
    add(page.view);
    add((await page.getTextContent()).items.map((item) => [item.str, item.transform]));
    const { fnArray } = await page.getOperatorList();
    add(fnArray);
    add((await page.getAnnotations()).map((each) => [each.subtype, each.url, each.dest]));
  }
  add(await pdf.getOutline());
  const attached = (await pdf.getAttachments()) ?? {};
  for (const name of Object.keys(attached)) digest.update(name).update(attached[name].content);
  await pdf.destroy();
  return digest.digest("hex");
}

for await (const file of createInterface({ input: process.stdin })) {
  const told = await shown(file).catch((error) => `error: ${error.name}`);
  process.stdout.write(`${told}\n`);
}
