// SPDX-License-Identifier: Apache-2.0
// A small part of Markdown as DOM nodes: paragraphs, headings, lists, code, quotes, bold, italics. Everything that a model wrote goes
// in as text; links stay text, so that no answer can lead away by a click.
import { make } from "./dom.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*(\S*)/;
const HEADING = /^(#{1,6})\s+(.*)/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)/;
const INLINE = /(?<!`)(`{1,3})(?!`)(.+?)(?<!`)\1(?!`)|\*\*(?=\S)(.+?)\*\*|\*(?=[^\s*])([^*]+?)\*/s;

/** Text with code, bold and italics, as nodes. */
function inline(text) {
  const nodes = [];
  for (let m; (m = INLINE.exec(text)); text = text.slice(m.index + m[0].length)) {
    nodes.push(text.slice(0, m.index));
    if (m[1]) nodes.push(make("code", {}, m[2].trim() || m[2]));
    else if (m[3]) nodes.push(make("strong", {}, ...inline(m[3])));
    else nodes.push(make("em", {}, ...inline(m[4])));
  }
  return [...nodes, text];
}

function codeBlock(lines, language) {
  const code = make("code", {}, lines.join("\n"));
  const copy = make("button", { type: "button", className: "copy" }, "Copy");
  copy.addEventListener("click", () => copyText(copy, code.textContent));
  return make("div", { className: "code" }, make("div", { className: "bar" }, make("span", {}, language || "code"), copy), make("pre", { tabIndex: 0 }, code));
}

export async function copyText(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed"; // without HTTPS browsers lend the clipboard to localhost only
  }
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

/** Lists by indentation: lines of [indent, marker, text]. */
function list(items) {
  const numbered = /\d/.test(items[0].marker);
  const out = make(numbered ? "ol" : "ul");
  if (numbered) out.start = parseInt(items[0].marker, 10);
  for (let i = 0; i < items.length; ) {
    let end = i + 1;
    while (end < items.length && items[end].indent > items[0].indent) end++;
    const li = make("li", {}, ...inline(items[i].text));
    if (end > i + 1) li.append(list(items.slice(i + 1, end)));
    out.append(li);
    i = end;
  }
  return out;
}

/** Text as blocks, each with the lines it came from and how it is made. */
function blocks(text) {
  const lines = text.split("\n"), out = [];
  const add = (from, to, render) => out.push({ raw: lines.slice(from, to).join("\n"), render });
  for (let i = 0; i < lines.length; ) {
    const from = i, fence = FENCE.exec(lines[i]), heading = HEADING.exec(lines[i]);
    if (!lines[i].trim()) {
      i++;
    } else if (fence) {
      for (i++; i < lines.length && !(lines[i].trim().startsWith(fence[1]) && !lines[i].trim().slice(fence[1].length)); ) i++;
      const inner = lines.slice(from + 1, i);
      i = Math.min(i + 1, lines.length);
      add(from, i, () => codeBlock(inner, fence[2]));
    } else if (heading) {
      i++;
      add(from, i, () => make(`h${Math.min(heading[1].length + 2, 6)}`, {}, ...inline(heading[2])));
    } else if (ITEM.test(lines[i])) {
      const items = [];
      for (let m; i < lines.length && ((m = ITEM.exec(lines[i])) || /^\s+\S/.test(lines[i]) || (!lines[i].trim() && ITEM.test(lines[i + 1] ?? ""))); i++)
        if (m) items.push({ indent: m[1].length, marker: m[2], text: m[3] });
        else if (lines[i].trim()) items.at(-1).text += `\n${lines[i].trim()}`;
      add(from, i, () => list(items));
    } else if (lines[i].startsWith(">")) {
      while (i < lines.length && lines[i].startsWith(">")) i++;
      const inner = lines.slice(from, i).map((l) => l.replace(/^> ?/, "")).join("\n");
      add(from, i, () => make("blockquote", {}, make("p", {}, ...inline(inner))));
    } else {
      while (i < lines.length && lines[i].trim() && !FENCE.test(lines[i]) && !HEADING.test(lines[i]) && !(i > from && ITEM.test(lines[i]))) i++;
      const inner = lines.slice(from, i).join("\n");
      add(from, i, () => make("p", {}, ...inline(inner)));
    }
  }
  return out;
}

/** Show text in element; blocks that are shown already stay, so that a growing answer costs what is new. */
export function showMarkdown(element, text) {
  const shown = element.blocks ?? [], now = blocks(text);
  let same = 0;
  while (same < shown.length && same < now.length && shown[same].raw === now[same].raw) same++;
  while (element.childNodes.length > same) element.lastChild.remove();
  element.append(...now.slice(same).map((b) => b.render()));
  element.blocks = now;
}
