// SPDX-License-Identifier: Apache-2.0
// Reads the text of /metrics (Prometheus' exposition format).

const LINE = /^([\w:]+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** name → [{ labels, value }] */
export function parseMetrics(text) {
  const series = new Map();
  for (const line of text.split("\n")) {
    const m = line.startsWith("#") ? null : LINE.exec(line);
    if (!m) continue;
    const labels = Object.fromEntries([...(m[2] ?? "").matchAll(LABEL)].map(([, k, v]) => [k, v.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c))]));
    if (!series.has(m[1])) series.set(m[1], []);
    series.get(m[1]).push({ labels, value: Number(m[3]) });
  }
  return series;
}

/** Sum over all models, or of one; NaN where there is no such series. */
export function total(series, name, model) {
  const rows = (series.get(name) ?? []).filter((r) => model === undefined || r.labels.model_name === model);
  return rows.length ? rows.reduce((sum, r) => sum + r.value, 0) : NaN;
}

/** A histogram over all models: { sum, count, buckets: [{ le, n }] } with n counted up to le. */
export function histogram(series, name) {
  const n = new Map();
  for (const { labels, value } of series.get(`${name}_bucket`) ?? []) {
    const le = labels.le === "+Inf" ? Infinity : Number(labels.le);
    n.set(le, (n.get(le) ?? 0) + value);
  }
  const buckets = [...n].sort((a, b) => a[0] - b[0]).map(([le, count]) => ({ le, n: count }));
  return { sum: total(series, `${name}_sum`), count: total(series, `${name}_count`), buckets };
}

/** What came to a histogram between two readings. */
export function since(now, before) {
  const was = new Map(before.buckets.map((b) => [b.le, b.n]));
  return { sum: now.sum - before.sum, count: now.count - before.count, buckets: now.buckets.map((b) => ({ le: b.le, n: b.n - (was.get(b.le) ?? 0) })) };
}

/** The value below which a share of the observations lies, linear within a bucket; NaN: nothing was observed. */
export function quantile(h, share) {
  const rank = share * h.count;
  let low = 0, below = 0;
  if (!(h.count > 0)) return NaN;
  for (const { le, n } of h.buckets) {
    if (n >= rank) return le === Infinity ? low : low + ((le - low) * (rank - below)) / Math.max(n - below, 1e-9);
    low = le;
    below = n;
  }
  return low;
}
