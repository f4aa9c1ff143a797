# SPDX-License-Identifier: Apache-2.0
"""Files and addresses that a request names (CVE-2024-37032, CVE-2024-39719, CVE-2025-6242, CVE-2026-24779, CVE-2026-0599): none is opened."""
import socket
from kit import *

listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(0.01)
URL = "http://127.0.0.1:%d/x" % listener.getsockname()[1]


def untouched(r, target):
    if r and b"root:" in r.body:
        return "the answer has a file"
    try:
        listener.accept()[0].close()
        return "the address was called"
    except TimeoutError:
        return None


def cases():
    for url in (URL, "file:///etc/passwd", "http://169.254.169.254/latest/meta-data", "data:image/png;base64,AAAA", "gopher://127.0.0.1:1/x", "//127.0.0.1", "\\\\host\\share", "ftp://127.0.0.1/x"):
        yield chat("an image at " + url[:30], REFUSED, untouched, messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])
        yield chat("audio at " + url[:30], REFUSED, untouched, messages=[{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": url}}]}])
        yield chat("a file at " + url[:30], REFUSED, untouched, messages=[{"role": "user", "content": [{"type": "file", "file": {"file_id": url}}]}])
        yield schema("a schema at " + url[:30], {"$ref": url}, ANY) if url != URL else chat("a schema at an address", ANY, untouched, response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {"$ref": url}}})
        yield complete("a model at " + url[:30], REFUSED, untouched, model=url)
    for path in ("/etc/passwd", "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", URL):
        for route, body in (("/v1/load_lora_adapter", {"lora_name": "a", "lora_path": path}), ("/api/show", {"model": path}), ("/api/pull", {"model": path, "insecure": True}),
                            ("/api/create", {"model": "x", "from": path}), ("/api/push", {"model": path}), ("/api/blobs/sha256:" + "0" * 64, {}), ("/v1/files", {"file": path})):
            yield post("%s of %s" % (route[:24], path[:24]), route, body, REFUSED, check=untouched)
    for path in ("/static/../../etc/passwd", "/..%2f..%2fetc/passwd", "/etc/passwd", "/v1/models/..%2f..%2fetc%2fpasswd", "/proc/self/environ"):
        yield get("GET " + path, path, REFUSED, check=untouched)
