#!/usr/bin/env node
// A target without a line of Python: a list, a processing list, and a body that sleeps. It shows what the protocol asks
// of a program in another language; as a queue it is no more than that (a killed worker's job stays where it is).
"use strict";
const fs = require("fs");
const net = require("net");
const crypto = require("crypto");

const setup = JSON.parse(process.env.STORMPROOF_SETUP || '{"queues":["default"]}');

// --- ledger: one writer a process, one write a line -----------------------------------------------------------------
const nonce = crypto.randomBytes(4).toString("hex");
const role = process.env.STORMPROOF_ROLE || "worker";
let ledgerFd = null;
let seq = 0;
let runs = 0;

function tell(event, fields) {
  if (ledgerFd === null) openLedger();
  seq += 1;
  const t = process.hrtime.bigint().toString();
  const head = `{"w":"${role}-${process.pid}-${nonce}","seq":${seq},"t":${t},"e":"${event}"`;
  fs.writeSync(ledgerFd, head + "," + JSON.stringify(fields).slice(1, -1) + "}\n");
}

function openLedger() { // tell() opens it too, for a worker whose first line is a run
  ledgerFd = fs.openSync(process.env.STORMPROOF_LEDGER, "a");
  const stat = fs.readFileSync("/proc/self/stat", "utf8");
  tell("open", {
    format: 1,
    role,
    worker: process.env.STORMPROOF_WORKER || "worker-0",
    pid: process.pid,
    pid_start: Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]),
    boot: fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    timens: fs.statSync("/proc/self/ns/time").ino,
    wall_ns: Date.now() * 1e6,
  });
}

const crcTable = Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k += 1) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n >>> 0;
});
const crc32 = (text) => {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) crc = crcTable[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
};

// --- just enough of RESP2: commands in order, one answer each --------------------------------------------------------
class Redis {
  constructor(url) {
    const { hostname, port } = new URL(url);
    this.waiting = [];
    this.buffer = "";
    this.socket = net.connect(Number(port), hostname);
    this.socket.on("data", (data) => this.read(data.toString()));
    this.socket.on("error", (error) => this.fail(error));
    this.socket.on("close", () => this.fail(new Error("connection closed")));
  }
  fail(error) {
    this.dead = error;
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
  command(...words) {
    if (this.dead) return Promise.reject(this.dead);
    this.socket.write(`*${words.length}\r\n` + words.map((w) => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join(""));
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }
  read(text) {
    this.buffer += text;
    for (;;) {
      const answer = parse(this.buffer, 0);
      if (answer === null) return;
      this.buffer = this.buffer.slice(answer.end);
      const { resolve, reject } = this.waiting.shift();
      if (answer.value instanceof Error) reject(answer.value);
      else resolve(answer.value);
    }
  }
}

function parse(text, start) {
  const stop = text.indexOf("\r\n", start);
  if (stop < 0) return null;
  const kind = text[start];
  const rest = text.slice(start + 1, stop);
  const after = stop + 2;
  if (kind === "+") return { value: rest, end: after };
  if (kind === "-") return { value: new Error(rest), end: after };
  if (kind === ":") return { value: Number(rest), end: after };
  const size = Number(rest);
  if (size < 0) return { value: null, end: after };
  if (kind === "$") return text.length < after + size + 2 ? null : { value: text.slice(after, after + size), end: after + size + 2 };
  const items = [];
  let end = after;
  for (let n = 0; n < size; n += 1) {
    const item = parse(text, end);
    if (item === null) return null;
    items.push(item.value);
    end = item.end;
  }
  return { value: items, end };
}

// --- the three verbs ---------------------------------------------------------------------------------------------------
const keys = (queue) => ({ waiting: `node:${queue}`, running: `node:${queue}:running`, done: `node:${queue}:done` });

function describe() {
  const source = { sentence: "A job that was pushed is run.", where: "tests/targets/node_list.js" };
  console.log(
    JSON.stringify({
      protocol: 1,
      name: "node-list",
      version: "1",
      abilities: [],
      interpreter: `Node ${process.version}`,
      slots_per_worker: 1,
      promise: { delivery: "at_least_once", lost_reply_repeats: true, sources: { delivery: source } },
    }),
  );
}

function produce(path) {
  const redis = new Redis(setup.redis_url);
  const direct = new Redis(setup.direct_url);
  const operations = {
    ping: async () => ({}),
    counts: async () => ({ counts: Object.fromEntries(await Promise.all(setup.queues.map(async (queue) => {
      const { waiting, running } = keys(queue);
      const sizes = [await direct.command("LLEN", waiting), await direct.command("LLEN", running)];
      return [queue, { waiting: sizes[0], delayed: 0, running: sizes[1], dead: 0 }];
    }))) }),
    states: async ({ jobs }) => {
      const found = {};
      for (const queue of setup.queues) {
        for (const [state, key] of Object.entries(keys(queue))) {
          for (const text of await direct.command("LRANGE", key, "0", "-1")) {
            const { job } = JSON.parse(text);
            (found[job] ||= { keys: [], state: { done: "finished" }[state] || state }).keys.push(key);
          }
        }
      }
      return { states: Object.keys(jobs).map((job) => ({
        job, found_in: found[job]?.keys || [], state: found[job]?.state || "absent",
        reason: "", history: null, result_sum: "", ttl_ms: -1,
      })) };
    },
    enqueue: async ({ job, queue, spec, intended_ns, delay_ns }) => {
      const payload = `{"job":"${job}","spec":${JSON.stringify(spec)}}`;
      tell("invoked", { job, queue, spec, intended_ns, delay_ns, args_sum: crc32(payload) });
      try {
        await redis.command("LPUSH", keys(queue).waiting, payload);
      } catch (error) {
        const why = String(error.message).replace(/[^A-Za-z0-9_.:-]+/g, "_").slice(0, 64);
        tell("unknown", { job, why });
        return { outcome: "unknown", why };
      }
      tell("acked", { job, receipt: job });
      return { outcome: "acked", receipt: job };
    },
  };
  net.createServer((connection) => {
    let buffer = "";
    connection.on("data", (data) => {
      buffer += data;
      const lines = buffer.split("\n");
      buffer = lines.pop();
      for (const line of lines) {
        const request = JSON.parse(line);
        operations[request.op](request)
          .catch((error) => ({ error: String(error) }))
          .then((answer) => connection.write(JSON.stringify({ id: request.id, ...answer }) + "\n"));
      }
    });
  }).listen(path);
  openLedger();
}

async function work() {
  const redis = new Redis(setup.redis_url);
  const { waiting, running, done } = keys(setup.queues[0]);
  for (;;) {
    const payload = await redis.command("BLMOVE", waiting, running, "RIGHT", "LEFT", "1");
    if (payload === null) continue;
    const { job, spec } = JSON.parse(payload);
    runs += 1;
    const run = `r-${process.pid}-${nonce}-${runs}`;
    tell("started", { job, run, attempt: 0, fence: 0, args_sum: crc32(payload) });
    await new Promise((resolve) => setTimeout(resolve, spec.sleep_ms || 0));
    tell("ended", { job, run, outcome: "ok", sum: crc32(run) });
    await redis.command("LREM", running, "1", payload);
    await redis.command("LPUSH", done, payload);
  }
}

const [verb, argument] = process.argv.slice(2);
if (verb === "describe") describe();
else if (verb === "produce") produce(argument);
else if (verb === "worker") work().catch((error) => { console.error(error.message); process.exit(1); });
else { console.error("usage: node_list.js describe | produce SOCKET | worker"); process.exit(2); }
