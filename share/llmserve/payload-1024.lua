-- SPDX-License-Identifier: Apache-2.0
-- The seed's 1k-128 load: a prompt of about 1024 tokens, 128 tokens out, greedy.
-- MODEL names the served model, SALT=1 makes every prompt differ at its start (no prefix cache hit).
local model = os.getenv("MODEL") or "model"
local salt  = os.getenv("SALT") == "1"
local out   = tonumber(os.getenv("OUT") or "128")
local words = {}
local seed  = 12345
local vocab = { "river", "mountain", "engine", "window", "paper", "garden", "silver", "market", "winter", "bridge",
  "letter", "doctor", "island", "forest", "station", "morning", "picture", "travel", "number", "summer" }
for i = 1, 1000 do
  seed = (seed * 1103515245 + 12345) % 2147483648
  words[i] = vocab[(math.floor(seed / 65536) % #vocab) + 1]
end
local body = table.concat(words, " ")
local n, tid = 0, 0
local threads = 0
function setup(t) t:set("tid", threads); threads = threads + 1 end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function request()
  n = n + 1
  local p = salt and string.format("%d-%d %s", tid, n, body) or body
  return wrk.format(nil, nil, nil, string.format(
    '{"model":"%s","prompt":"%s","max_tokens":%d,"temperature":0,"ignore_eos":true,"best_of":1,"use_beam_search":false,"cache_prompt":%s}',
    model, p, out, salt and "false" or "true"))
end
function response(status, headers, body) if status ~= 200 then io.stderr:write(status .. " " .. body:sub(1, 200) .. "\n") end end
