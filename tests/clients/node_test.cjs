// SPDX-License-Identifier: Apache-2.0
// usage: node node_test.cjs PORT LOG_OF_THE_FAKE_ENGINE
const assert = require("node:assert");
const fs = require("node:fs");
const OpenAI = require("openai");

const [port, log] = process.argv.slice(2);
const options = { baseURL: `http://127.0.0.1:${port}/v1`, apiKey: "sesame", maxRetries: 0 };
const client = new OpenAI(options);
const chat = (content, more) => client.chat.completions.create({ model: "m", messages: [{ role: "user", content }], ...more });

const tests = {
  async "lists models"() {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    assert.deepEqual(ids, ["m"]);
    assert.equal((await client.models.retrieve("m")).id, "m");
  },
  async "completes"() {
    const r = await client.completions.create({ model: "m", prompt: "!!|hello", logprobs: 1 });
    assert.equal(r.choices[0].text, "hello");
    assert.equal(r.usage.completion_tokens, 6);
  },
  async "streams completions"() {
    let text = "", usage;
    for await (const c of await client.completions.create({ model: "m", prompt: "!!|hello", stream: true, stream_options: { include_usage: true } })) {
      text += c.choices[0]?.text ?? "";
      usage = c.usage ?? usage;
    }
    assert.equal(text, "hello");
    assert.equal(usage.completion_tokens, 6);
  },
  async "chats"() {
    const r = await chat("!!|caf\u00e9 \u{1f600}");
    assert.deepEqual(r.choices[0].message, { role: "assistant", content: "caf\u00e9 \u{1f600}" });
    assert.equal(r.choices[0].finish_reason, "stop");
  },
  async "streams chats"() {
    let text = "", last;
    for await (const c of await chat("!!|caf\u00e9", { stream: true })) {
      text += c.choices[0].delta.content;
      last = c.choices[0].finish_reason;
    }
    assert.deepEqual([text, last], ["caf\u00e9", "stop"]);
  },
  async "cancels a stream that is left"() {
    const stream = await chat("!!hang=2|abc", { stream: true });
    for await (const c of stream) if (c.choices[0].delta.content) break;
    const cancelled = () => fs.readFileSync(log, "utf8").includes("cancel");
    for (let i = 0; i < 2000 && !cancelled(); i++) await new Promise((r) => setTimeout(r, 10));
    assert.ok(cancelled());
  },
  async "raises its error classes"() {
    await assert.rejects(chat("!!|x", { temperature: -1 }), (e) => e instanceof OpenAI.BadRequestError && e.param === "temperature");
    await assert.rejects(client.completions.create({ model: "nosuch", prompt: "x" }), OpenAI.NotFoundError);
    await assert.rejects(new OpenAI({ ...options, apiKey: "wrong" }).models.list(), OpenAI.AuthenticationError);
    await assert.rejects(chat("!!busy|x"), OpenAI.RateLimitError);
  },
  async "raises when the engine dies in a stream"() {
    await assert.rejects(async () => {
      for await (const c of await chat("!!crash=2|abc", { stream: true })) void c;
    }, OpenAI.APIError);
  },
};

(async () => {
  for (const [name, test] of Object.entries(tests)) {
    await test();
    console.log("ok", name);
  }
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
