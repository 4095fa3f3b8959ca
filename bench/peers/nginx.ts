import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:net";
import type { Work } from "../setting/work.ts";
import type { PeerProcess } from "./peer-process.ts";
import type { ServerTls } from "./tls.ts";

/** nginx's version, or undefined where it is not installed. */
export function nginxVersion(): string | undefined {
  // It says it on its standard error.
  const { stderr, error } = spawnSync("nginx", ["-v"], { encoding: "utf8" });
  return error === undefined ? /nginx\/(\S+)/.exec(stderr)?.[1] : undefined;
}

/** Starts nginx: mutual TLS 1.3 on one port, plain HTTP with kept connections to another. */
export async function startNginx(work: Work, tls: ServerTls, port: number, to: number): Promise<PeerProcess> {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-nginx-"));
  const files = { "server.pem": tls.certificate, "server.key": tls.key, "root.pem": work.rootPem };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000;
  upstream handler { server 127.0.0.1:${to}; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate ${folder}/server.pem;
    ssl_certificate_key ${folder}/server.key;
    ssl_client_certificate ${folder}/root.pem;
    ssl_verify_client on;
    ssl_session_tickets off;
    location / {
      proxy_pass http://handler;
      proxy_http_version 1.1;
      proxy_set_header connection "";
      proxy_set_header x-client-serial $ssl_client_serial;
    }
  }
}
`,
  );
  const child = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = once(child, "exit");
  await waitUntilListening(child, port);
  return {
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill("SIGQUIT");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until a program listens on loopback. @throws where it ends before, or takes more than five seconds */
export async function waitUntilListening(program: ChildProcess, port: number): Promise<void> {
  for (let tries = 0; !(await listens(port)); tries += 1) {
    if (program.exitCode !== null || tries > 100) {
      throw new Error(`${program.spawnfile} did not start`);
    }
    await sleep(50);
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => {
      resolve(false);
    });
  });
}
