/** Serves this folder, and the package's sample frames where they lie beside it: node serve.js [port] */

import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import sirv from "sirv";

// A page of its own may use threads in WebAssembly.
const setHeaders = (response) => {
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
  response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
};
const folder = (path) => sirv(fileURLToPath(new URL(path, import.meta.url)), { dev: true, setHeaders });
const [page, samples] = [folder("."), folder("../../keras_handpose/samples")];

const server = createServer((request, response) => {
  const missing = () => response.writeHead(404).end("Not found");
  const { url } = request;
  if (!url.startsWith("/samples/")) return page(request, response, missing);
  request.url = url.slice("/samples".length);
  samples(request, response, missing);
});
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
