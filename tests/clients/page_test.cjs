// SPDX-License-Identifier: Apache-2.0
// usage: node page_test.cjs CHROMIUM PORT_OF_THE_FAKE_ENGINE'S_FRONT GATE [PORT_WITH_A_REAL_MODEL]
const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const [executablePath, fakePort, gate, realPort] = process.argv.slice(2);
const shots = process.env.LLMSERVE_SCREENSHOTS;
const DEADLINE = 60000;

/** A fresh page of a server; what its console and its security policy complain of is gathered. */
async function open(browser, port, { key, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.setDefaultTimeout(DEADLINE);
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && page.complaints.push(m.text()));
  page.on("pageerror", (e) => page.complaints.push(String(e)));
  page.on("request", (r) => new URL(r.url()).port === port || page.complaints.push(`calls ${r.url()}`));
  await page.addInitScript((k) => {
    document.addEventListener("securitypolicyviolation", (e) => console.error("policy", e.violatedDirective, e.blockedURI));
    if (k) sessionStorage.setItem("llmserve.key", k);
  }, key);
  await page.goto(`http://127.0.0.1:${port}/`);
  return page;
}

const fake = (browser, options) => open(browser, fakePort, { key: "sesame", ...options });
const real = (browser, options) => open(browser, realPort, options);

/** Types a message, sends it by Enter, gives the answer that grows. */
async function ask(page, text) {
  await page.locator("#model option").first().waitFor({ state: "attached" });
  await page.focus("#input");
  await page.keyboard.insertText(text);
  await page.keyboard.press("Enter");
  return page.locator("article.answer").last();
}

const ended = (answer) => answer.locator(".again").waitFor();

async function further(page, parameters) {
  await page.fill("[name=more]", JSON.stringify(parameters));
  await page.locator("[name=more]").blur();
}

async function shot(page, name) {
  if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`) });
}

/** The least contrast between a text and what stands behind it, over all texts that are seen. */
const leastContrast = () => {
  const parse = (c) => c.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  let least = { ratio: 21, text: "" };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; (n = walker.nextNode()); ) {
    const e = n.parentElement, style = getComputedStyle(e);
    if (!n.textContent.trim() || !e.checkVisibility() || ["OPTION", "SCRIPT", "NOSCRIPT"].includes(e.tagName)) continue;
    const [a, b] = [light(parse(e instanceof SVGElement ? style.fill : style.color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < least.ratio) least = { ratio: (a + 0.05) / (b + 0.05), text: n.textContent };
  }
  return least;
};

const fakeTests = {
  async "asks for the key, keeps it in the tab alone"(browser) {
    const page = await open(browser, fakePort);
    await page.locator("#notice:not([hidden])").waitFor();
    assert.match(await page.textContent("#notice"), /API key/);
    assert.equal(await page.evaluate(() => document.activeElement.id), "key");
    await page.keyboard.type("sesame");
    await page.keyboard.press("Tab");
    await page.locator("#model option").first().waitFor({ state: "attached" });
    assert.ok(await page.locator("#notice").isHidden());
    assert.deepEqual(await page.evaluate(() => [sessionStorage.getItem("llmserve.key"), localStorage.length, document.cookie]), ["sesame", 0, ""]);
    assert.ok(page.complaints.every((c) => /401/.test(c)), page.complaints.join("\n"));
    page.complaints = [];
    return page;
  },
  async "shows Markdown as such, and markup as text"(browser) {
    const page = await fake(browser);
    const answer = await ask(page, '!!|A **bold** `x < y` <img src=x onerror=alert(1)> [a](javascript:alert(1))\n\n- one\n  - two\n- three\n\n```js\nlet a = "<b>";\n```\n');
    await ended(answer);
    assert.equal(await answer.locator(".prose strong").textContent(), "bold");
    assert.equal(await answer.locator(".prose p code").textContent(), "x < y");
    assert.equal(await answer.locator("img, a, script").count(), 0);
    assert.match(await answer.locator(".prose p").first().textContent(), /<img src=x onerror=alert\(1\)> \[a\]/);
    assert.deepEqual(await answer.locator(".prose > ul > li > ul > li").allTextContents(), ["two"]);
    assert.equal(await answer.locator(".prose pre code").textContent(), 'let a = "<b>";');
    return page;
  },
  async "folds what the model thought, shows its calls"(browser) {
    const page = await fake(browser);
    await further(page, { tools: [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }] });
    const answer = await ask(page, '!!|<think>Hm, **so**.</think><tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>');
    await ended(answer);
    const thought = answer.locator("details.thought");
    assert.equal(await thought.getAttribute("open"), null);
    await thought.locator("summary").click();
    assert.equal((await thought.locator(".prose").innerText()).trim(), "Hm, so.");
    assert.match(await answer.locator(".calls").textContent(), /^weather\(\{ ?"city": ?"Rome"\}\)$/);
    return page;
  },
  async "says an error in the server's words, and tries again"(browser) {
    const page = await fake(browser);
    await page.fill("[name=temperature]", "-1");
    const answer = await ask(page, "!!|x");
    await ended(answer);
    assert.match(await answer.locator(".error").textContent(), /temperature/);
    assert.ok(page.complaints.every((c) => /400/.test(c)), page.complaints.join("\n"));
    page.complaints = [];
    await page.fill("[name=temperature]", "");
    await answer.locator(".again").click();
    await page.locator(".answer .prose", { hasText: /^x$/ }).waitFor();
    assert.equal(await page.locator("article.answer").count(), 1);
    return page;
  },
  async "says when an engine died"(browser) {
    const page = await fake(browser);
    const answer = await ask(page, "!!gate=1;crash=2|abcdef");
    await answer.locator(".prose", { hasText: "a" }).waitFor();
    fs.writeFileSync(gate, "");
    await ended(answer);
    fs.unlinkSync(gate);
    assert.match(await answer.locator(".error").textContent(), /engine/i);
    return page;
  },
  async "sends the parameters, and the turns before"(browser) {
    const page = await fake(browser);
    const sent = [];
    page.on("request", (r) => r.method() === "POST" && sent.push(r.postDataJSON()));
    await ended(await ask(page, "!!|first"));
    assert.deepEqual(sent[0].messages, [{ role: "user", content: "!!|first" }]);
    for (const name of ["temperature", "max_tokens", "seed", "stop"]) assert.ok(!(name in sent[0]), name);
    for (const [name, value] of Object.entries({ temperature: "0.5", top_p: "0.9", top_k: "40", max_tokens: "3", seed: "7", system: "Be brief.", stop: "x\ny" }))
      await page.fill(`[name=${name}]`, value);
    await further(page, { min_tokens: 1 });
    const answer = await ask(page, "!!|second");
    await ended(answer);
    const { messages, temperature, top_p, top_k, max_tokens, seed, stop, min_tokens } = sent[1];
    assert.deepEqual({ temperature, top_p, top_k, max_tokens, seed, stop, min_tokens }, { temperature: 0.5, top_p: 0.9, top_k: 40, max_tokens: 3, seed: 7, stop: ["x", "y"], min_tokens: 1 });
    assert.deepEqual(messages.map((m) => [m.role, m.content]), [["system", "Be brief."], ["user", "!!|first"], ["assistant", "first"], ["user", "!!|second"]]);
    assert.equal(await answer.locator("> .prose").textContent(), "sec");
    assert.match(await answer.locator(".meta").textContent(), /tok\/s · 3 tokens · first after .* · cut off/);
    await page.reload();
    assert.equal(await page.inputValue("[name=seed]"), "7");
    return page;
  },
  async "refuses further parameters that are no JSON object"(browser) {
    const page = await fake(browser);
    await page.fill("[name=more]", "{");
    const answer = await ask(page, "!!|x");
    await ended(answer);
    assert.match(await answer.locator(".error").textContent(), /Further parameters/);
    await further(page, {});
    const [sent] = await Promise.all([page.waitForRequest((r) => r.method() === "POST"), ask(page, "!!|y")]);
    assert.deepEqual(sent.postDataJSON().messages, [{ role: "user", content: "!!|y" }]);
    await ended(page.locator("article.answer").last());
    return page;
  },
  async "is used by keyboard alone"(browser) {
    const page = await fake(browser);
    await page.locator("#model option").first().waitFor({ state: "attached" });
    assert.equal(await page.evaluate(() => document.activeElement.id), "input");
    await page.keyboard.type("!!|line");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    assert.equal(await page.inputValue("#input"), "!!|line\ntwo");
    await page.keyboard.press("Enter");
    const answer = page.locator("article.answer").last();
    await ended(answer);
    assert.equal(await page.locator("#said").textContent(), "Answer complete: 9 tokens.");
    assert.equal(await page.inputValue("#input"), "");

    await page.keyboard.type("!!gate=3|abcdef");
    await page.keyboard.press("Enter");
    await page.locator(".answer .prose", { hasText: /^abc$/ }).waitFor();
    assert.equal(await page.locator(".answer").last().getAttribute("aria-busy"), "true");
    await page.keyboard.press("Escape");
    await ended(page.locator("article.answer").last());
    assert.match(await page.locator(".answer .meta").last().textContent(), /3 tokens .*stopped/);
    assert.equal(await page.evaluate(() => document.activeElement.id), "input");

    const seen = [];
    await page.focus("#tab-chat");
    for (let i = 0; i < 30; i++, await page.keyboard.press("Tab"))
      seen.push(await page.evaluate(() => {
        const e = document.activeElement, s = getComputedStyle(e), box = getComputedStyle(e.closest(".box") ?? e);
        return { id: e.id || e.name || e.className || e.tagName, visible: s.outlineStyle !== "none" || box.boxShadow !== "none" };
      }));
    const order = seen.map((s) => s.id);
    for (const id of ["tab-chat", "model", "open-settings", "scroll", "input", "send", "clear", "key", "system", "temperature", "more"])
      assert.ok(order.includes(id), `${id} is reached by Tab: ${order}`);
    assert.deepEqual(order.filter((id) => ["model", "scroll", "input", "key"].includes(id)).slice(0, 4), ["model", "scroll", "input", "key"]);
    assert.deepEqual(seen.filter((s) => s.id !== "BODY" && !s.visible), []);

    await page.focus("#tab-chat");
    await page.keyboard.press("ArrowRight");
    await page.locator("#view-status").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "tab-status");
    await page.locator("#requests td", { hasText: "stopped" }).waitFor();
    return page;
  },
  async "names every control"(browser) {
    const page = await fake(browser);
    const nameless = await page.evaluate(() => [...document.querySelectorAll("input, select, textarea, button")]
      .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label"))).map((e) => e.outerHTML));
    assert.deepEqual(nameless, []);
    return page;
  },
};

const realTests = {
  async "shows an answer that grows"(browser) {
    const page = await real(browser);
    await further(page, { temperature: 0, max_tokens: 160 });
    const answer = await ask(page, "Write a short story about a lighthouse.");
    const lengths = await page.evaluate(() => new Promise((resolve) => {
      const seen = new Set(), prose = [...document.querySelectorAll(".answer .prose")].at(-1);
      const observer = new MutationObserver(() => {
        seen.add(prose.textContent.length);
        if (seen.size >= 5) (observer.disconnect(), resolve([...seen]));
      });
      observer.observe(prose, { childList: true, subtree: true, characterData: true });
    }));
    assert.deepEqual(lengths, [...lengths].sort((a, b) => a - b));
    await ended(answer);
    assert.match(await answer.locator(".meta").textContent(), /[\d.,]+ tok\/s · \d+ tokens · first after/);
    await shot(page, "chat");
    return page;
  },
  async "stops one, and the server with it"(browser) {
    const page = await real(browser);
    await further(page, { ignore_eos: true });
    const answer = await ask(page, "Count to ten thousand.");
    await answer.locator(".prose", { hasText: /\w{2}/ }).waitFor();
    await page.click("#stop");
    await ended(answer);
    assert.match(await answer.locator(".meta").textContent(), /stopped/);
    await page.click("#tab-status");
    await page.locator(".tile", { hasText: /Running0/ }).waitFor();
    return page;
  },
  async "shows what runs, and plots it"(browser) {
    const page = await real(browser);
    await further(page, { ignore_eos: true, max_tokens: 1900 });
    await ask(page, "Tell me about the sea.");
    await page.click("#tab-status");
    await page.locator(".tile", { hasText: /Running1/ }).waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll(".plot")].every((p) => /L/.test(p.querySelector(".line").getAttribute("d"))));
    await page.locator("#models td", { hasText: "SmolLM2-135M-Instruct" }).waitFor();
    const keys = await page.locator(".plot").first().locator(".keys b").first().textContent();
    assert.match(keys, /^[\d.,]+$/);
    assert.ok((await page.locator("#timings tbody tr").count()) >= 6);
    await shot(page, "status");
    await page.setViewportSize({ width: 1280, height: 1500 });
    await shot(page, "status-long");
    await page.keyboard.press("Escape");
    await page.locator("#requests td", { hasText: "stopped" }).waitFor();
    return page;
  },
};

for (const [scheme, width] of [["light", 1280], ["dark", 1280], ["light", 360], ["dark", 360]])
  fakeTests[`can be read in ${scheme}, ${width} wide, without scrolling sideways`] = async (browser) => {
    const page = await fake(browser, { colorScheme: scheme, viewport: { width, height: 740 } });
    const fits = async (what) => {
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, what);
      const least = await page.evaluate(leastContrast);
      assert.ok(least.ratio >= 4.5, `${what}: ${JSON.stringify(least)}`);
      await shot(page, `${what}-${scheme}-${width}`);
    };
    await fits("empty");
    const answer = await ask(page, `!!|<think>Hm.</think>A **word**, \`code\` and ${"long".repeat(30)}\n\n\`\`\`c\nint ${"x".repeat(90)};\n\`\`\`\n\n1. one\n2. two`);
    await ended(answer);
    await fits("chat");
    await page.click("#tab-status");
    await page.locator("#timings td").first().waitFor();
    await page.waitForFunction(() => document.querySelector(".plot .line")?.getAttribute("d").includes("L"));
    await fits("status");
    if (width < 960) {
      await page.click("#open-settings");
      await fits("settings");
      assert.ok(await page.evaluate(() => document.querySelector("main").inert));
      await page.keyboard.press("Escape");
      assert.ok(await page.locator("#settings").isHidden());
      assert.equal(await page.evaluate(() => document.activeElement.id), "open-settings");
    }
    return page;
  };

(async () => {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const only = process.env.LLMSERVE_ONLY ?? "";
  for (const [name, test] of Object.entries({ ...fakeTests, ...(realPort ? realTests : {}) })) {
    if (!name.includes(only)) continue;
    const page = await test(browser);
    assert.deepEqual(page.complaints, [], name);
    await page.context().close();
    console.log("ok", name);
  }
  if (!realPort) console.log("no model here: what needs one was left out");
  await browser.close();
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
