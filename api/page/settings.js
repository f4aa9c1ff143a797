// SPDX-License-Identifier: Apache-2.0
// The parameters of a request: what the form holds, kept until the tab is closed. What is empty is left to the server.
import { byId } from "./dom.js";

const KEPT = "llmserve.settings";
const form = byId("settings-form");
const NUMBERS = ["temperature", "max_tokens", "top_p", "top_k", "min_p", "seed", "repetition_penalty", "presence_penalty", "frequency_penalty"];
const TEXTS = ["system", "stop", "more"];

function keep() {
  const values = {};
  for (const name of [...NUMBERS, ...TEXTS]) if (form[name].value) values[name] = form[name].value;
  sessionStorage.setItem(KEPT, JSON.stringify(values));
}

/** The object of further parameters; throws what is wrong with it, in words. */
function further() {
  const text = form.more.value.trim();
  const value = text ? JSON.parse(text) : {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("an object is expected, as {\"n\": 1}");
  return value;
}

function check() {
  let wrong = "";
  try {
    further();
  } catch (e) {
    wrong = `Further parameters: ${e.message}`;
  }
  byId("more-error").textContent = wrong;
  return wrong;
}

export function initSettings() {
  const values = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
  for (const [name, value] of Object.entries(values)) if (form[name]) form[name].value = value;
  form.addEventListener("submit", (e) => e.preventDefault());
  form.addEventListener("input", keep);
  form.more.addEventListener("change", check);
  form.addEventListener("reset", () => setTimeout(() => (keep(), check())));
}

/** System prompt, and the members that a request gets; throws where the further parameters are not right. */
export function settings() {
  const wrong = check();
  if (wrong) throw new Error(wrong);
  const fields = {};
  for (const name of NUMBERS) if (form[name].value !== "") fields[name] = Number(form[name].value);
  const stop = form.stop.value.split("\n").filter((s) => s);
  if (stop.length) fields.stop = stop;
  return { system: form.system.value.trim(), fields: { ...fields, ...further() } };
}
