/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ollama/ollama.h"
#include "config.h"

static void reply(struct lm_call *call, struct lm_bytes *b)
{
    lm_call_reply(call, 200, "application/json", b);
    lm_bytes_fini(b);
}

void lm_ollama_root(struct lm_call *call)
{
    struct lm_bytes b = {0};
    lm_bytes_add_str(&b, "llmserve is running");
    lm_call_reply(call, 200, "text/plain; charset=utf-8", &b);
    lm_bytes_fini(&b);
}

void lm_ollama_version(struct lm_call *call)
{
    struct lm_bytes b = {0};
    lm_bytes_add_str(&b, "{\"version\":\"" PACKAGE_VERSION "\"}");
    reply(call, &b);
}

static void add_details(const struct lm_served *m, struct lm_bytes *out)
{
    const struct lm_model_card *c = &m->card;
    lm_bytes_addf(out,
                  "\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"%s\",\"families\":[\"%s\"],\"parameter_size\":\"%.*f%s\","
                  "\"quantization_level\":\"%s\"}",
                  c->hp.family, c->hp.family, c->n_param < 1000000000 ? 2 : 1,
                  (double)c->n_param / (c->n_param < 1000000000 ? 1e6 : 1e9), c->n_param < 1000000000 ? "M" : "B", c->quantization);
}

/* Stands for the digest of the file, which would have to be read whole: the same as long as name and size are. */
static void add_digest(const struct lm_served *m, struct lm_bytes *out)
{
    uint64_t h = 14695981039346656037u;
    for (const char *s = m->name[0]; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    for (int i = 0; i < 4; i++, h = (h ^ m->card.file_bytes) * 1099511628211u)
        lm_bytes_addf(out, "%016llx", (unsigned long long)h);
}

static void add_model(const struct lm_served *m, const char *name, bool running, struct lm_bytes *out)
{
    size_t n = strlen(name);
    lm_bytes_add_str(out, "{\"name\":");
    lm_shape_string(out, name, n);
    lm_bytes_add_str(out, ",\"model\":");
    lm_shape_string(out, name, n);
    lm_bytes_add_str(out, running ? ",\"expires_at\":\"" : ",\"modified_at\":\"");
    if (running)
        lm_bytes_add_str(out, "9999-12-31T23:59:59Z");
    else
        lm_ollama_add_time(out, m->card.file_time);
    lm_bytes_addf(out, "\",\"size\":%llu,\"digest\":\"", (unsigned long long)m->card.file_bytes);
    add_digest(m, out);
    lm_bytes_add_str(out, "\",");
    if (running)
        lm_bytes_addf(out, "\"size_vram\":%llu,", (unsigned long long)(m->hello.weight_bytes + m->hello.kv_bytes));
    add_details(m, out);
    lm_bytes_add_char(out, '}');
}

static void list(struct lm_call *call, bool running)
{
    const struct lm_server *s = call->server;
    struct lm_bytes b = {0};
    bool first = true;
    lm_bytes_add_str(&b, "{\"models\":[");
    for (size_t i = 0; i < s->n_model; i++)
        for (size_t k = 0; k < (running ? 1 : s->model[i]->n_name) && (!running || lm_served_serves(s->model[i])); k++, first = false) {
            lm_bytes_add_str(&b, first ? "" : ",");
            add_model(s->model[i], s->model[i]->name[k], running, &b);
        }
    lm_bytes_add_str(&b, "]}");
    reply(call, &b);
}

void lm_ollama_tags(struct lm_call *call)
{
    list(call, false);
}

void lm_ollama_ps(struct lm_call *call)
{
    list(call, true);
}

static void show(struct lm_gen *g)
{
    const struct lm_served *m = g->model;
    const struct lm_hparams *hp = &m->card.hp;
    const struct lm_bytes *source = &m->text.source;
    lm_bytes_add_str(&g->out, "{\"modelfile\":\"\",\"parameters\":\"\",\"template\":");
    lm_shape_string(&g->out, source->data ? source->data : "", source->len);
    lm_bytes_add_char(&g->out, ',');
    add_details(m, &g->out);
    lm_bytes_addf(&g->out,
                  ",\"model_info\":{\"general.architecture\":\"%s\",\"general.parameter_count\":%llu,\"%s.context_length\":%u,"
                  "\"%s.embedding_length\":%u,\"%s.block_count\":%u,\"%s.attention.head_count\":%u,\"%s.attention.head_count_kv\":%u},"
                  "\"capabilities\":[\"completion\",\"tools\",\"embedding\"%s],\"modified_at\":\"",
                  hp->family, (unsigned long long)m->card.n_param, hp->family, hp->n_ctx_train, hp->family, hp->dim, hp->family, hp->n_layer,
                  hp->family, hp->n_head, hp->family, hp->n_kv_head, m->text.reasoning ? ",\"thinking\"" : "");
    lm_ollama_add_time(&g->out, m->card.file_time);
    lm_bytes_add_str(&g->out, "\"}");
}

void lm_ollama_show(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_CHAT, .tagged = true, .work = show};
    lm_gen_begin(call, &d);
}
