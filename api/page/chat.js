// SPDX-License-Identifier: Apache-2.0
// The conversation: what is sent, what comes back, and the way to stop it.
import { stream } from "./api.js";
import { Answer } from "./answer.js";
import { byId, make } from "./dom.js";
import { settings } from "./settings.js";

const log = byId("log"), input = byId("input"), box = byId("scroll");
const turns = []; // { role, content, node }
let running = null; // the AbortController of the answer that comes
let onRecord = () => {};
let follow = true; // the view stays at the end

function scrollDown() {
  if (follow) box.scrollTop = box.scrollHeight;
}

function fitInput() {
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
}

function showState() {
  byId("send").hidden = !!running;
  byId("stop").hidden = !running;
  byId("clear").hidden = !turns.length || !!running;
  byId("empty").hidden = !!turns.length;
}

function addUser(content) {
  const node = make("article", { className: "user", "aria-label": "You" }, make("p", {}, content));
  turns.push({ role: "user", content, node });
  log.append(node);
}

function dropLastAnswer() {
  if (turns.at(-1)?.role === "assistant") turns.pop().node.remove();
}

/** What was never answered, and the empty answer, are left out: they were refused or stopped. */
function request(model, { system, fields }) {
  const isEmpty = (turn) => turn?.role === "assistant" && !turn.content;
  const messages = turns.filter((turn, i) => !isEmpty(turn) && !isEmpty(turns[i + 1])).map(({ role, content }) => ({ role, content }));
  if (system) messages.unshift({ role: "system", content: system });
  const stream_options = { include_usage: true, continuous_usage_stats: true };
  return { model, messages, stream_options, timings_per_token: true, ...fields, stream: true };
}

/** Ask for an answer to the turns so far. */
async function answer() {
  const model = byId("model").value;
  const view = new Answer(model, scrollDown);
  const turn = { role: "assistant", content: "", node: view.node };
  let error;
  running = new AbortController();
  log.append(view.node);
  follow = true;
  scrollDown();
  try {
    const body = request(model, settings());
    turns.push(turn);
    showState();
    for await (const event of stream("v1/chat/completions", body, running.signal)) view.add(event);
  } catch (e) {
    if (e.name !== "AbortError") error = e.message;
  }
  running = null;
  turn.content = view.text;
  if (!turns.includes(turn)) turns.push(turn);
  log.querySelectorAll(".again").forEach((b) => b.remove());
  view.end({ error, onAgain: again });
  view.again.classList.add("again");
  byId("said").textContent = error ? "" : `Answer ${view.reason === "stopped" ? "stopped" : "complete"}: ${view.usage.completion_tokens ?? 0} tokens.`;
  onRecord(view.record());
  showState();
}

function again() {
  if (running) return;
  dropLastAnswer();
  input.focus();
  answer();
}

function send(content) {
  if (running || !content.trim()) return;
  addUser(content.trim());
  input.value = "";
  fitInput();
  input.focus();
  answer();
}

/** Stop the answer that comes; false: there is none. */
export function stopAnswer() {
  if (!running) return false;
  running.abort();
  input.focus();
  return true;
}

function clear() {
  turns.length = 0;
  log.replaceChildren();
  showState();
  input.focus();
}

function onKey(e) {
  if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
  e.preventDefault();
  send(input.value);
}

/** record is told of each answer that ended. */
export function initChat(record) {
  onRecord = record;
  input.addEventListener("keydown", onKey);
  input.addEventListener("input", fitInput);
  byId("composer").addEventListener("submit", (e) => (e.preventDefault(), send(input.value)));
  byId("stop").addEventListener("click", stopAnswer);
  byId("clear").addEventListener("click", clear);
  for (const b of byId("starts").children) b.addEventListener("click", () => send(b.textContent));
  box.addEventListener("scroll", () => (follow = box.scrollHeight - box.scrollTop - box.clientHeight < 40));
  showState();
}
