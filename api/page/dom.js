// SPDX-License-Identifier: Apache-2.0
// The few words of DOM that the modules share. Text always goes in as text.

export const byId = (id) => document.getElementById(id);

/** An element with properties (those with a dash are attributes) and children: nodes, or text. */
export function make(name, props = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(props))
    if (key.includes("-") || key === "role" || key === "scope") e.setAttribute(key, value);
    else e[key] = value;
  e.append(...children);
  return e;
}

/** A table's head and rows anew; each cell is text. */
export function fillTable(table, head, rows) {
  const line = (tag, cells) => make("tr", {}, ...cells.map((c) => make(tag, tag === "th" ? { scope: "col" } : {}, String(c))));
  table.replaceChildren(make("thead", {}, line("th", head)), make("tbody", {}, ...rows.map((r) => line("td", r))));
}

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(n) {
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${n.toFixed(n < 10 && i ? 1 : 0)} ${units[i]}`;
}

/** Three digits, or all before the point. */
export function number(n) {
  return n >= 100 ? Math.round(n).toLocaleString("en") : String(+n.toPrecision(3));
}

export function seconds(s) {
  return s < 1 ? `${number(s * 1000)} ms` : `${number(s)} s`;
}
