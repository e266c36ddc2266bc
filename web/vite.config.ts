import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { licencesFile } from "./licences";

/* Where `npm run dev` sends API calls: a running platform's address. */
const api = process.env.ZANE_DEV_API ?? "http://127.0.0.1";

export default defineConfig({
  plugins: [react(), tailwindcss(), licencesFile()],
  resolve: { alias: { "~": fileURLToPath(new URL("./app", import.meta.url)) } },
  build: {
    target: "es2022",
    outDir: "dist",
    assetsDir: "assets",
    assetsInlineLimit: 0, // nothing inline: the policy allows files of our own alone
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: true,
  },
  server: { proxy: { "/api": { target: api, changeOrigin: true } } },
});
