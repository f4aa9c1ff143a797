# SPDX-License-Identifier: Apache-2.0
"""Hugging Face folders, plain and quantized, and GGUF files of the very same values, from a GGUF file of F32, F16 or BF16.

Needs numpy. Families llama and qwen2, vocabularies of byte-level BPE. Weights of quantized checkpoints are brought to the
checkpoint's grid first, so that folder and file hold the same numbers.

Sources  the packings of AutoAWQ, AutoGPTQ and compressed-tensors, named in runtime/model/hf/ints.c
"""
import hashlib
import json
import mmap
import os
import struct
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lmq_reader

GROUP = 64
F32, F16, Q4_0, Q5_0, BF16 = 0, 1, 2, 6, 30
MODULES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
           "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
           "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class Mapped(lmq_reader.File):
    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        self.at = 0


def tensors(f, n_tensor, align=32):
    """Name, dimensions, type and place of each, behind the metadata."""
    found = [(f.string(), [f.take("Q") for _ in range(f.take("I"))], f.take("I"), f.take("Q")) for _ in range(n_tensor)]
    start = -(-f.at // align) * align
    return [(name, dims, kind, start + offset) for name, dims, kind, offset in found]


def digests(path):
    """Of each tensor of a file of F32."""
    f = Mapped(path)
    f.at = 8
    n_tensor, n_value = f.take("Q"), f.take("Q")
    values = {}
    for _ in range(n_value):
        key = f.string()
        values[key] = f.value(f.take("I"))
    return {name: hashlib.sha256(memoryview(f.data)[at:at + 4 * int(np.prod(dims))]).digest()
            for name, dims, kind, at in tensors(f, n_tensor, values.get("general.alignment", 32)) if kind == F32}


class Model:
    """A GGUF file's metadata and its first n_layer layers; weights in f32 and the order of rows of Hugging Face."""

    def __init__(self, path, n_layer=None):
        f = Mapped(path)
        f.at = 8
        n_tensor, n_value = f.take("Q"), f.take("Q")
        self.kv, self.raw = {}, []
        for _ in range(n_value):
            first = f.at
            key = f.string()
            self.kv[key] = f.value(f.take("I"))
            self.raw.append((key, f.data[first:f.at]))
        self.arch = self.kv["general.architecture"]
        self.all_layers = self.get("block_count")
        self.n_layer = min(n_layer or self.all_layers, self.all_layers)
        kinds = {F32: "<f4", F16: "<f2", BF16: "<u2"}
        self.tensor = {}
        for name, dims, kind, at in tensors(f, n_tensor):
            if name.startswith("blk.") and int(name.split(".")[1]) >= self.n_layer:
                continue
            v = np.frombuffer(f.data, kinds[kind], int(np.prod(dims)), at).reshape(dims[::-1])
            if kind == BF16:
                v = (v.astype(np.uint32) << 16).view("<f4")
            self.tensor[name] = self.heads(name, v.astype(np.float32, copy=False), back=True)

    def get(self, key):
        return self.kv.get(f"{self.arch}.{key}")

    def heads(self, name, w, back=False):
        """llama's q and k have each head's halves interleaved in GGUF."""
        part = name.split(".")[2] if name.startswith("blk.") else ""
        if self.arch != "llama" or part not in ("attn_q", "attn_k"):
            return w
        n = self.get("attention.head_count" if part == "attn_q" else "attention.head_count_kv")
        shape = (n, -1, 2, *w.shape[1:]) if back else (n, 2, w.shape[0] // n // 2, *w.shape[1:])
        return np.ascontiguousarray(w.reshape(shape).swapaxes(1, 2)).reshape(w.shape)


def is_linear(name):
    return name.startswith("blk.") and name.endswith(".weight") and "norm" not in name


def hf_module(name):
    p = name.split(".")
    return f"model.layers.{p[1]}.{MODULES[p[2]]}" if p[0] == "blk" else TOP[p[0]]


def to_bf16(v):
    u = np.ascontiguousarray(v, np.float32).view(np.uint32)
    return ((u + 0x7FFF + (u >> 16 & 1)) >> 16).astype(np.uint16)


def of_bf16(h):
    return (h.astype(np.uint32) << 16).view(np.float32)


# A grid takes a matrix [rows][cols] and gives (its values, the folder's tensors, GGUF's type and blocks or None).

def scales_f16(w, levels):
    s = np.abs(w).max(-1) / levels
    return np.maximum(s, 1e-4).astype(np.float16)


def pack_words(q, order=None):
    """Integers of 4 bits [n][m] to words [n][m / 8], the first in the lowest bits."""
    q = q.reshape(q.shape[0], -1, 8).astype(np.uint32)
    q = q[..., order] if order else q
    return sum(q[..., i] << np.uint32(4 * i) for i in range(8)).view(np.int32)


def to_blocks(d, q, kind):
    """Scales [rows][cols / 32] and whole numbers [rows][cols] around 0 to GGUF's blocks of 32."""
    rows, cols = q.shape
    q = (q + (8 if kind == Q4_0 else 16)).reshape(rows, cols // 32, 32).astype(np.uint8)
    low = q & 15
    parts = [d.astype("<f2").view(np.uint8).reshape(rows, -1, 2)]
    if kind == Q5_0:
        parts.append(np.packbits(q >> 4, axis=-1, bitorder="little"))
    return np.concatenate(parts + [low[..., :16] | low[..., 16:] << 4], -1).tobytes()


def integers(w, zero):
    """Integers 0 .. 15, their zeros and scales for each GROUP columns, and the values."""
    g = w.reshape(w.shape[0], -1, GROUP)
    s = scales_f16(g, min(zero, 15 - zero))
    z = np.full(s.shape, zero)
    if zero != 8:
        z = zero + np.arange(z.size).reshape(z.shape) % 3 - 1
    f = s.astype(np.float32)[..., None]
    q = np.clip(np.rint(g / f) + z[..., None], 0, 15).astype(np.int32)
    return q.reshape(w.shape), z, s, ((q - z[..., None]) * f).reshape(w.shape)


def awq(w):
    q, z, s, v = integers(w, 7)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    stored = {"qweight": pack_words(np.ascontiguousarray(q.T), order), "qzeros": pack_words(np.ascontiguousarray(z.T), order),
              "scales": np.ascontiguousarray(s.T)}
    return v, stored, (Q5_0, lambda perm: to_blocks(perm(np.repeat(s, GROUP // 32, 1)), perm(q - np.repeat(z, GROUP, 1)), Q5_0))


def gptq(w, order=None):
    w = w if order is None else w[:, order]
    q, z, s, v = integers(w, 8)
    group = np.arange(w.shape[1]) // GROUP
    if order is not None:
        back = np.argsort(order)
        q, v, group = q[:, back], v[:, back], group[back]
    stored = {"qweight": np.ascontiguousarray(pack_words(q).T), "qzeros": pack_words(np.ascontiguousarray(z.T) - 1),
              "scales": np.ascontiguousarray(s.T), "g_idx": group.astype(np.int32)}
    blocks = (Q4_0, lambda perm: to_blocks(perm(np.repeat(s, GROUP // 32, 1)), perm(q - 8), Q4_0))
    return v, stored, blocks if order is None else None


def gptq_order(w):
    return gptq(w, np.random.default_rng(w.shape[1]).permutation(w.shape[1]))


def e4m3_table():
    code = np.arange(127)
    e, m = code >> 3, code & 7
    return np.where(e == 0, m * 2.0 ** -9, (8 + m) * 2.0 ** (e - 10.0)).astype(np.float32)


def e4m3(x):
    """The nearest codes of |x| <= 448, and their values."""
    table = e4m3_table()
    code = np.searchsorted((table[1:] + table[:-1]) / 2, np.abs(x)).astype(np.uint8)
    return code | (np.signbit(x).astype(np.uint8) << 7), np.copysign(table[code], x)


class F8(np.ndarray):
    """Bytes that are e4m3 numbers."""


def fp8(w, scale, stored):
    code, value = e4m3(np.clip(w / scale, -448, 448))
    return value * scale, {"weight": code.view(F8)} | stored, None


def fp8_tensor(w):
    s = np.float32(np.abs(w).max() / 448)
    return fp8(w, s, {"weight_scale": np.array([s], np.float32)})


def fp8_channel(w):
    s = of_bf16(to_bf16(np.abs(w).max(1, keepdims=True) / 448 * 1.01))
    return fp8(w, s, {"weight_scale": to_bf16(s)})


def fp8_block(w, n=128):
    rows, cols = w.shape
    full = np.zeros((-(-rows // n) * n, -(-cols // n) * n), np.float32)
    full[:rows, :cols] = w
    s = (np.abs(full.reshape(full.shape[0] // n, n, -1, n)).max((1, 3)) / 448).astype(np.float32)
    return fp8(w, s.repeat(n, 0)[:rows].repeat(n, 1)[:, :cols], {"weight_scale_inv": s})


def plain(w):
    return w, {"weight": w}, None


def ct(strategy):
    return {"quant_method": "compressed-tensors", "format": "float-quantized", "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": strategy}}}}


GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "sym": True, "checkpoint_format": "gptq"}
FORMS = {
    "f32": (plain, None),
    "awq": (awq, {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"}),
    "gptq": (gptq, GPTQ | {"desc_act": False}),
    "gptq-order": (gptq_order, GPTQ | {"desc_act": True}),
    "fp8-tensor": (fp8_tensor, {"quant_method": "fp8", "activation_scheme": "dynamic"}),
    "fp8-channel": (fp8_channel, ct("channel")),
    "fp8-block": (fp8_block, {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}),
}


class Safetensors:
    """Tensors one after the other; the header is written at the end, into room that was left for it."""
    ROOM = 1 << 20

    def __init__(self, path):
        self.f, self.header, self.at = open(path, "wb"), {}, 0
        self.f.seek(8 + self.ROOM)

    def add(self, name, v):
        kind = "F8_E4M3" if isinstance(v, F8) else {"f4": "F32", "f2": "F16", "u2": "BF16", "i4": "I32"}[v.dtype.str[1:]]
        data = np.ascontiguousarray(v).tobytes()
        self.header[name] = {"dtype": kind, "shape": list(v.shape), "data_offsets": [self.at, self.at + len(data)]}
        self.f.write(data)
        self.at += len(data)

    def close(self):
        head = json.dumps(self.header).encode().ljust(self.ROOM)
        self.f.seek(0)
        self.f.write(struct.pack("<Q", self.ROOM) + head)
        self.f.close()


class Gguf:
    """The same model's file: its metadata as it is, but for the number of layers."""

    def __init__(self, path, model):
        self.path, self.infos, self.at, self.model = path, [], 0, model
        self.f = open(path + ".data", "w+b")

    def add(self, name, shape, kind, data):
        self.infos.append((name, shape[::-1], kind, self.at))
        self.f.write(data + b"\0" * (-len(data) % 32))
        self.at += len(data) + -len(data) % 32

    def close(self):
        head, n = b"", 0
        for key, raw in self.model.raw:
            if key == f"{self.model.arch}.block_count":
                raw = raw[:-4] + struct.pack("<I", self.model.n_layer)
            if not key.startswith("llmserve.") and key != "general.alignment":
                head, n = head + raw, n + 1
        for name, dims, kind, at in self.infos:
            head += struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, kind, at)
        head = b"GGUF" + struct.pack("<IQQ", 3, len(self.infos), n) + head
        self.f.seek(0)
        with open(self.path, "wb") as out:
            out.write(head + b"\0" * (-len(head) % 32))
            while chunk := self.f.read(1 << 24):
                out.write(chunk)
        self.f.close()
        os.remove(self.path + ".data")


def config(m, quantization):
    g = m.get
    c = {"model_type": m.arch, "hidden_size": g("embedding_length"), "num_hidden_layers": m.n_layer, "vocab_size": len(m.kv["tokenizer.ggml.tokens"]),
         "num_attention_heads": g("attention.head_count"), "num_key_value_heads": g("attention.head_count_kv"), "hidden_act": "silu",
         "intermediate_size": g("feed_forward_length"), "rms_norm_eps": g("attention.layer_norm_rms_epsilon"), "rope_theta": g("rope.freq_base"),
         "max_position_embeddings": g("context_length"), "tie_word_embeddings": "output.weight" not in m.tensor,
         "eos_token_id": m.kv["tokenizer.ggml.eos_token_id"]}
    return c | ({"quantization_config": quantization} if quantization else {})


def tokenizer(m):
    tokens, kinds = m.kv["tokenizer.ggml.tokens"], m.kv["tokenizer.ggml.token_type"]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    first = {"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": False}
    if m.arch == "llama":
        first = {"type": "Digits", "individual_digits": True}
    return {"version": "1.0", "truncation": None, "padding": None, "normalizer": {"type": "NFC"} if m.arch == "qwen2" else None,
            "added_tokens": [{"id": i, "content": t, "special": k == 3, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
                             for i, (t, k) in enumerate(zip(tokens, kinds)) if k in (3, 4)],
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [first, byte_level | {"use_regex": m.arch == "llama"}]},
            "post_processor": None, "decoder": byte_level | {"use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "vocab": {t: i for i, t in enumerate(tokens)},
                      "merges": [s.split(" ", 1) for s in m.kv["tokenizer.ggml.merges"]]}}


def write(m, form, folder, gguf):
    """The folder, and the GGUF file of the same values."""
    grid, quantization = FORMS[form]
    os.makedirs(folder)
    st, file = Safetensors(os.path.join(folder, "model.safetensors")), Gguf(gguf, m)
    for name, w in m.tensor.items():
        module, kind = hf_module(name), name.rsplit(".", 1)[1]
        if is_linear(name):
            v, stored, blocks = grid(w)
            for k, s in stored.items():
                st.add(f"{module}.{k}", s)
            v = np.ascontiguousarray(v, np.float32)
            gguf_type, data = (blocks[0], blocks[1](lambda a: m.heads(name, a))) if blocks else (F32, m.heads(name, v).tobytes())
            file.add(name, w.shape, gguf_type, data)
        elif w.ndim == 2 and form != "f32":
            h = to_bf16(w)
            st.add(f"{module}.{kind}", h)
            file.add(name, w.shape, BF16, h.tobytes())
        else:
            st.add(f"{module}.{kind}", w)
            file.add(name, w.shape, F32, m.heads(name, w).tobytes())
    st.close()
    file.close()
    tok = m.kv["tokenizer.ggml.tokens"]
    json.dump(config(m, quantization), open(os.path.join(folder, "config.json"), "w"))
    json.dump(tokenizer(m), open(os.path.join(folder, "tokenizer.json"), "w"))
    json.dump({"eos_token": tok[m.kv["tokenizer.ggml.eos_token_id"]], "chat_template": m.kv["tokenizer.chat_template"]},
              open(os.path.join(folder, "tokenizer_config.json"), "w"))
