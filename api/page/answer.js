// SPDX-License-Identifier: Apache-2.0
// One answer: grows by the events of its stream, shows its text, what the model thought, its calls of tools and how fast it came.
import { make, number, seconds } from "./dom.js";
import { copyText, showMarkdown } from "./markdown.js";

const ENDS = { stop: "", length: "cut off at the limit of tokens", tool_calls: "calls tools", stopped: "stopped" };

export class Answer {
  /** onDraw is called after the view has changed. */
  constructor(model, onDraw) {
    Object.assign(this, { model, onDraw, text: "", thought: "", calls: [], usage: {}, timings: null, reason: "", begun: performance.now(), at: new Date() });
    this.thoughts = make("div", { className: "prose" });
    this.folded = make("details", { className: "thought", hidden: true }, make("summary", {}, "Reasoning"), this.thoughts);
    this.prose = make("div", { className: "prose" });
    this.called = make("pre", { className: "calls", hidden: true });
    this.meta = make("span", { className: "meta" }, "Waiting for the first token");
    this.foot = make("div", { className: "foot" }, this.meta);
    this.node = make("article", { className: "answer busy", "aria-busy": "true", "aria-label": `Answer of ${model}` },
      make("div", { className: "who" }, model), this.folded, this.prose, this.called, this.foot);
  }

  add(event) {
    this.usage = event.usage ?? this.usage;
    this.timings = event.timings ?? this.timings;
    const choice = event.choices.find((c) => c.index === 0);
    if (choice) {
      const { content, reasoning_content, reasoning, tool_calls } = choice.delta;
      this.text += content ?? "";
      this.thought += reasoning_content ?? reasoning ?? "";
      for (const c of tool_calls ?? []) this.addCall(c);
      this.reason = choice.finish_reason ?? this.reason;
      if (content || reasoning_content || reasoning || tool_calls) this.first ??= performance.now();
    }
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  addCall({ index, function: f }) {
    const call = (this.calls[index] ??= { name: "", arguments: "" });
    call.name += f?.name ?? "";
    call.arguments += f?.arguments ?? "";
  }

  /** Tokens per second after the first: by the server's clock where it says it. */
  rate() {
    const n = (this.usage.completion_tokens ?? 0) - 1;
    const ms = this.timings?.predicted_ms || performance.now() - (this.first ?? performance.now());
    return n > 0 && ms > 0 ? (n / ms) * 1000 : 0;
  }

  firstMs() {
    return this.timings?.prompt_ms || (this.first ? this.first - this.begun : 0);
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    showMarkdown(this.prose, this.text);
    if (this.thought) {
      this.folded.hidden = false;
      showMarkdown(this.thoughts, this.thought);
    }
    this.called.hidden = !this.calls.length;
    this.called.textContent = this.calls.filter(Boolean).map((c) => `${c.name}(${c.arguments})`).join("\n");
    const n = this.usage.completion_tokens;
    const parts = [this.rate() && `${number(this.rate())} tok/s`, n && `${n} token${n === 1 ? "" : "s"}`];
    if (this.done) parts.push(this.firstMs() && `first after ${seconds(this.firstMs() / 1000)}`, ENDS[this.reason] ?? this.reason);
    this.meta.textContent = parts.filter(Boolean).join(" · ") || (this.done ? "" : "Waiting for the first token");
    this.onDraw();
  }

  /** error: what went wrong, in words; onAgain asks once more. */
  end({ error, onAgain }) {
    this.done = performance.now();
    this.reason ||= error ? "error" : "stopped";
    this.node.classList.remove("busy");
    this.node.setAttribute("aria-busy", "false");
    if (error) this.foot.before(make("p", { className: "error", role: "alert" }, error));
    const copy = make("button", { type: "button", className: "link", hidden: !this.text }, "Copy");
    copy.addEventListener("click", () => copyText(copy, this.text));
    this.again = make("button", { type: "button", className: "link" }, error ? "Try again" : "Again");
    this.again.addEventListener("click", onAgain);
    this.foot.append(copy, this.again);
    this.draw();
  }

  /** What the status view lists of it. */
  record() {
    const u = this.usage;
    return {
      at: this.at, model: this.model, prompt: u.prompt_tokens ?? 0, cached: u.prompt_tokens_details?.cached_tokens ?? 0,
      output: u.completion_tokens ?? 0, firstMs: this.firstMs(), rate: this.rate(), totalMs: this.done - this.begun, end: this.reason,
    };
  }
}
