/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve run: load a model in this process and answer prompts, those of the arguments, of files, of standard input or of a dialog. */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/local.h"
#include "cmd/llmserve/prompt.h"
#include "cmd/llmserve/text.h"
#include "runtime/base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

struct args {
    double temperature, top_p, min_p;
    int64_t n, top_k, seed;
    const char *system;
    struct lm_bytes files;
    bool chat, raw, interactive, ignore_eos, json;
};

static const struct lm_arg_row rows[] = {
    LM_INT(struct args, n, "max-tokens n", "TOKENS", NULL, 1, 1e9, "Longest answer; else 128, of the example prompts 16"),
    LM_REAL(struct args, temperature, "temperature temp", "T", NULL, 0, 100, "0: the likeliest token; else 0, for the example prompts 0.8"),
    LM_INT(struct args, top_k, "top-k", "K", "0", 0, 1e9, "Draw among the K likeliest; 0: all"),
    LM_REAL(struct args, top_p, "top-p", "P", NULL, 1e-6, 1, "Draw among those that make up P; else 1, for the example prompts 0.95"),
    LM_REAL(struct args, min_p, "min-p", "P", "0", 0, 1, "Draw among those of at least P times the likeliest"),
    LM_INT(struct args, seed, "seed", "N", "-1", -1, 9007199254740992.0, "-1: a fresh one"),
    LM_FLAG(struct args, ignore_eos, "ignore-eos", "Go on to the longest answer"),
    LM_LIST(struct args, files, "file f", "FILE", "A prompt; may be given again, all are answered at once"),
    LM_FLAG(struct args, chat, "chat", "Put each prompt into the model's chat template"),
    LM_TEXT(struct args, system, "system", "TEXT", "What stands before the prompt in the chat template"),
    LM_FLAG(struct args, interactive, "interactive i", "A dialog on the terminal, in the chat template"),
    LM_FLAG(struct args, raw, "raw", "Add no BOS, read control tokens in the prompt"),
    LM_FLAG(struct args, json, "json", "Print JSON: prompts, answers and figures"),
};

/* What the replaced example asks, and how (vllm_offline_inference.py). */
static const char *const examples[] = {"Hello, my name is", "The president of the United States is", "The capital of France is", "The future of AI is"};

struct answer {
    const struct lm_tokenizer *tok;
    struct lm_tokens ids;
    struct lm_detok detok;
    struct lm_bytes prompt, text;
    bool live; /* written to the terminal as it comes */
};

struct work {
    struct args a;
    struct lm_local local;
    struct answer *answer;
    struct lm_local_request *request;
    size_t n;
    bool is_example;
};

static void on_token(struct lm_local_request *r, int32_t id)
{
    struct answer *a = r->arg;
    size_t from = a->text.len;
    lm_detok_push(a->tok, &a->detok, id, 0, &a->text, NULL);
    if (a->live && a->text.len > from) {
        fwrite(a->text.data + from, 1, a->text.len - from, stdout);
        fflush(stdout);
    }
}

static struct lm_local_sampling sampling_of(const struct args *a)
{
    return (struct lm_local_sampling){.temperature = a->temperature, .top_p = a->top_p, .min_p = a->min_p, .top_k = (double)a->top_k,
                                      .seed = (double)a->seed, .ignore_eos = a->ignore_eos};
}

static int add_prompt(struct work *w, const char *text, size_t n, struct lm_err *err)
{
    struct answer *grown = realloc(w->answer, (w->n + 1) * sizeof *grown);
    if (!grown)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    w->answer = grown;
    w->answer[w->n] = (struct answer){0};
    lm_bytes_add(&w->answer[w->n].prompt, text, n);
    return w->answer[w->n++].prompt.failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

static int add_file(struct work *w, const char *path, struct lm_err *err)
{
    struct lm_bytes text = {0};
    int rc = lm_text_read(path, &text, err);
    if (!rc && (strcmp(path, "-") != 0 || text.len))
        rc = add_prompt(w, text.data ? text.data : "", text.len, err);
    lm_bytes_fini(&text);
    return rc;
}

/* The prompts: of the argument and files, else of standard input, and where that says nothing the four of the example. */
static int collect(struct work *w, const char *operand, struct lm_err *err)
{
    int rc = operand ? add_prompt(w, operand, strlen(operand), err) : 0;
    for (size_t at = 0; at < w->a.files.len && !rc; at += strlen(w->a.files.data + at) + 1)
        rc = add_file(w, w->a.files.data + at, err);
    if (!rc && !w->n && !isatty(STDIN_FILENO))
        rc = add_file(w, "-", err);
    w->is_example = !rc && !w->n;
    for (size_t i = 0; i < 4 && w->is_example && !rc; i++)
        rc = add_prompt(w, examples[i], strlen(examples[i]), err);
    return rc;
}

static json_t *messages_of(const struct args *a, const struct lm_bytes *prompt)
{
    json_t *messages = json_array();
    if (a->system)
        json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", a->system));
    json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", "user", "content", prompt->data ? prompt->data : "", prompt->len));
    return messages;
}

static int encode(struct work *w, struct answer *a, struct lm_err *err)
{
    struct lm_bytes rendered = {0};
    const struct lm_bytes *text = w->a.chat ? &rendered : &a->prompt;
    unsigned flags = w->a.chat || w->a.raw ? LM_TOK_PARSE_SPECIAL : LM_TOK_ADD_SPECIAL;
    json_t *messages = w->a.chat ? messages_of(&w->a, &a->prompt) : NULL;
    int rc = w->a.chat ? lm_local_render(&w->local, messages, &rendered, err) : 0;
    if (!rc)
        rc = lm_tokenizer_encode(w->local.tok, text->data ? text->data : "", text->len, flags, 0, &a->ids, err);
    a->tok = w->local.tok;
    json_decref(messages);
    lm_bytes_fini(&rendered);
    return rc;
}

static double rate(double n, uint64_t us)
{
    return us ? n * 1e6 / (double)us : 0;
}

static void report_one(const struct lm_msg_finished *end, const struct lm_msg_hello *hello)
{
    uint32_t n_decode = end->n_output ? end->n_output - 1 : 0;
    fprintf(stderr, "load %.2f s on %s (%s); prompt %u tokens, %.1f tokens/s; answer %u tokens, %.1f tokens/s\n",
            (double)hello->load_us / 1e6, hello->backend, hello->device, (unsigned)end->n_prompt,
            rate(end->n_prompt, end->prefill_us), (unsigned)end->n_output, rate(n_decode, end->decode_us));
}

static void report_all(const struct work *w, uint64_t us)
{
    double n_in = 0, n_out = 0;
    for (size_t i = 0; i < w->n; i++) {
        n_in += w->request[i].end.n_prompt;
        n_out += w->request[i].end.n_output;
    }
    fprintf(stderr, "%zu prompts in %.2f s, est. speed input: %.2f toks/s, output: %.2f toks/s\n", w->n, (double)us / 1e6, rate(n_in, us), rate(n_out, us));
}

static void print_json(const struct work *w, uint64_t us)
{
    const struct lm_msg_hello *hello = &w->local.boot->hello;
    json_t *list = json_array(), *root = json_pack("{s:s, s:s, s:f, s:f, s:o}", "backend", hello->backend, "device", hello->device, "load_s",
                                                   (double)hello->load_us * 1e-6, "elapsed_s", (double)us * 1e-6, "answers", list);
    for (size_t i = 0; i < w->n; i++) {
        const struct answer *a = &w->answer[i];
        const struct lm_msg_finished *end = &w->request[i].end;
        json_t *prompt = json_stringn(a->prompt.data ? a->prompt.data : "", a->prompt.len);
        json_array_append_new(list, json_pack("{s:o, s:s%, s:I, s:I, s:s, s:f, s:f}", "prompt", prompt ? prompt : json_null(), "text",
            a->text.data ? a->text.data : "", a->text.len, "prompt_tokens", (json_int_t)end->n_prompt, "completion_tokens",
            (json_int_t)end->n_output, "finish_reason", end->reason == LM_FINISH_STOP ? "stop" : "length", "prefill_s",
            (double)end->prefill_us * 1e-6, "decode_s", (double)end->decode_us * 1e-6));
    }
    json_dumpf(root, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(root);
}

/* As the replaced example prints: Python's repr() of both texts. */
static void print_lines(const struct work *w)
{
    struct lm_bytes line = {0};
    for (size_t i = 0; i < w->n; i++) {
        lm_bytes_add_str(&line, "Prompt: ");
        lm_text_repr(w->answer[i].prompt.data, w->answer[i].prompt.len, &line);
        lm_bytes_add_str(&line, ", Generated text: ");
        lm_text_repr(w->answer[i].text.data, w->answer[i].text.len, &line);
        lm_bytes_add_char(&line, '\n');
    }
    fwrite(line.data, 1, line.len, stdout);
    lm_bytes_fini(&line);
}

static int answer_all(struct work *w, struct lm_err *err)
{
    struct lm_local_sampling sampling = sampling_of(&w->a);
    bool live = w->n == 1 && !w->a.json;
    int rc = 0;
    w->request = calloc(w->n, sizeof *w->request);
    if (!w->request)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < w->n && !rc; i++) {
        rc = encode(w, &w->answer[i], err);
        w->answer[i].live = live;
        w->request[i] = (struct lm_local_request){.id = w->answer[i].ids.id, .n = w->answer[i].ids.n, .max_tokens = (uint32_t)w->a.n,
                                                  .token = on_token, .arg = &w->answer[i]};
    }
    uint64_t start_us = lm_now_us();
    if (!rc)
        rc = lm_local_run(&w->local, &sampling, w->request, w->n, NULL, NULL, err);
    uint64_t us = lm_now_us() - start_us;
    for (size_t i = 0; i < w->n && !rc; i++) {
        size_t from = w->answer[i].text.len;
        lm_detok_finish(&w->answer[i].detok, &w->answer[i].text);
        if (live)
            fprintf(stdout, "%.*s\n", (int)(w->answer[i].text.len - from), w->answer[i].text.data ? w->answer[i].text.data + from : "");
    }
    if (rc)
        return rc;
    if (w->a.json)
        print_json(w, us);
    else if (!live)
        print_lines(w);
    fflush(stdout);
    if (live)
        report_one(&w->request[0].end, &w->local.boot->hello);
    else if (!w->a.json)
        report_all(w, us);
    return ferror(stdout) ? lm_fail(err, LM_EIO, "writing: %m") : 0;
}

/* One turn of the dialog: messages grow by the answer. */
static int take_turn(struct work *w, json_t *messages, struct lm_err *err)
{
    struct lm_local_sampling sampling = sampling_of(&w->a);
    struct answer a = {.tok = w->local.tok, .live = true};
    struct lm_bytes rendered = {0};
    int rc = lm_local_render(&w->local, messages, &rendered, err);
    if (!rc)
        rc = lm_tokenizer_encode(w->local.tok, rendered.data, rendered.len, LM_TOK_PARSE_SPECIAL, 0, &a.ids, err);
    struct lm_local_request r = {.id = a.ids.id, .n = a.ids.n, .max_tokens = (uint32_t)w->a.n, .token = on_token, .arg = &a};
    if (!rc)
        rc = lm_local_run(&w->local, &sampling, &r, 1, NULL, NULL, err);
    if (!rc) {
        size_t from = a.text.len;
        lm_detok_finish(&a.detok, &a.text);
        printf("%.*s\n", (int)(a.text.len - from), a.text.data ? a.text.data + from : "");
        fflush(stdout);
        json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", "assistant", "content", a.text.data ? a.text.data : "", a.text.len));
    }
    free(a.ids.id);
    lm_bytes_fini(&a.text);
    lm_bytes_fini(&rendered);
    return rc;
}

static int dialog(struct work *w, struct lm_err *err)
{
    struct lm_prompt *p = NULL;
    const char *line;
    json_t *messages = json_array();
    int rc = lm_prompt_create("run", &p, err);
    if (w->a.system)
        json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", w->a.system));
    while (!rc && (line = lm_prompt_read(p))) {
        json_t *turn = json_pack("{s:s, s:s}", "role", "user", "content", line);
        if (!turn || json_array_append_new(messages, turn))
            fputs("that is not UTF-8\n", stderr);
        else
            rc = take_turn(w, messages, err);
    }
    lm_prompt_destroy(p);
    json_decref(messages);
    return rc;
}

/* What the user did not say. */
static void set_defaults(struct args *a, bool is_example)
{
    a->n = a->n != LM_UNSET_INT ? a->n : is_example ? 16 : 128;
    a->temperature = !isnan(a->temperature) ? a->temperature : is_example ? 0.8 : 0;
    a->top_p = !isnan(a->top_p) ? a->top_p : is_example ? 0.95 : 1;
}

static int run(int argc, char **argv)
{
    struct work w = {.local.command = "run"};
    struct lm_err err = {0};
    int rc = lm_options_read(&lm_command_run.options, &w.a, &argc, argv, true, &err);
    if (!rc && w.a.chat && w.a.raw)
        rc = lm_fail(&err, LM_EINVAL, "--chat and --raw exclude each other");
    if (!rc)
        rc = lm_local_read(&w.local, NULL, &argc, argv, &err);
    if (!rc && argc > 2)
        rc = lm_fail(&err, LM_EINVAL, "unexpected argument '%.60s' after the prompt", argv[2]);
    const bool usage = rc == LM_EINVAL;
    if (!rc && !w.a.interactive)
        rc = collect(&w, argc > 1 ? argv[1] : NULL, &err);
    if (!rc) {
        set_defaults(&w.a, w.is_example);
        lm_local_limit(&w.local, w.n);
        rc = lm_local_load(&w.local, &err);
    }
    if (!rc)
        rc = w.a.interactive ? dialog(&w, &err) : answer_all(&w, &err);
    for (size_t i = 0; i < w.n; i++) {
        free(w.answer[i].ids.id);
        lm_bytes_fini(&w.answer[i].prompt);
        lm_bytes_fini(&w.answer[i].text);
    }
    free(w.answer);
    free(w.request);
    lm_local_close(&w.local);
    lm_options_fini(&lm_command_run.options, &w.a);
    return lm_command_end("run", rc == LM_EINVAL && !usage ? LM_EIO : rc, &err);
}

const struct lm_command lm_command_run = {
    .name = "run", .usage = "[PROMPT]", .help = "answer prompts in this process, without a server", .run = run, .options = LM_OPTIONS(rows), .knobs = true,
    .about = "One prompt is answered as it comes, with tokens per second on standard error; several at once, a line for each. "
             "Without a prompt, files or standard input, the four prompts of the replaced system's example are answered.",
};
