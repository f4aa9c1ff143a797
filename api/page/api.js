// SPDX-License-Identifier: Apache-2.0
// Calls of the server: the key, errors with the server's own words, streams of events.

const KEY = "llmserve.key";

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

export class ServerError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** What an error's body says: OpenAI's, Ollama's shape, or plain text. */
function wordsOf(text, status) {
  try {
    const { error } = JSON.parse(text);
    const said = typeof error === "string" ? error : error?.message;
    if (said) return said;
  } catch {
    // not JSON: the text itself is what is known
  }
  return text.slice(0, 300) || `The server answered ${status}.`;
}

/** The response of a call that went well; path is relative to the page. */
export async function call(path, { body, signal } = {}) {
  const headers = {};
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal, cache: "no-store" });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new ServerError("The server cannot be reached. Is it running?", 0);
  }
  if (response.ok) return response;
  const said = wordsOf(await response.text(), response.status);
  throw new ServerError(response.status === 401 ? `${said}: the server asks for an API key.` : said, response.status);
}

export const json = async (path) => (await call(path)).json();
export const text = async (path) => (await call(path)).text();

/** The events of a streamed answer, parsed, up to [DONE]; an event that is an error is thrown. */
export async function* stream(path, body, signal) {
  const response = await call(path, { body, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) throw new ServerError("The connection ended before the answer was whole.", 0);
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ")) continue;
      if (line === "data: [DONE]") return;
      const event = JSON.parse(line.slice(6));
      if (event.error) throw new ServerError(event.error.message, event.error.code);
      yield event;
    }
  }
}
