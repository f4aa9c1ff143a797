// SPDX-License-Identifier: Apache-2.0
// usage: json_node.js VERDICT [COUNT [SEED]]: gives COUNT generated bodies to the API's reader (json_verdict.c) and to JSON.parse,
// and compares what both make of them. Five things that JSON.parse takes are refused on purpose; they are counted apart.
"use strict";
const { spawnSync } = require("child_process");
const [, , program, count = "1000000", seed = "1"] = process.argv;
const BATCH = 20000;
const ON_PURPOSE = ["duplicate object key", "number out of range", "NUL in a string", "no whole surrogate pair", "nested too deep"];

let state = Number(seed) >>> 0;
function below(n) { // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let z = Math.imul(state ^ (state >>> 15), state | 1);
  z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
  return ((z ^ (z >>> 14)) >>> 0) % n;
}
const pick = (list) => list[below(list.length)];

const NUMBERS = ["0", "-0", "1", "-1", "10", "01", "1.5", "1.", ".5", "1e5", "1E+5", "1e-5", "1e", "1e400", "-1e-400", "9007199254740993", "9223372036854775807",
  "9223372036854775808", "-9223372036854775809", "0.1", "123456789.123456789", "5e-324", "1.7976931348623157e308", "+1", "0x1", "--1", "1_0", "NaN", "Infinity", "1e+"];
const PARTS = ["a", "b", "key", "\u00e9", "\u20ac", "\u{1f600}", "\\n", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\r", "\\t", "\\u0041", "\\u20AC", "\\ud83d\\ude00", "\\u0000", "\\ud800", "\\udc00", "\\x41", "\\u00g0",
  "\\", "\x01", "\n", "\x7f", "\u2028", "\ufeff", " ", "'", "__proto__", "0", "12"];
const SPACE = ["", "", "", "", "", " ", "\n", "\t\r", "\u00a0", "\f"];
const WORDS = ["true", "false", "null", "nul", "True", "undefined", "nan", "truefalse"];

// One part in `odd` of them is not JSON.
let odd = 1;
function well(list, good) { return below(odd) ? list[below(good)] : pick(list); }
const space = () => well(SPACE, 8);
function string() {
  let s = '"';
  for (let n = below(5); n--;) s += well(PARTS, 17);
  return s + (below(odd * 20) ? '"' : "");
}
function number() { return below(3) ? String(pick([1, -1]) * below(1 << below(30)) / pick([1, 1, 8, 1000])) : below(odd) ? pick(NUMBERS.filter((s) => /^-?(0|[1-9]\d{0,15})(\.\d+)?([eE][+-]?\d{1,2})?$/.test(s))) : pick(NUMBERS); }
function list(open, close, item, depth) {
  let s = open + space();
  for (let n = below(4), i = 0; i < n; i++) s += (i ? space() + (below(odd * 20) ? "," : pick(["", ",,", ";"])) + space() : "") + item(depth);
  return s + space() + (below(odd * 20) ? close : pick(["", ",", "]", "}"]));
}
const member = (depth) => (below(odd * 10) ? string() : pick(["a", "1", "'a'"])) + space() + (below(odd * 20) ? ":" : "=") + space() + value(depth + 1);
function value(depth) {
  const kind = below(depth > 4 ? 5 : 8);
  if (kind < 2) return number();
  if (kind < 4) return string();
  if (kind === 4) return well(WORDS, 3);
  return kind === 5 ? list("[", "]", (d) => value(d + 1), depth) : object(depth);
}
const object = (depth) => list("{", "}", member, depth);

function body() {
  odd = pick([2, 20, 1000]);
  let s = space() + (below(odd * 20) ? object(0) : value(0)) + space();
  if (!below(odd * 50)) s = `{"a":${"[".repeat(70)}${"]".repeat(70)}}`;
  const bytes = Buffer.from(s, "utf8");
  if (bytes.length && !below(odd)) bytes[below(bytes.length)] = pick([0, 0x22, 0x2c, 0x80, 0xc3, 0xed, 0xff, 0x7d, 0x5d, below(256)]);
  return bytes;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
function node(bytes) {
  try {
    const v = JSON.parse(decoder.decode(bytes));
    return v !== null && typeof v === "object" && !Array.isArray(v) ? { v } : null; // a request is an object
  } catch {
    return null;
  }
}

function ask(bodies) {
  const input = Buffer.concat(bodies.flatMap((b) => { const n = Buffer.alloc(4); n.writeUInt32LE(b.length); return [n, b]; }));
  const r = spawnSync(program, [], { input, maxBuffer: 1 << 30 });
  if (r.status !== 0) throw new Error(`${program}: status ${r.status}, signal ${r.signal}`);
  const answers = [];
  for (let at = 0; at < r.stdout.length; at += 4 + r.stdout.readUInt32LE(at)) answers.push(r.stdout.toString("utf8", at + 4, at + 4 + r.stdout.readUInt32LE(at)));
  return answers;
}

const purposes = Object.fromEntries(ON_PURPOSE.map((s) => [s, 0]));
let done = 0, taken = 0, differences = 0;
function compare(bytes, answer) {
  const theirs = node(bytes);
  const ours = answer[0] === "=" ? { v: JSON.parse(answer.slice(1)) } : null;
  if (ours) taken++;
  if (ours ? theirs && JSON.stringify(ours.v) === JSON.stringify(theirs.v) : !theirs) return;
  const purpose = !ours && ON_PURPOSE.find((s) => answer.includes(s));
  if (purpose) { purposes[purpose]++; return; }
  if (differences++ < 10) console.log(`differ: ${JSON.stringify(bytes.toString("latin1"))}\n  here ${answer}\n  Node ${theirs ? JSON.stringify(theirs.v) : "refuses"}`);
}

while (done < Number(count)) {
  const bodies = Array.from({ length: Math.min(BATCH, Number(count) - done) }, body);
  const answers = ask(bodies);
  if (answers.length !== bodies.length) throw new Error("an answer is missing");
  bodies.forEach((b, i) => compare(b, answers[i]));
  done += bodies.length;
}
console.log(`${done} bodies, ${taken} taken, ${differences} differences to JSON.parse; refused on purpose: ${ON_PURPOSE.map((s) => `${s} ${purposes[s]}`).join(", ")}`);
process.exit(differences ? 1 : 0);
