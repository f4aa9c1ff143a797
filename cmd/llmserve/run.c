/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve run: load a model in this process and write its answer to the terminal as it comes. */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/progress.h"
#include "conf/conf.h"
#include "conf/lora.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/engine/boot.h"
#include "runtime/engine/guard.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/folder.h"
#include "runtime/text/tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <sys/random.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 78 };

struct ask {
    double n, temp, top_k, top_p, min_p, seed;
    bool chat, raw, ignore_eos;
    const char *system, *prompt, *lora;
};

struct show {
    const struct lm_tokenizer *tok;
    struct lm_detok detok;
    struct lm_bytes text;
    struct lm_msg_finished end;
};

/* This command's own flags; all others are the configuration's. */
static const struct own_flag { const char *name; char key; bool has_value; double min, max; bool is_whole; } own_flags[] = {
    {"-n", 'n', true, 1, 1e9, true}, {"--temp", 't', true, 0, 100, false}, {"--top-k", 'k', true, 0, 1e9, true},
    {"--top-p", 'p', true, 1e-6, 1, false}, {"--min-p", 'm', true, 0, 1, false}, {"--seed", 's', true, 0, 9007199254740992.0, true},
    {"--system", 'y', true, 0, 0, false}, {"--chat", 'c', false, 0, 0, false}, {"--raw", 'r', false, 0, 0, false},
    {"--lora", 'l', true, 0, 0, false}, {"--ignore-eos", 'e', false, 0, 0, false},
};

static const struct own_flag *own_flag(const char *arg)
{
    size_t n = strcspn(arg, "=");
    for (size_t i = 0; i < sizeof own_flags / sizeof *own_flags; i++)
        if (strlen(own_flags[i].name) == n && strncmp(arg, own_flags[i].name, n) == 0)
            return &own_flags[i];
    return NULL;
}

static int set_flag(struct ask *a, const struct own_flag *f, const char *value, struct lm_err *err)
{
    char *end = NULL;
    double x = 0;
    if (f->has_value && !value)
        return lm_fail(err, LM_EINVAL, "%s needs a value", f->name);
    if (f->max > 0) {
        x = strtod(value, &end);
        if (!*value || *end || !(x >= f->min && x <= f->max) || (f->is_whole && x != floor(x)))
            return lm_fail(err, LM_EINVAL, "%s %.40s: a %snumber from %g to %g is needed", f->name, value, f->is_whole ? "whole " : "", f->min, f->max);
    }
    switch (f->key) {
    case 'n': a->n = x; break;
    case 't': a->temp = x; break;
    case 'k': a->top_k = x; break;
    case 'p': a->top_p = x; break;
    case 'm': a->min_p = x; break;
    case 's': a->seed = x; break;
    case 'y': a->system = value; break;
    case 'l': a->lora = value; break;
    case 'c': a->chat = true; break;
    case 'r': a->raw = true; break;
    default: a->ignore_eos = true;
    }
    return 0;
}

/* Take this command's own flags out of argv; -m becomes --model. */
static int take_own_flags(struct ask *a, int *io_argc, char **argv, struct lm_err *err)
{
    static char model_flag[] = "--model";
    int keep = 1, rc = 0;
    bool rest = false;
    for (int i = 1; i < *io_argc && !rc; i++) {
        const struct own_flag *f = rest ? NULL : own_flag(argv[i]);
        const char *eq = strchr(argv[i], '=');
        rest = rest || strcmp(argv[i], "--") == 0;
        if (!f)
            argv[keep++] = !rest && strcmp(argv[i], "-m") == 0 ? model_flag : argv[i];
        else if (eq || !f->has_value)
            rc = set_flag(a, f, eq ? eq + 1 : NULL, err);
        else
            rc = set_flag(a, f, i + 1 < *io_argc ? argv[++i] : NULL, err);
    }
    *io_argc = keep;
    return rc;
}

/* --lora NAME=PATH or PATH is the one adapter of lora-modules. */
static int set_lora(struct lm_conf_model *m, const char *value, struct lm_err *err)
{
    struct lm_bytes b = {0};
    lm_bytes_addf(&b, "%s%s", strchr(value, '=') || *value == '{' ? "" : "lora=", value);
    char *text = lm_bytes_take(&b);
    if (!text)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    free(m->lora_modules);
    m->lora_modules = text;
    return 0;
}

/* One sequence is enough here, unless the flags say otherwise. LM_EINVAL: wrong usage of this command's own. */
static int read_conf(struct lm_conf *c, struct ask *a, int argc, char **argv, struct lm_err *err)
{
    static char one[] = "--max-num-seqs=1";
    char **args = malloc(((size_t)argc + 2) * sizeof *args);
    if (!args)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    args[0] = argv[0];
    args[1] = one;
    memcpy(args + 2, argv + 1, (size_t)argc * sizeof *args); /* the NULL at the end too */
    argc++;
    int rc = take_own_flags(a, &argc, args, err);
    if (!rc)
        rc = lm_conf_read_env(c, err);
    if (!rc)
        rc = lm_conf_read_flags(c, &argc, args, err);
    if (!rc && a->lora && c->n_model)
        rc = set_lora(&c->model[0], a->lora, err);
    if (!rc)
        rc = lm_conf_check(c, err);
    if (!rc && argc > 2)
        rc = lm_fail(err, LM_EINVAL, "unexpected argument '%.60s' after the prompt", args[2]);
    if (!rc && a->chat && a->raw)
        rc = lm_fail(err, LM_EINVAL, "--chat and --raw exclude each other");
    a->prompt = argc > 1 ? args[1] : NULL;
    free(args);
    return rc;
}

static int read_all(FILE *f, struct lm_bytes *out, struct lm_err *err)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        lm_bytes_add(out, chunk, n);
    if (ferror(f))
        return lm_fail(err, LM_EIO, "reading: %m");
    return out->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

static int own_template(const struct lm_conf_model *m, const struct lm_gguf *g, struct lm_bytes *out, struct lm_err *err)
{
    struct lm_folder f = {0};
    if (!lm_folder_has_text(m->path, g)) {
        struct lm_gguf_str s = lm_gguf_string(g, "tokenizer.chat_template");
        lm_bytes_add(out, s.s, s.n);
        return 0;
    }
    int rc = lm_folder_open(m->path, &f, err);
    lm_bytes_add(out, f.chat.data, f.chat.len);
    lm_folder_close(&f);
    return rc;
}

/* The chat template's text: the file that the knob names, or the model's own. */
static int template_text(const struct lm_conf_model *m, const struct lm_gguf *g, struct lm_bytes *out, struct lm_err *err)
{
    if (!*m->chat_template) {
        int rc = own_template(m, g, out, err);
        return rc || out->len ? rc : lm_fail(err, LM_ENOTFOUND, "the model has no chat template: leave --chat out, or give --chat-template FILE");
    }
    FILE *f = fopen(m->chat_template, "r");
    int rc = f ? read_all(f, out, err) : lm_fail(err, LM_ENOTFOUND, "%.150s: %m", m->chat_template);
    if (f)
        fclose(f);
    return rc;
}

static void set_token_text(json_t *vars, const char *key, const struct lm_tokenizer *t, int32_t id)
{
    size_t n = 0;
    const char *s = id >= 0 ? lm_tokenizer_piece(t, id, &n) : NULL;
    if (s)
        json_object_set_new(vars, key, json_stringn(s, n));
}

static json_t *template_vars(const struct ask *a, const struct lm_bytes *prompt, const struct lm_tokenizer *t)
{
    json_t *messages = json_array(), *vars = json_pack("{s:o, s:b}", "messages", messages, "add_generation_prompt", 1);
    if (a->system)
        json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", a->system));
    json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", "user", "content", prompt->data ? prompt->data : "", prompt->len));
    set_token_text(vars, "bos_token", t, lm_tokenizer_bos(t));
    set_token_text(vars, "eos_token", t, lm_tokenizer_eos(t));
    return vars;
}

/* Put the prompt into the model's chat template. */
static int render(const struct ask *a, const struct lm_conf_model *m, const struct lm_boot *boot, const struct lm_tokenizer *t,
                  struct lm_bytes *io_prompt, struct lm_err *err)
{
    struct lm_bytes source = {0}, out = {0};
    struct lm_template *tpl = NULL;
    json_t *vars = template_vars(a, io_prompt, t);
    int rc = template_text(m, boot->gguf, &source, err);
    if (!rc)
        rc = lm_template_parse(source.data, source.len, &tpl, err);
    if (!rc)
        rc = lm_template_render(tpl, vars, NULL, &out, err);
    if (rc) {
        lm_bytes_fini(&out);
    } else {
        lm_bytes_fini(io_prompt);
        *io_prompt = out;
    }
    json_decref(vars);
    lm_template_destroy(tpl);
    lm_bytes_fini(&source);
    return rc;
}

static void on_token(void *arg, const struct lm_msg_token *token, const struct lm_msg_top *top)
{
    struct show *s = arg;
    lm_detok_push(s->tok, &s->detok, token->token, 0, &s->text, NULL);
    fwrite(s->text.data, 1, s->text.len, stdout);
    fflush(stdout);
    lm_bytes_clear(&s->text);
}

static void on_finished(void *arg, const struct lm_msg_finished *finished)
{
    struct show *s = arg;
    s->end = *finished;
    lm_detok_finish(&s->detok, &s->text);
    lm_bytes_add_char(&s->text, '\n');
    fwrite(s->text.data, 1, s->text.len, stdout);
    fflush(stdout);
}

static double rate(double n, uint64_t us)
{
    return us ? n * 1e6 / (double)us : 0;
}

static void report(const struct lm_msg_finished *end, const struct lm_msg_hello *hello)
{
    uint32_t n_decode = end->n_output ? end->n_output - 1 : 0;
    fprintf(stderr, "load %.2f s on %s (%s); prompt %u tokens, %.1f tokens/s; answer %u tokens, %.1f tokens/s\n",
            (double)hello->load_us / 1e6, hello->backend, hello->device, (unsigned)end->n_prompt,
            rate(end->n_prompt, end->prefill_us), (unsigned)end->n_output, rate(n_decode, end->decode_us));
}

/* The first adapter of lora-modules, if there is one, is the answer's. */
static int load_lora(const struct lm_conf_model *m, struct lm_engine *engine, uint32_t *out_id, struct lm_err *err)
{
    struct lm_conf_lora *list = NULL;
    size_t n = 0, bytes;
    int rc = lm_conf_lora_read(m->lora_modules, &list, &n, err);
    if (!rc && n)
        rc = lm_engine_load_lora(engine, 1, list[0].path, &bytes, err);
    *out_id = !rc && n;
    lm_conf_lora_fini(list, n);
    return rc;
}

static int generate(const struct ask *a, const struct lm_conf_model *m, const struct lm_boot *boot, const struct lm_tokenizer *t,
                    const struct lm_tokens *ids, struct lm_err *err)
{
    struct lm_engine *engine = NULL;
    struct show show = {.tok = t, .end = {.reason = LM_FINISH_ABORT}};
    const struct lm_engine_events events = {.token = on_token, .finished = on_finished, .arg = &show};
    struct lm_msg_submit_view v = {.prompt = ids->id, .h = {
        .n_prompt = (uint32_t)ids->n, .max_tokens = (uint32_t)a->n, .temperature = (float)a->temp, .top_k = (int32_t)a->top_k,
        .top_p = (float)a->top_p, .min_p = (float)a->min_p, .repetition = 1, .seed = (uint64_t)a->seed}};
    size_t n_stop = 0;
    v.stop_id = lm_tokenizer_eog(t, &n_stop);
    v.h.n_stop = a->ignore_eos ? 0 : (uint32_t)n_stop;
    if (ids->n < boot->hello.max_model_len && v.h.max_tokens > boot->hello.max_model_len - ids->n)
        v.h.max_tokens = (uint32_t)(boot->hello.max_model_len - ids->n);
    if (a->seed < 0 && getrandom(&v.h.seed, sizeof v.h.seed, 0) < 0)
        v.h.seed = lm_now_us();
    int rc = lm_engine_create(&boot->engine, &engine, err);
    if (!rc)
        rc = load_lora(m, engine, &v.h.lora, err);
    if (!rc)
        rc = lm_engine_submit(engine, &v, err);
    while (!rc && lm_engine_is_busy(engine))
        rc = lm_engine_step(engine, &events, err);
    if (!rc && show.end.reason == LM_FINISH_ERROR)
        rc = lm_fail(err, show.end.code, "%s", show.end.msg);
    if (!rc)
        report(&show.end, &boot->hello);
    lm_bytes_fini(&show.text);
    lm_engine_destroy(engine);
    return rc;
}

static int answer(const struct ask *a, const struct lm_conf *c, struct lm_bytes *io_prompt, struct lm_err *err)
{
    struct lm_boot *boot = NULL;
    struct lm_tokenizer *t = NULL;
    struct lm_tokens ids = {0};
    unsigned flags = a->chat || a->raw ? LM_TOK_PARSE_SPECIAL : LM_TOK_ADD_SPECIAL;
    struct lm_progress bar = {.what = "loading"};
    if (c->model[0].trust_remote_code)
        lm_log(LM_WARN, "run", "trust-remote-code is ignored: no code of a model is run");
    int rc = lm_guard_begin(-1, err);
    if (!rc)
        rc = lm_boot_create(c, 0, lm_progress_show, &bar, &boot, err);
    lm_progress_end(&bar);
    if (!rc && boot->warning.code)
        fprintf(stderr, "llmserve run: warning: %s\n", boot->warning.msg);
    if (!rc)
        rc = lm_folder_has_text(c->model[0].path, boot->gguf) ? lm_tokenizer_open(c->model[0].path, &t, err)
                                                              : lm_tokenizer_create(boot->gguf, &t, err);
    if (!rc && a->chat)
        rc = render(a, &c->model[0], boot, t, io_prompt, err);
    if (!rc)
        rc = lm_tokenizer_encode(t, io_prompt->data ? io_prompt->data : "", io_prompt->len, flags, 0, &ids, err);
    if (!rc && !ids.n)
        rc = lm_fail(err, LM_EINVAL, "the prompt is empty");
    if (!rc)
        rc = generate(a, &c->model[0], boot, t, &ids, err);
    free(ids.id);
    lm_tokenizer_destroy(t);
    lm_boot_destroy(boot);
    return rc;
}

static int run(int argc, char **argv)
{
    struct lm_conf c;
    struct ask a = {.n = 128, .top_p = 1, .seed = -1};
    struct lm_bytes prompt = {0};
    struct lm_err err = {0};
    int rc = lm_conf_init(&c, &err);
    if (!rc)
        rc = read_conf(&c, &a, argc, argv, &err);
    bool usage = rc == LM_EINVAL;
    if (!rc && a.prompt)
        lm_bytes_add_str(&prompt, a.prompt);
    else if (!rc)
        rc = read_all(stdin, &prompt, &err);
    if (!rc)
        rc = answer(&a, &c, &prompt, &err);
    if (rc)
        fprintf(stderr, "llmserve run: %s\n", err.msg);
    lm_bytes_fini(&prompt);
    lm_conf_fini(&c);
    return !rc ? 0 : usage ? EXIT_USAGE : rc == LM_ECONFIG ? EXIT_CONFIG : EXIT_FAILED;
}

const struct lm_command lm_command_run = {
    "run",
    "-m MODEL [-n TOKENS] [--temp T] [--top-k K] [--top-p P] [--min-p P] [--seed S] [--lora PATH] [--ignore-eos] [--chat [--system TEXT] | --raw]\n"
    "       [FLAGS OF A MODEL] [PROMPT]",
    "answer one prompt (or standard input) in this process", run};
