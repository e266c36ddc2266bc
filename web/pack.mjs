/* After the build: a packed copy beside each text file, so that the proxy packs nothing while it serves. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const folder = new URL("./dist/assets/", import.meta.url);

for (const name of readdirSync(folder).sort()) {
  if (!/\.(js|css|svg|json|txt)$/.test(name)) continue;
  const plain = readFileSync(new URL(name, folder));
  if (plain.length < 512) continue;
  writeFileSync(new URL(`${name}.gz`, folder), gzipSync(plain, { level: 9 }));
  writeFileSync(
    new URL(`${name}.br`, folder),
    brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }),
  );
}
