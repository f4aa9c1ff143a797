/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/local.h"

#include "cmd/llmserve/progress.h"
#include "conf/lora.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/engine/guard.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/folder.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

int lm_local_read(struct lm_local *l, const char *const *defaults, int *io_argc, char **argv, struct lm_err *err)
{
    static char model_flag[] = "--model";
    size_t n_default = 0, n = 0;
    bool rest = false;
    while (defaults && defaults[n_default])
        n_default++;
    char **args = calloc((size_t)*io_argc + n_default + 1, sizeof *args);
    int rc = args ? lm_conf_init(&l->conf, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    if (rc) {
        free(args);
        return rc;
    }
    args[n++] = argv[0];
    for (size_t i = 0; i < n_default; i++)
        args[n++] = (char *)defaults[i];
    for (int i = 1; i < *io_argc; i++) {
        rest = rest || strcmp(argv[i], "--") == 0;
        args[n++] = !rest && strcmp(argv[i], "-m") == 0 ? model_flag : argv[i];
    }
    int argc = (int)n;
    rc = lm_conf_read_env(&l->conf, err);
    if (!rc)
        rc = lm_conf_read_flags(&l->conf, &argc, args, err);
    if (!rc)
        rc = lm_conf_check(&l->conf, err);
    if (!rc) {
        for (int i = 1; i < argc; i++)
            argv[i] = args[i];
        *io_argc = argc;
    }
    free(args);
    return rc;
}

void lm_local_limit(struct lm_local *l, size_t n)
{
    struct lm_conf_model *m = &l->conf.model[0];
    if (m->max_num_seqs > (int64_t)n)
        m->max_num_seqs = n ? (int64_t)n : 1;
}

static int load_adapter(struct lm_local *l, struct lm_err *err)
{
    struct lm_conf_lora *list = NULL;
    size_t n = 0, bytes;
    int rc = lm_conf_lora_read(l->conf.model[0].lora_modules, &list, &n, err);
    if (!rc && n)
        rc = lm_engine_load_lora(l->engine, 1, list[0].path, &bytes, err);
    l->adapter = !rc && n;
    lm_conf_lora_fini(list, n);
    return rc;
}

static void on_lost(void *arg, const struct lm_err *why)
{
    (void)arg;
    fprintf(stderr, "llmserve: %s\n", why->msg);
    _exit(1); /* others may hold what a longer way would wait for */
}

/* Run the steps of the first process. Does not return. */
static void follow(struct lm_local *l)
{
    struct lm_plan *plan = NULL;
    struct lm_err err;
    int rc = lm_boot_create(&l->conf, 0, l->link, NULL, NULL, &l->boot, &err);
    if (!rc)
        rc = l->boot->be->prepare(l->boot->dev, &l->boot->engine.plan, &plan, &err);
    if (!rc)
        rc = lm_group_follow(l->boot->dev, plan, &err);
    if (rc) {
        fprintf(stderr, "llmserve %s: process %u: %s\n", l->command, lm_link_place(l->link)->rank, err.msg);
        _exit(1);
    }
    l->boot->be->release(l->boot->dev, plan);
    lm_local_close(l);
    exit(0);
}

/* The other processes of nodes; only the first returns. */
static int meet(struct lm_local *l, struct lm_err *err)
{
    if (l->no_engine)
        return 0;
    int rc = lm_boot_meet(&l->conf, 0, on_lost, &l->link, err);
    if (!rc && l->link && lm_link_place(l->link)->rank)
        follow(l);
    return rc;
}

int lm_local_load(struct lm_local *l, struct lm_err *err)
{
    const struct lm_conf_model *m = &l->conf.model[0];
    struct lm_progress bar = {.what = "loading"};
    if (m->trust_remote_code)
        lm_log(LM_WARN, "run", "trust-remote-code is ignored: no code of a model is run");
    int rc = lm_guard_begin(-1, err);
    if (!rc)
        rc = meet(l, err);
    if (!rc)
        rc = lm_boot_create(&l->conf, 0, l->link, lm_progress_show, &bar, &l->boot, err);
    lm_progress_end(&bar);
    if (!rc && l->boot->warning.code)
        fprintf(stderr, "llmserve %s: warning: %s\n", l->command, l->boot->warning.msg);
    if (!rc)
        rc = lm_folder_has_text(m->path, l->boot->gguf) ? lm_tokenizer_open(m->path, &l->tok, err) : lm_tokenizer_create(l->boot->gguf, &l->tok, err);
    if (!rc)
        lm_tokenizer_limit(l->tok, l->boot->hello.n_vocab);
    if (!rc && !l->no_engine)
        rc = lm_engine_create(&l->boot->engine, &l->engine, err);
    if (!rc && l->engine)
        rc = load_adapter(l, err);
    return rc;
}

void lm_local_close(struct lm_local *l)
{
    lm_engine_destroy(l->engine);
    lm_template_destroy(l->chat);
    lm_tokenizer_destroy(l->tok);
    const bool loaded = l->boot;
    lm_boot_destroy(l->boot);
    if (l->link && loaded) /* else others may not wait */
        lm_link_place(l->link)->ops->close(l->link);
    lm_conf_fini(&l->conf);
}

static int own_template(const struct lm_local *l, struct lm_bytes *out, struct lm_err *err)
{
    const struct lm_conf_model *m = &l->conf.model[0];
    struct lm_folder f = {0};
    if (!lm_folder_has_text(m->path, l->boot->gguf)) {
        struct lm_gguf_str s = lm_gguf_string(l->boot->gguf, "tokenizer.chat_template");
        lm_bytes_add(out, s.s, s.n);
        return 0;
    }
    int rc = lm_folder_open(m->path, &f, err);
    lm_bytes_add(out, f.chat.data, f.chat.len);
    lm_folder_close(&f);
    return rc;
}

/* The chat template's text: the file that the knob names, or the model's own. */
static int template_text(const struct lm_local *l, struct lm_bytes *out, struct lm_err *err)
{
    const char *path = l->conf.model[0].chat_template;
    char chunk[65536];
    if (!*path) {
        int rc = own_template(l, out, err);
        return rc || out->len ? rc : lm_fail(err, LM_ENOTFOUND, "the model has no chat template: leave --chat out, or give --chat-template FILE");
    }
    FILE *f = fopen(path, "re");
    if (!f)
        return lm_fail(err, LM_ENOTFOUND, "%.150s: %m", path);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        lm_bytes_add(out, chunk, n);
    bool bad = ferror(f) || out->failed;
    fclose(f);
    return bad ? lm_fail(err, LM_EIO, "%.150s: cannot be read", path) : 0;
}

static void set_token_text(json_t *vars, const char *key, const struct lm_tokenizer *t, int32_t id)
{
    size_t n = 0;
    const char *s = id >= 0 ? lm_tokenizer_piece(t, id, &n) : NULL;
    if (s)
        json_object_set_new(vars, key, json_stringn(s, n));
}

int lm_local_render(struct lm_local *l, const json_t *messages, struct lm_bytes *out, struct lm_err *err)
{
    struct lm_bytes source = {0};
    int rc = l->chat ? 0 : template_text(l, &source, err);
    if (!rc && !l->chat)
        rc = lm_template_parse(source.data, source.len, &l->chat, err);
    lm_bytes_fini(&source);
    if (rc)
        return rc;
    json_t *vars = json_pack("{s:O, s:b}", "messages", messages, "add_generation_prompt", 1);
    set_token_text(vars, "bos_token", l->tok, lm_tokenizer_bos(l->tok));
    set_token_text(vars, "eos_token", l->tok, lm_tokenizer_eos(l->tok));
    rc = lm_template_render(l->chat, vars, NULL, out, err);
    json_decref(vars);
    return rc;
}

struct batch {
    struct lm_local_request *r;
    size_t n_done, n_running;
    const struct lm_local_request *failed;
};

static void on_token(void *arg, const struct lm_msg_token *token, const struct lm_msg_top *top)
{
    struct lm_local_request *r = &((struct batch *)arg)->r[token->id];
    if (r->token)
        r->token(r, token->token);
}

static void on_finished(void *arg, const struct lm_msg_finished *finished)
{
    struct batch *b = arg;
    b->r[finished->id].end = *finished;
    b->n_running--;
    b->n_done++;
    if (finished->reason == LM_FINISH_ERROR && !b->failed)
        b->failed = &b->r[finished->id];
}

static int submit(struct lm_local *l, const struct lm_local_sampling *s, const struct lm_local_request *r, uint64_t id, struct lm_err *err)
{
    struct lm_msg_submit_view v = {.prompt = r->id, .h = {
        .id = id, .n_prompt = (uint32_t)r->n, .max_tokens = r->max_tokens, .temperature = (float)s->temperature, .top_k = (int32_t)s->top_k,
        .top_p = (float)s->top_p, .min_p = (float)s->min_p, .repetition = 1, .seed = (uint64_t)s->seed + id, .lora = l->adapter}};
    uint32_t most = l->boot->hello.max_model_len;
    size_t n_stop = 0;
    v.stop_id = lm_tokenizer_eog(l->tok, &n_stop);
    v.h.n_stop = s->ignore_eos ? 0 : (uint32_t)n_stop;
    if (r->n < most && v.h.max_tokens > most - r->n)
        v.h.max_tokens = most - (uint32_t)r->n;
    if (s->seed < 0 && getrandom(&v.h.seed, sizeof v.h.seed, 0) < 0)
        v.h.seed = lm_now_us();
    return r->n ? lm_engine_submit(l->engine, &v, err) : lm_fail(err, LM_EINVAL, "the prompt is empty");
}

int lm_local_run(struct lm_local *l, const struct lm_local_sampling *s, struct lm_local_request *r, size_t n,
                 void (*progress)(void *arg, uint64_t done, uint64_t total), void *progress_arg, struct lm_err *err)
{
    struct batch b = {.r = r};
    const struct lm_engine_events events = {.token = on_token, .finished = on_finished, .arg = &b};
    const size_t most = 2 * (size_t)l->boot->hello.max_num_seqs;
    size_t n_sent = 0, told = 0;
    int rc = 0;
    while (!rc && b.n_done < n) {
        while (!rc && n_sent < n && b.n_running < most && !(rc = submit(l, s, &r[n_sent], n_sent, err))) {
            n_sent++;
            b.n_running++;
        }
        if (!rc)
            rc = lm_engine_step(l->engine, &events, err);
        if (!rc && b.failed)
            rc = lm_fail(err, b.failed->end.code, "%s", b.failed->end.msg);
        if (progress && b.n_done != told)
            progress(progress_arg, told = b.n_done, n);
    }
    return rc;
}
