/**
 * Loaded into every process of a test run (`--import`): notes each statement that is on its way to Athena, where it is
 * handed to HTTP, whichever client sends it. JavaScript, because it runs before any loader.
 *
 * Delivery guarantee: a statement stands in the file before its request leaves, also of a process that is killed then.
 */
import { appendFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { env, pid } from "node:process";

const folder = env["SLUICE_TEST_STATEMENTS"];
/** @type {WeakMap<http.ClientRequest, Buffer>} */
const bodies = new WeakMap();
/** @type {Set<string>} */
const noted = new Set();

if (folder !== undefined) {
  observe("write", () => {});
  observe("end", (request) => {
    const body = bodies.get(request);
    if (body !== undefined) note(folder, body.toString());
  });
}

/**
 * @param {"write" | "end"} method
 * @param {(request: http.ClientRequest) => void} after What follows when the method's chunk is kept.
 */
function observe(method, after) {
  const original = http.ClientRequest.prototype[method];
  http.ClientRequest.prototype[method] = new Proxy(original, {
    apply(target, request, args) {
      if (request.getHeader("x-amz-target") === "AmazonAthena.StartQueryExecution") {
        keep(request, args[0]);
        after(request);
      }
      return Reflect.apply(target, request, args);
    },
  });
}

/**
 * @param {http.ClientRequest} request
 * @param {unknown} chunk
 */
function keep(request, chunk) {
  if (typeof chunk !== "string" && !(chunk instanceof Uint8Array)) return;
  bodies.set(request, Buffer.concat([bodies.get(request) ?? Buffer.alloc(0), Buffer.from(chunk)]));
}

/**
 * @param {string} into
 * @param {string} body
 */
function note(into, body) {
  const { QueryString: sql } = JSON.parse(body);
  if (noted.has(sql)) return;
  noted.add(sql);
  // named when a test file begins, and inherited by the processes that it starts
  const line = JSON.stringify({ file: env["SLUICE_TEST_FILE"] ?? null, sql });
  appendFileSync(path.join(into, `${pid}.jsonl`), `${line}\n`);
}
