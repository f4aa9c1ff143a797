// SPDX-License-Identifier: Apache-2.0
// The status view: polls /metrics, /load and /server_info while it is shown, and draws what they say.
import { json, text } from "./api.js";
import { byId, bytes, fillTable, make, number, seconds } from "./dom.js";
import { histogram, parseMetrics, quantile, since, total } from "./metrics.js";
import { Plot } from "./plot.js";

const EVERY_MS = 1000, SPAN = 180, WINDOW = 10, GAP = 10, MOST_REQUESTS = 50;
const percent = (v) => `${+(v * 100).toFixed(1)} %`;
const plots = [
  new Plot({ title: "Tokens per second", series: ["generated", "prompt"], format: number, least: 10, span: SPAN, gap: GAP }),
  new Plot({ title: "Requests", series: ["running", "waiting"], format: (v) => String(+v.toFixed(1)), least: 2, span: SPAN, gap: GAP }),
  new Plot({ title: "KV cache", series: ["in use"], format: percent, least: 0.05, span: SPAN, gap: GAP }),
  new Plot({ title: "Time between tokens", series: ["median", "95th percentile"], format: seconds, least: 0.01, span: SPAN, gap: GAP }),
];
const TIMINGS = [
  ["First token", "vllm:time_to_first_token_seconds"],
  ["Between tokens", "vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"],
  ["Waiting", "vllm:request_queue_time_seconds", "vllm:time_in_queue_requests"],
  ["Prefill", "vllm:request_prefill_time_seconds"],
  ["Decode", "vllm:request_decode_time_seconds"],
  ["Whole request", "vllm:e2e_request_latency_seconds"],
];
const requests = []; // of this page, newest first
let readings = []; // of the last SPAN seconds
let timer = null, asking = false;

/** The first of some names that the server has; metric-names decides which. */
const has = (series, names, suffix = "") => names.find((n) => series.has(n + suffix)) ?? names[0];
const kvUse = (series, model) => total(series, has(series, ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"]), model);

function read(series) {
  return {
    t: performance.now() / 1000, running: total(series, "vllm:num_requests_running"), waiting: total(series, "vllm:num_requests_waiting"),
    generated: total(series, "vllm:generation_tokens_total"), prompt: total(series, "vllm:prompt_tokens_total"),
    kv: Math.max(...(series.get(has(series, ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"])) ?? [{ value: NaN }]).map((r) => r.value)),
    between: histogram(series, has(series, TIMINGS[1].slice(1), "_bucket")),
  };
}

/** Growth per second since the reading before; NaN where there is none, or the engine began anew. */
function rate(i, name) {
  const now = readings[i], before = readings[i - 1];
  const grown = before && now.t - before.t < GAP ? (now[name] - before[name]) / (now.t - before.t) : NaN;
  return grown < 0 ? NaN : grown;
}

function between(i) {
  const from = readings.findIndex((r) => readings[i].t - r.t <= WINDOW);
  const h = since(readings[i].between, readings[from].between);
  return [quantile(h, 0.5), quantile(h, 0.95)];
}

function drawPlots() {
  const values = [(r, i) => [rate(i, "generated"), rate(i, "prompt")], (r) => [r.running, r.waiting], (r) => [r.kv], (r) => r.latency];
  plots.forEach((p, k) => p.update(readings.map((r, i) => ({ t: r.t, values: values[k](r, i) }))));
}

function drawTiles(load) {
  const last = readings.length - 1, r = readings[last], speed = rate(last, "generated"), prompt = rate(last, "prompt");
  const or = (v, f) => (Number.isNaN(v) ? "–" : f(v));
  const tiles = [
    ["Running", or(r.running, String), "requests"], ["Waiting", or(r.waiting, String), "requests"], ["Open", String(load), "calls"],
    ["KV cache", or(r.kv, percent), "in use"], ["Generated", or(speed, number), "tok/s"], ["Prompt", or(prompt, number), "tok/s"],
  ];
  byId("tiles").replaceChildren(...tiles.map(([name, value, unit]) => make("div", { className: "tile" }, make("span", {}, name), make("b", {}, value), make("span", {}, unit))));
}

function drawModels(series, info) {
  const rows = info.models.map((m) => [
    m.name, m.state, `${m.backend} · ${m.device}`, `${number(m.n_param / 1e6)} M ${m.quantization}`, bytes(m.weight_bytes), m.max_model_len,
    `${percent(kvUse(series, m.name) || 0)} of ${bytes(m.kv_cache_bytes)}`,
    total(series, "vllm:num_requests_running", m.name) || 0, total(series, "vllm:num_requests_waiting", m.name) || 0,
  ]);
  fillTable(byId("models"), ["Model", "State", "Device", "Size", "Weights", "Context", "KV cache", "Running", "Waiting"], rows);
}

/** A percentile in words: within the first bucket nothing is known but its bound. */
function share(h, q) {
  const { le, n } = h.buckets[0];
  return n >= q * h.count ? `< ${seconds(le)}` : seconds(quantile(h, q));
}

function drawTimings(series) {
  const rows = TIMINGS.map(([label, ...names]) => [label, histogram(series, has(series, names, "_bucket"))])
    .map(([label, h]) => [label, h.count || 0, ...(h.count ? [seconds(h.sum / h.count), ...[0.5, 0.95, 0.99].map((q) => share(h, q))] : ["–", "–", "–", "–"])]);
  fillTable(byId("timings"), ["Time", "Count", "Mean", "Median", "95 %", "99 %"], rows);
}

function drawRequests() {
  const rows = requests.map((r) => [
    r.at.toLocaleTimeString(), r.model, r.cached ? `${r.prompt} (${r.cached} cached)` : r.prompt, r.output, seconds(r.firstMs / 1000), number(r.rate),
    seconds(r.totalMs / 1000), r.end,
  ]);
  fillTable(byId("requests"), ["At", "Model", "Prompt", "Answer", "First token", "tok/s", "Total", "End"], rows.length ? rows : [["None yet", "", "", "", "", "", "", ""]]);
}

function drawError(message) {
  byId("tiles").replaceChildren(make("p", { className: "error", role: "alert" }, message));
}

async function poll() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const [metrics, load, info] = await Promise.all([text("metrics"), json("load"), json("server_info")]);
    const series = parseMetrics(metrics), now = read(series);
    readings = [...readings.filter((r) => now.t - r.t <= SPAN), now];
    now.latency = between(readings.length - 1);
    drawTiles(load.server_load);
    drawPlots();
    drawModels(series, info);
    drawTimings(series);
  } catch (e) {
    drawError(e.message);
  }
  asking = false;
}

/** An answer of this page ended. */
export function addRequest(record) {
  requests.unshift(record);
  requests.splice(MOST_REQUESTS);
  drawRequests();
}

export function showStatus(on) {
  clearInterval(timer);
  timer = on ? setInterval(poll, EVERY_MS) : null;
  if (on) poll();
}

byId("plots").append(...plots.map((p) => p.node));
drawRequests();
