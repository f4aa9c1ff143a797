# SPDX-License-Identifier: Apache-2.0
"""Code that comes with a model (CVE-2025-66448, CVE-2026-22807, CVE-2026-27893): it is never run, whatever the model asks for."""
import pickle, tempfile
import harness
from kit import *

MARK = os.path.join(tempfile.mkdtemp(prefix="llmserve-attack-"), "ran")


class Runs:
    def __reduce__(self):
        return os.system, ("touch " + MARK,)


def folder(name, accepted, files=(), drop=(), **config):
    with tempfile.TemporaryDirectory() as d:
        harness.write_folder(d)
        got = {f: open(os.path.join(d, f), "rb").read() for f in os.listdir(d) if f not in drop}
    got["config.json"] = json.dumps({**json.loads(got["config.json"]), **config}).encode()
    return File(name, {**got, **dict(files)}, accepted)


def unmarked(server):
    assert not os.path.exists(MARK), "code of a model ran"


def cases():
    code = ("open(%r, 'w').close()\n" % MARK).encode()
    yield folder("auto_map", True, [("modeling_x.py", code)], auto_map={"AutoModelForCausalLM": "modeling_x.Model", "AutoTokenizer": "tokenization_x.T", "AutoConfig": "configuration_x.C"})
    yield folder("auto_map elsewhere", True, auto_map={"AutoModelForCausalLM": "http://127.0.0.1:1/x--modeling.Model"})
    yield folder("a setup.py, a conftest.py and an __init__.py", True, [(n, code) for n in ("setup.py", "conftest.py", "__init__.py")])
    yield folder("a pickle in place of the weights", False, [("pytorch_model.bin", pickle.dumps(Runs()))], drop=["model.safetensors"])
    yield folder("a pickle named safetensors", False, [("model.safetensors", pickle.dumps(Runs()))])
    yield folder("a pickle beside the weights", True, [("pytorch_model.bin", pickle.dumps(Runs()))])
    yield folder("a plugin beside the weights", True, [("cpu.so", b"\x7fELF" + bytes(100)), ("fault.so", b"\x7fELF" + bytes(100))])
    yield folder("a tokenizer_config.json that names code", None, [("tokenizer_config.json", json.dumps({"tokenizer_class": "os.system", "auto_map": {"AutoTokenizer": ["tokenization_x.T", None]}}).encode())])
    yield folder("an architecture that is a path", False, architectures=["../../../etc/passwd"], model_type="../../x")
    yield Do("nothing ran", unmarked)
