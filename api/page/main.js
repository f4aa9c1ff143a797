// SPDX-License-Identifier: Apache-2.0
// Puts the page together: views, settings, the key and the models.
import { json, key } from "./api.js";
import { initChat, stopAnswer } from "./chat.js";
import { byId, make } from "./dom.js";
import { initSettings } from "./settings.js";
import { addRequest, showStatus } from "./status.js";

const MODEL = "llmserve.model", CLOSED = "llmserve.settings.closed";
const wide = matchMedia("(min-width: 60rem)");
const tabs = [...document.querySelectorAll("[role=tab]")];
const panel = byId("settings"), opener = byId("open-settings"), model = byId("model");

function choose(tab) {
  for (const t of tabs) {
    const on = t === tab;
    t.setAttribute("aria-selected", on);
    t.tabIndex = on ? 0 : -1;
    byId(t.getAttribute("aria-controls")).hidden = !on;
  }
  const status = tab.id === "tab-status";
  history.replaceState(null, "", status ? "#status" : location.pathname + location.search);
  showSettings(!status && wide.matches && sessionStorage.getItem(CLOSED) === null);
  showStatus(status);
}

function onTabKey(e) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
  if (!step) return;
  const next = tabs[(tabs.indexOf(e.target) + step + tabs.length) % tabs.length];
  choose(next);
  next.focus();
}

/** Beside the chat where there is room; over it, with what is behind out of reach, where there is none. */
function showSettings(open) {
  panel.hidden = !open;
  opener.setAttribute("aria-expanded", open);
  const covers = open && !wide.matches;
  document.querySelector("main").inert = covers;
  document.querySelector(".top").inert = covers;
}

/** By the user's hand: the chat stays so. */
function toggleSettings() {
  const open = panel.hidden;
  showSettings(open);
  if (open) sessionStorage.removeItem(CLOSED);
  else sessionStorage.setItem(CLOSED, "yes");
  (open ? byId("key") : opener).focus();
}

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

async function loadModels() {
  try {
    const { data } = await json("v1/models");
    model.replaceChildren(...data.map((m) => make("option", {}, m.id)));
    const kept = sessionStorage.getItem(MODEL);
    if (data.some((m) => m.id === kept)) model.value = kept;
    notice("");
  } catch (e) {
    notice(e.message);
    if (e.status !== 401) return;
    showSettings(true);
    byId("key").focus();
  }
}

function onEscape(e) {
  if (e.key !== "Escape" || e.isComposing) return;
  if (!panel.hidden && !wide.matches) toggleSettings();
  else stopAnswer();
}

initSettings();
initChat(addRequest);
for (const t of tabs) {
  t.addEventListener("click", () => choose(t));
  t.addEventListener("keydown", onTabKey);
}
opener.addEventListener("click", toggleSettings);
byId("close-settings").addEventListener("click", toggleSettings);
wide.addEventListener("change", () => showSettings(!panel.hidden && wide.matches));
document.addEventListener("keydown", onEscape);
model.addEventListener("change", () => sessionStorage.setItem(MODEL, model.value));
byId("key").value = key.get();
byId("key").addEventListener("change", (e) => (key.set(e.target.value.trim()), loadModels()));
addEventListener("focus", () => model.options.length || loadModels()); // the server was away
choose(byId(location.hash === "#status" ? "tab-status" : "tab-chat"));
loadModels();
