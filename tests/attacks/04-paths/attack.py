# SPDX-License-Identifier: Apache-2.0
"""Keys and routes must see one path (CVE-2026-48746: `Host: a/health?` opened every route)."""
from kit import *


def closed(r, target):
    return "models were listed without a key" if b"owned_by" in r.body else None


def cases():
    for path in ("//v1/models", "/v1//models", "/v1/../v1/models", "/health/../v1/models", "/./v1/models", "/%2fv1/models", "/v1%2fmodels", "/v1%252fmodels", "/health%2f..%2fv1/models",
                 "/health%3f/../v1/models", "/health;/../v1/models", "/health?/v1/models/../", "/health#/v1/models", "/V1/models", "/v1/models/", "/v1/models%00", "/v1/models%20",
                 "/v1/models?/health", "/v1/models;/health", "/health/v1/models", "/livez/../v1/models", "\\v1\\models", "/v1/models/../../health", "/%76%31/models", "/v1/models/m",
                 "http://localhost/v1/models", "http://localhost//v1/models", "http://health/v1/models", "https://localhost/v1/models?/health", "http://localhost/health/../v1/models"):
        yield get("the target " + path, path, ANY, check=closed)
    for host in ("localhost/health?", "localhost/health", "localhost?/health", "localhost#/health", "localhost@health", "health", "localhost:80/health", "/health"):
        yield Attack("the Host " + host, request("GET", "/v1/models", host="Host: " + host), REFUSED, check=closed)
    for header in ("X-Original-URL: /health", "X-Rewrite-URL: /health", "X-Forwarded-Prefix: /health", "X-HTTP-Method-Override: OPTIONS", "X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1",
                   "Forwarded: for=127.0.0.1", "X-Forwarded-Host: localhost/health", "Authorization: Bearer", "Authorization: Bearer \t", "Cookie: key=secret", "Proxy-Authorization: Bearer secret"):
        yield get("the header " + header, "/v1/models", 401, [header], check=closed)
    for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "get", "PROPFIND"):
        yield Attack("the method " + method, [request(method, "/v1/models"), END], (401, 405), check=closed) if method != "HEAD" else \
            Attack("the method GET with a body", request("GET", "/v1/models", b"{}"), 401, check=closed)


def servers():
    return [({"flags": ("--api-key", "secret")}, cases())]
