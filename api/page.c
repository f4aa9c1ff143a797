/* SPDX-License-Identifier: Apache-2.0 */
#include "api/page.h"
#include "api/ollama/ollama.h"

#define JS "text/javascript; charset=utf-8"

/* name, file, type; the page first */
#define FILES(ROW)                                       \
    ROW(index, "index.html", "text/html; charset=utf-8") \
    ROW(css, "page.css", "text/css; charset=utf-8")      \
    ROW(icon, "icon.svg", "image/svg+xml")               \
    ROW(main, "main.js", JS)                             \
    ROW(api, "api.js", JS)                               \
    ROW(dom, "dom.js", JS)                               \
    ROW(chat, "chat.js", JS)                             \
    ROW(answer, "answer.js", JS)                         \
    ROW(settings, "settings.js", JS)                     \
    ROW(markdown, "markdown.js", JS)                     \
    ROW(status, "status.js", JS)                         \
    ROW(metrics, "metrics.js", JS)                       \
    ROW(plot, "plot.js", JS)

/* Each file stands between two symbols. */
#define EMBED(name, file, type)                                                                                           \
    __asm__(".section .rodata\nlm_page_" #name "_begin: .incbin \"" LM_PAGE_DIR "/" file "\"\nlm_page_" #name "_end: .byte 0\n" \
            ".previous\n");                                                                                               \
    extern const char lm_page_##name##_begin[] __attribute__((visibility("hidden")));                                    \
    extern const char lm_page_##name##_end[] __attribute__((visibility("hidden")));
FILES(EMBED)

static const struct page_file { const char *name, *type, *begin, *end; } files[] = {
#define ROW(name, file, type) {file, type, lm_page_##name##_begin, lm_page_##name##_end},
    FILES(ROW)
};

/* Only what came from here may run, be called or be shown. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
                             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* A quoted hash of the bytes: FNV-1a, 64 bits. */
static void write_tag(const struct page_file *f, char *out, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (const char *s = f->begin; s < f->end; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    snprintf(out, n, "\"%016llx\"", (unsigned long long)h);
}

/* Whether a list of entity tags names this one; a weak one is none to a strong comparison (RFC 9110 8.8.3.2). */
static bool names(const char *list, const char *tag, bool strong)
{
    for (const char *at = strstr(list, tag); at; at = strstr(at + 1, tag))
        if (!strong || at < list + 2 || memcmp(at - 2, "W/", 2) != 0)
            return true;
    return strcmp(list, "*") == 0;
}

static void send_file(struct lm_call *call, const struct page_file *f)
{
    char tag[24];
    struct lm_bytes b = {0};
    const char *wanted = lm_http_header(call->req, "if-match"), *known = lm_http_header(call->req, "if-none-match");
    write_tag(f, tag, sizeof tag);
    if (wanted && !names(wanted, tag, true)) {
        struct lm_api_error e;
        lm_api_fail(&e, 412, NULL, "Precondition Failed");
        lm_call_error(call, &e);
        return;
    }
    bool same = known && names(known, tag, false);
    const struct lm_http_header header[] = {
        {"ETag", tag}, {"Cache-Control", "no-cache"}, {"Vary", "Accept"}, {"Content-Security-Policy", policy},
        {"X-Content-Type-Options", "nosniff"}, {"Referrer-Policy", "no-referrer"},
    };
    if (!same)
        lm_bytes_add(&b, f->begin, (size_t)(f->end - f->begin));
    lm_call_reply_with(call, same ? 304 : 200, same ? NULL : f->type, &b, header, sizeof header / sizeof *header);
    lm_bytes_fini(&b);
}

static void not_here(struct lm_call *call)
{
    struct lm_api_error e;
    bool on = call->server->conf->server.web_page;
    lm_api_fail(&e, 404, NULL, on ? "Not Found" : "The web page is turned off; the server's option web-page can turn it on.");
    lm_call_error(call, &e);
}

void lm_page_root(struct lm_call *call)
{
    const char *accept = lm_http_header(call->req, "accept");
    if (!accept || !strstr(accept, "text/html"))
        lm_ollama_root(call);
    else if (!call->server->conf->server.web_page)
        not_here(call);
    else
        send_file(call, &files[0]);
}

void lm_page_file(struct lm_call *call)
{
    const char *name = call->req->path + strlen("/page/");
    for (size_t i = 0; call->server->conf->server.web_page && i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i].name, name) == 0) {
            send_file(call, &files[i]);
            return;
        }
    not_here(call);
}
