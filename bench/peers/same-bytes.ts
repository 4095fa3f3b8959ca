import { createPeerServer, readSettings, serve } from "./serve.ts";

// The limit of TLS and HTTP in Node: reads a request, sends as many bytes as a page has.
const settings = await readSettings();
const body = Buffer.alloc(Number(process.env["BENCH_BYTES"] ?? 15_000), "x");

const server = createPeerServer(settings, (request, response) => {
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body);
  });
});
serve(server, settings);
