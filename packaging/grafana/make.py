#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py > llmserve.json: the dashboard. A panel is a title, a unit and queries; everything else is the same for all. What has
another name under metric-names = old is asked for by both, joined by `or`."""
import json

M = 'model_name=~"$model"'
RATE = "[$__rate_interval]"


def rate(name):
    return f"sum by (model_name) (rate({name}{{{M}}}{RATE}))"


def quantiles(*names):
    """Of the first of these histograms that is there."""
    one = lambda q, name: f"histogram_quantile({q}, sum by (le) (rate({name}_bucket{{{M}}}{RATE})))"
    return [(" or ".join(one(q, n) for n in names), f"p{int(q * 100)}") for q in (0.5, 0.9, 0.99)]


PANELS = [
    ("Requests", "short", [(f"sum(vllm:num_requests_running{{{M}}})", "running"), (f"sum(vllm:num_requests_waiting{{{M}}})", "waiting")]),
    ("Tokens", "short", [(rate("vllm:generation_tokens_total"), "generated/s {{model_name}}"), (rate("vllm:prompt_tokens_total"), "prompt/s {{model_name}}")]),
    ("Time to first token", "s", quantiles("vllm:time_to_first_token_seconds")),
    ("Time between tokens", "s", quantiles("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")),
    ("Request latency", "s", quantiles("vllm:e2e_request_latency_seconds")),
    ("Time in the queue", "s", quantiles("vllm:request_queue_time_seconds")),
    ("KV cache in use", "percentunit", [(f"vllm:kv_cache_usage_perc{{{M}}} or vllm:gpu_cache_usage_perc{{{M}}}", "{{model_name}}")]),
    ("Prefix cache hits", "percentunit", [(f"{rate('vllm:prefix_cache_hits_total')} / {rate('vllm:prefix_cache_queries_total')} or vllm:gpu_prefix_cache_hit_rate{{{M}}}", "{{model_name}}")]),
    ("Ends", "reqps", [(f"sum by (finished_reason) (rate(vllm:request_success_total{{{M}}}{RATE}))", "{{finished_reason}}")]),
    ("Drafts right", "percentunit", [(f"{rate('vllm:spec_decode_num_accepted_tokens_total')} / {rate('vllm:spec_decode_num_draft_tokens_total')}", "{{model_name}}")]),
    ("Refused, preempted, corrupted", "short", [(rate("llmserve:requests_refused_total"), "refused/s"), (rate("vllm:num_preemptions_total"), "preempted/s"),
                                                 (rate("vllm:corrupted_requests_total"), "corrupted/s")]),
    ("Engines", "short", [(f"llmserve:engine_up{{{M}}}", "up {{model_name}}"), (f"increase(llmserve:engine_starts_total{{{M}}}[1h])", "starts/h {{model_name}}")]),
    ("HTTP answers", "reqps", [(f"sum by (status) (rate(http_requests_total{RATE}))", "{{status}}")]),
    ("Tokens of a step", "short", quantiles("vllm:iteration_tokens_total")),
    ("Memory of the front", "bytes", [("process_resident_memory_bytes", "resident")]),
    ("Spans", "short", [(f"rate(llmserve:spans_sent_total{RATE})", "sent/s"), (f"rate(llmserve:spans_dropped_total{RATE})", "dropped/s")]),
]
SOURCE = {"type": "prometheus", "uid": "prometheus"}


def panel(i, title, unit, queries):
    targets = [{"datasource": SOURCE, "expr": e, "legendFormat": l, "refId": chr(65 + n)} for n, (e, l) in enumerate(queries)]
    return {"id": i + 1, "type": "timeseries", "title": title, "datasource": SOURCE, "targets": targets,
            "gridPos": {"x": i % 2 * 12, "y": i // 2 * 8, "w": 12, "h": 8}, "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []}}


model = {"name": "model", "label": "Model", "type": "query", "datasource": SOURCE, "query": "label_values(vllm:num_requests_running, model_name)",
         "refresh": 2, "multi": True, "includeAll": True, "current": {"text": "All", "value": "$__all"}}
print(json.dumps({"uid": "llmserve", "title": "llmserve", "schemaVersion": 39, "version": 1, "editable": True, "refresh": "10s", "time": {"from": "now-30m", "to": "now"},
                  "templating": {"list": [model]}, "panels": [panel(i, *p) for i, p in enumerate(PANELS)]}, indent=1))
