// SPDX-License-Identifier: Apache-2.0
// usage: node ai_test.cjs PORT LOG_OF_THE_FAKE_ENGINE
const assert = require("node:assert");
const { createOpenAICompatible } = require("@ai-sdk/openai-compatible");
const { generateText, streamText, embed, jsonSchema, tool, stepCountIs } = require("ai");

const [port] = process.argv.slice(2);
const provider = createOpenAICompatible({ name: "llmserve", baseURL: `http://127.0.0.1:${port}/v1`, apiKey: "sesame", includeUsage: true });
const model = provider("m");
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Par\u00eds"}}\n</tool_call>';
const schema = jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] });

const tests = {
  async "generates"() {
    const r = await generateText({ model, prompt: "!!|caf\u00e9 \u{1f600}", maxRetries: 0, temperature: 0.5 });
    assert.equal(r.text, "caf\u00e9 \u{1f600}");
    assert.equal(r.finishReason, "stop");
    assert.equal(r.usage.outputTokens, 11);
  },
  async "streams"() {
    const r = streamText({ model, prompt: "!!|caf\u00e9", maxRetries: 0 });
    let text = "";
    for await (const part of r.textStream) text += part;
    assert.equal(text, "caf\u00e9");
    assert.equal((await r.usage).outputTokens, 6);
  },
  async "calls tools and reasons"() {
    const tools = { weather: tool({ description: "d", inputSchema: schema, execute: async ({ city }) => `!!|it is ${city}` }) };
    const prompt = "!!|<think>Hm.</think>" + CALL;
    const once = await generateText({ model, prompt, tools, maxRetries: 0 });
    assert.equal(once.reasoningText, "Hm.");
    assert.deepEqual(once.toolCalls.map((c) => [c.toolName, c.input]), [["weather", { city: "Par\u00eds" }]]);
    const steps = await generateText({ model, prompt, tools, maxRetries: 0, stopWhen: stepCountIs(2) });
    assert.equal(steps.text.replace(/"/g, ""), "it is Par\u00eds");
    const s = streamText({ model, prompt, tools, maxRetries: 0 });
    const kinds = new Set();
    for await (const part of s.fullStream) kinds.add(part.type);
    for (const k of ["reasoning-delta", "tool-input-delta", "tool-call"]) assert.ok(kinds.has(k), k);
    assert.deepEqual((await s.toolCalls).map((c) => c.input), [{ city: "Par\u00eds" }]);
  },
  async "raises errors"() {
    await assert.rejects(generateText({ model, prompt: "!!|x", maxRetries: 0, temperature: -1 }), (e) => e.statusCode === 400);
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
