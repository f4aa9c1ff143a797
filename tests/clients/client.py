# SPDX-License-Identifier: Apache-2.0
"""What the tests with unmodified clients share: the package, or a skip; the server; a tool and what the fake engine says of it."""
import importlib, os, shutil, subprocess, sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "api"))
import harness
from harness import Server

PARAMS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Par\u00eds"}}\n</tool_call>'
SAYS = "!!|<think>Hm.</think>" + CALL


def package(name):
    """The package; else this script once more by $LLMSERVE_CLIENT_PYTHON; else it is skipped."""
    try:
        return importlib.import_module(name)
    except ImportError:
        other = os.environ.pop("LLMSERVE_CLIENT_PYTHON", None)
        if other and os.access(other, os.X_OK):
            os.execv(other, [other, os.path.abspath(sys.argv[0])])
        print(f"skipped: no Python package {name} here; ./quickstart test or make check-clients installs it")
        sys.exit(77)


def server(**more):
    return Server("--api-key", "sesame", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3", **more)


def node_with(name):
    """The program node, where it finds the package; else this script is skipped. NODE_PATH names a folder that holds it."""
    node = shutil.which("node")
    if not node or subprocess.run([node, "-e", f"require.resolve({name!r})"], stderr=subprocess.DEVNULL, cwd=HERE).returncode:
        print(f"skipped: no node, or no package {name} here; ./quickstart test or make check-clients installs it")
        sys.exit(77)
    if not os.path.exists(harness.FAKE):
        print("skipped: no fake engine")
        sys.exit(77)
    return node


def run_node(name, script):
    """Run script PORT LOG with node."""
    node = node_with(name)
    with server() as s:
        sys.exit(subprocess.run([node, os.path.join(HERE, script), str(s.port), s.log_path], timeout=harness.DEADLINE).returncode)
