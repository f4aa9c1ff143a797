# SPDX-License-Identifier: Apache-2.0
"""Writes a random LoRA adapter for a llama model, as PEFT would save it, with nothing but Python itself."""
import array, json, os, random, struct, subprocess


def shapes(llmserve, model):
    """{module: (inputs, outputs)} of every layer, from `llmserve inspect`."""
    names = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    out = {}
    for t in json.loads(subprocess.run([llmserve, "inspect", model, "--json"], check=True, capture_output=True).stdout)["tensors"]:
        part = t["name"].split(".")
        if part[0] == "blk" and part[2] in names and part[3] == "weight":
            out[f"model.layers.{part[1]}.{names[part[2]]}"] = tuple(t["shape"] if "shape" in t else t["dims"])
    return out


def hf_shapes(folder):
    """The same of the attention of a Hugging Face folder."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        c = json.load(f)
    dim, n = c["hidden_size"], c["num_attention_heads"]
    each = c.get("head_dim") or dim // n
    q, kv = n * each, c["num_key_value_heads"] * each
    one = {"q": (dim, q), "k": (dim, kv), "v": (dim, kv), "o": (q, dim)}
    return {f"model.layers.{i}.self_attn.{m}_proj": s for i in range(c["num_hidden_layers"]) for m, s in one.items()}


def write(folder, modules, seed, rank=8, size=0.05, **config):
    rng = random.Random(seed)
    os.makedirs(folder, exist_ok=True)
    head, data = {}, bytearray()
    for name, (inputs, outputs) in modules.items():
        for side, shape in (("A", (rank, inputs)), ("B", (outputs, rank))):
            raw = array.array("f", (rng.uniform(-size, size) for _ in range(shape[0] * shape[1]))).tobytes()
            head[f"base_model.model.{name}.lora_{side}.weight"] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
            data += raw
    text = json.dumps(head).encode()
    with open(folder + "/adapter_model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
    with open(folder + "/adapter_config.json", "w", encoding="utf-8") as f:
        json.dump({"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "bias": "none", "modules_to_save": None,
                   "target_modules": sorted({m.rsplit(".", 1)[1] for m in modules}), **config}, f)
