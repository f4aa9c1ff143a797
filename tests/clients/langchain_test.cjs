// SPDX-License-Identifier: Apache-2.0
// usage: node langchain_test.cjs PORT LOG_OF_THE_FAKE_ENGINE
const assert = require("node:assert");
const { ChatOpenAI } = require("@langchain/openai");
const { ToolMessage, HumanMessage } = require("@langchain/core/messages");

const [port] = process.argv.slice(2);
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Par\u00eds"}}\n</tool_call>';
const make = (more) => new ChatOpenAI({ model: "m", apiKey: "sesame", maxRetries: 0, configuration: { baseURL: `http://127.0.0.1:${port}/v1` }, ...more });
const weather = { type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } };

const tests = {
  async "invokes and streams"() {
    const r = await make().invoke("!!|caf\u00e9");
    assert.equal(r.content, "caf\u00e9");
    assert.equal(r.usage_metadata.output_tokens, 6);
    let text = "";
    for await (const c of await make().stream("!!|caf\u00e9")) text += c.content;
    assert.equal(text, "caf\u00e9");
  },
  async "calls tools"() {
    for (const tool_choice of ["auto", "required", "weather"]) {
      const bound = make().bindTools([weather], { tool_choice });
      const r = await bound.invoke("!!|" + CALL);
      assert.deepEqual(r.tool_calls.map((c) => [c.name, c.args]), [["weather", { city: "Par\u00eds" }]]);
      let all;
      for await (const c of await bound.stream("!!|" + CALL)) all = all ? all.concat(c) : c;
      assert.deepEqual(all.tool_calls.map((c) => [c.name, c.args]), [["weather", { city: "Par\u00eds" }]]);
      const again = await bound.invoke([new HumanMessage("q"), r, new ToolMessage({ tool_call_id: r.tool_calls[0].id, content: "!!|sunny" })]);
      assert.equal(again.content, "sunny");
    }
  },
  async "uses the Responses API"() {
    const r = await make({ useResponsesApi: true }).bindTools([weather]).invoke("!!|" + CALL);
    assert.deepEqual(r.tool_calls.map((c) => [c.name, c.args]), [["weather", { city: "Par\u00eds" }]]);
    let text = "";
    for await (const c of await make({ useResponsesApi: true }).stream("!!|hello")) text += c.text;
    assert.equal(text, "hello");
  },
  async "gets structured output"() {
    const s = make().withStructuredOutput({ title: "t", type: "object", properties: { a: { type: "integer" } }, required: ["a"] }, { method: "jsonSchema" });
    assert.deepEqual(await s.invoke('!!|{"a": 5}'), { a: 5 });
  },
  async "raises errors"() {
    await assert.rejects(make({ temperature: -1 }).invoke("!!|x"), (e) => e.status === 400);
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
