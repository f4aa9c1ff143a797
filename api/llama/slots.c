/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin.h"
#include "api/inflight.h"
#include "api/json.h"
#include "api/llama/llama.h"
#include "runtime/base/utf8.h"

#include <stdlib.h>

/* llama-server's POST /slots/{id}?action=save|restore|erase. */

enum { BODY_MAX = 64 << 10, FILE_NAME_BYTES = 255 };

/* Who waits for the engine's answer. */
struct wait {
    struct lm_slot_wait wait; /* first */
    struct lm_call call;      /* its req is NULL once the client is gone */
    enum lm_slot_action action;
    uint32_t slot;
    char filename[FILE_NAME_BYTES + 1];
};

static const char *const action_name[] = {[LM_SLOT_SAVE] = "save", [LM_SLOT_RESTORE] = "restore", [LM_SLOT_ERASE] = "erase"};

/* A name of llama-server's rules: it stays in the folder, and on any system. */
static bool is_file_name(const char *s)
{
    const size_t n = strlen(s);
    if (n < 1 || n > FILE_NAME_BYTES || strstr(s, "..") || strcmp(s, ".") == 0 || s[0] == ' ' || s[n - 1] == ' ' || s[n - 1] == '.' || !lm_utf8_valid(s, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || strchr("/\\:*?\"<>|", s[i]))
            return false;
    return true;
}

static void on_gone(struct lm_http_req *req, void *arg)
{
    ((struct wait *)arg)->call.req = NULL;
}

static void answer(struct wait *w, const struct lm_msg_slot_done *m)
{
    struct lm_bytes b = {0};
    lm_bytes_addf(&b, "{\"id_slot\":%u", (unsigned)w->slot);
    if (w->action == LM_SLOT_ERASE) {
        lm_bytes_addf(&b, ",\"n_erased\":%llu}", (unsigned long long)m->n_tok);
    } else {
        const bool saves = w->action == LM_SLOT_SAVE;
        lm_bytes_add_str(&b, ",\"filename\":\"");
        lm_bytes_add_json(&b, w->filename, strlen(w->filename));
        lm_bytes_addf(&b, "\",\"%s\":%llu,\"%s\":%llu,\"timings\":{\"%s_ms\":%.3f}}", saves ? "n_saved" : "n_restored", (unsigned long long)m->n_tok,
                      saves ? "n_written" : "n_read", (unsigned long long)m->bytes, action_name[w->action], (double)m->us / 1e3);
    }
    lm_call_reply(&w->call, 200, "application/json", &b);
    lm_bytes_fini(&b);
}

static int status_of(int code)
{
    switch (code) {
    case LM_EUNSUPPORTED:
        return 501;
    case LM_EDEVICE:
    case LM_ENOMEM:
        return 503;
    default:
        return 400;
    }
}

static void on_done(struct lm_slot_wait *wait, const struct lm_msg_slot_done *m)
{
    struct wait *w = (struct wait *)wait;
    struct lm_api_error e;
    w->call.server->n_busy--;
    if (w->call.req && m->code) {
        lm_api_fail(&e, status_of(m->code), NULL, "%s", m->msg);
        lm_call_error(&w->call, &e);
    } else if (w->call.req) {
        answer(w, m);
    }
    free(w);
}

static int read_action(const struct lm_call *call, struct wait *w, struct lm_api_error *e)
{
    const char *q = call->req->query, *at = strncmp(q, "action=", 7) == 0 ? q : strstr(q, "&action=");
    at = at ? strchr(at, '=') + 1 : "";
    for (w->action = 0; w->action <= LM_SLOT_ERASE; w->action++)
        if (strcspn(at, "&") == strlen(action_name[w->action]) && strncmp(at, action_name[w->action], strcspn(at, "&")) == 0)
            return 0;
    return lm_api_fail(e, 400, "action", "Invalid action: it is save, restore or erase.");
}

static int read_slot(const struct lm_call *call, const struct lm_served *m, struct wait *w, struct lm_api_error *e)
{
    const char *text = call->req->path + strlen("/slots/");
    char *end;
    const unsigned long long id = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || id >= m->hello.max_num_seqs)
        return lm_api_fail(e, 400, "id", "Invalid slot ID: they are 0 to %u.", m->hello.max_num_seqs - 1);
    w->slot = (uint32_t)id;
    return 0;
}

static int read_filename(const struct lm_call *call, struct wait *w, struct lm_api_error *e)
{
    json_t *body = NULL;
    int rc = call->req->n_body > BODY_MAX ? lm_api_fail(e, 400, NULL, "The body has more than %d bytes.", BODY_MAX) :
                                            lm_json_parse(call->req->body, call->req->n_body, &body, e);
    const json_t *value = json_object_get(body, "filename");
    const char *name = json_string_value(value);
    if (!rc && (!name || strlen(name) != json_string_length(value) || !is_file_name(name)))
        rc = lm_api_fail(e, 400, "filename", "Invalid filename: a name without a folder, of at most %d bytes.", FILE_NAME_BYTES);
    if (!rc)
        snprintf(w->filename, sizeof w->filename, "%s", name);
    json_decref(body);
    return rc;
}

static int check(const struct lm_call *call, const struct lm_served *m, struct lm_api_error *e)
{
    if (!*call->server->conf->server.slot_save_path)
        return lm_api_fail(e, 501, NULL, "This server does not save slots: start it with slot-save-path.");
    if (m->n_engine > 1)
        return lm_api_fail(e, 501, NULL, "Slots are saved of a model with one engine: data-parallel-size is more.");
    if (call->server->draining || !lm_served_serves(m))
        return lm_api_fail(e, 503, NULL, "The engine is %s.", lm_served_state(m));
    return 0;
}

static int begin(struct lm_call *call, struct lm_served *m, struct wait *w, struct lm_api_error *e)
{
    char *path = NULL;
    int rc = check(call, m, e);
    if (!rc)
        rc = read_action(call, w, e);
    if (!rc)
        rc = read_slot(call, m, w, e);
    if (!rc && w->action != LM_SLOT_ERASE)
        rc = read_filename(call, w, e);
    if (!rc && asprintf(&path, w->action == LM_SLOT_ERASE ? "%.0s%s" : "%s/%s", call->server->conf->server.slot_save_path, w->filename) < 0)
        rc = lm_api_fail(e, 503, NULL, "The server is out of memory; try again later.");
    if (rc)
        return rc;
    w->call = *call;
    w->wait.done = on_done;
    call->req->on_gone = on_gone;
    call->req->arg = w;
    call->server->n_busy++;
    lm_served_slot(m, &w->wait, w->action, w->slot, path);
    free(path);
    return 0;
}

void lm_llama_slot_action(struct lm_call *call)
{
    size_t i, end;
    struct lm_api_error e;
    if (!lm_admin_named(call, &i, &end))
        return;
    struct wait *w = calloc(1, sizeof *w);
    int rc = w ? begin(call, call->server->model[i], w, &e) : lm_api_fail(&e, 503, NULL, "The server is out of memory; try again later.");
    if (!rc)
        return;
    lm_call_error(call, &e);
    free(w);
}
