/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve inspect: show the metadata and tensors of a GGUF file. The file is hostile: its strings are escaped. */
#include "cmd/llmserve/command.h"
#include "runtime/base/buf.h"
#include "runtime/base/utf8.h"
#include "runtime/model/lmq.h"
#include "runtime/model/source.h"
#include <math.h>
#include <stdlib.h>

enum { TEXT_MAX = 60, HEAD = 6 }; /* bytes of a string, elements of an array that are shown */

static const char *const types[] = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};

/* Characters that move the cursor, hide or reorder text. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* For a terminal: controls as \u{..}, ill-formed bytes as \x.. . */
static void add_shown(struct lm_bytes *out, struct lm_gguf_str s, size_t most)
{
    size_t n = s.n < most ? s.n : most;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int len = lm_utf8_decode(s.s + i, s.n - i, &c);
        if (len <= 0)
            lm_bytes_addf(out, "\\x%02x", (unsigned char)s.s[i]);
        else if (c == '\n')
            lm_bytes_add_str(out, "\\n");
        else if (is_control(c))
            lm_bytes_addf(out, "\\u{%x}", c);
        else
            lm_bytes_add(out, s.s + i, (size_t)len);
        i += len > 0 ? (size_t)len : 1;
    }
    if (n < s.n)
        lm_bytes_add_str(out, "...");
}

/* A JSON string without raw controls; ill-formed bytes become U+FFFD. */
static void add_json(struct lm_bytes *out, struct lm_gguf_str s)
{
    lm_bytes_add_char(out, '"');
    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        int len = lm_utf8_decode(s.s + i, s.n - i, &c);
        if (len <= 0)
            lm_bytes_add_str(out, "\\ufffd");
        else if (is_control(c))
            lm_bytes_addf(out, "\\u%04x", c);
        else
            lm_bytes_add_json(out, s.s + i, (size_t)len);
        i += len > 0 ? (size_t)len : 1;
    }
    lm_bytes_add_char(out, '"');
}

static void add_string(struct lm_bytes *out, struct lm_gguf_str s, bool json)
{
    if (json) {
        add_json(out, s);
        return;
    }
    lm_bytes_add_char(out, '"');
    add_shown(out, s, TEXT_MAX);
    lm_bytes_add_char(out, '"');
}

static void add_number(struct lm_bytes *out, const struct lm_gguf_value *v, uint64_t i, bool json)
{
    double d = lm_gguf_elem_f64(v, i);
    uint64_t u = 0;
    if (v->elem == LM_GGUF_BOOL) {
        lm_bytes_add_str(out, v->at[i] ? "true" : "false");
    } else if (v->elem == LM_GGUF_U64) {
        for (int k = 0; k < 8; k++)
            u |= (uint64_t)v->at[i * 8 + (uint64_t)k] << 8 * k;
        lm_bytes_addf(out, "%llu", (unsigned long long)u);
    } else if (v->elem != LM_GGUF_F32 && v->elem != LM_GGUF_F64) {
        lm_bytes_addf(out, "%lld", (long long)lm_gguf_elem_i64(v, i));
    } else if (json && !isfinite(d)) {
        lm_bytes_add_str(out, "null");
    } else {
        lm_bytes_addf(out, "%.*g", v->elem == LM_GGUF_F32 ? 9 : 17, d);
    }
}

/* The first elements of an array, or a scalar's one. */
static void add_head(struct lm_bytes *out, const struct lm_gguf_value *v, bool json)
{
    const unsigned char *cursor = NULL;
    struct lm_gguf_str s;
    for (uint64_t i = 0; i < v->n && i < HEAD; i++) {
        if (i)
            lm_bytes_add_str(out, ", ");
        if (v->elem != LM_GGUF_STRING)
            add_number(out, v, i, json);
        else if (v->type != LM_GGUF_ARRAY)
            add_string(out, (struct lm_gguf_str){(const char *)v->at + 8, v->bytes - 8}, json);
        else if (lm_gguf_next_string(v, &cursor, &s))
            add_string(out, s, json);
    }
}

static uint64_t n_elements(const struct lm_gguf_tensor *t)
{
    return t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3];
}

static void add_shape(struct lm_bytes *out, const struct lm_gguf_tensor *t, const char *between)
{
    for (uint32_t i = 0; i < t->n_dim; i++)
        lm_bytes_addf(out, "%s%llu", i ? between : "", (unsigned long long)t->dim[i]);
}

/* The ids of all types, GGUF's and llmserve's own: i from 0 on; UINT32_MAX after the last. */
static uint32_t type_at(uint32_t i)
{
    if (i < LM_Q_GGUF_END)
        return i;
    return i - LM_Q_GGUF_END < LM_Q_LOW_BIT_END - LM_Q_LOW_BIT ? LM_Q_LOW_BIT + (i - LM_Q_GGUF_END) : UINT32_MAX;
}

struct total {
    uint64_t tensors, bytes, elements;
};

static struct total total_of(const struct lm_gguf *g, uint32_t qtype, bool all)
{
    struct total sum = {0};
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
        if (!all && t->qtype != qtype)
            continue;
        sum.tensors++;
        sum.bytes += t->bytes;
        sum.elements += n_elements(t);
    }
    return sum;
}

static void add_text(struct lm_bytes *out, const struct lm_gguf *g)
{
    for (size_t i = 0; i < lm_gguf_n_values(g); i++) {
        const struct lm_gguf_value *v = lm_gguf_value_at(g, i);
        size_t start = out->len;
        add_shown(out, v->key, TEXT_MAX);
        lm_bytes_addf(out, "%*s ", out->len - start < 44 ? (int)(44 - (out->len - start)) : 0, "");
        if (v->type == LM_GGUF_ARRAY)
            lm_bytes_addf(out, "%llu x ", (unsigned long long)v->n);
        lm_bytes_addf(out, "%s  ", types[v->elem]);
        add_head(out, v, false);
        lm_bytes_add_str(out, v->n > HEAD ? ", ...\n" : "\n");
    }
    lm_bytes_addf(out, "\n%-44s %-8s %-24s %14s %14s\n", "tensor", "type", "columns x rows", "bytes", "offset");
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
        struct lm_bytes name = {0}, shape = {0};
        add_shown(&name, t->name, TEXT_MAX);
        add_shape(&shape, t, " x ");
        lm_bytes_addf(out, "%-44s %-8s %-24s %14zu %14llu\n", name.data ? name.data : "", lm_qtype_info(t->qtype)->name,
                      shape.data ? shape.data : "", t->bytes, (unsigned long long)t->offset);
        lm_bytes_fini(&name);
        lm_bytes_fini(&shape);
    }
    lm_bytes_addf(out, "\n%-8s %8s %16s %16s\n", "type", "tensors", "bytes", "parameters");
    for (uint32_t i = 0, q = 0; q != UINT32_MAX; i++) {
        q = type_at(i);
        struct total sum = total_of(g, q, q == UINT32_MAX);
        if (sum.tensors || q == UINT32_MAX)
            lm_bytes_addf(out, "%-8s %8llu %16llu %16llu\n", q == UINT32_MAX ? "all" : lm_qtype_info(q)->name,
                          (unsigned long long)sum.tensors, (unsigned long long)sum.bytes, (unsigned long long)sum.elements);
    }
}

static void add_json_file(struct lm_bytes *out, const struct lm_gguf *g)
{
    lm_bytes_add_str(out, "{\"metadata\": {");
    for (size_t i = 0; i < lm_gguf_n_values(g); i++) {
        const struct lm_gguf_value *v = lm_gguf_value_at(g, i);
        lm_bytes_add_str(out, i ? ",\n " : "\n ");
        add_json(out, v->key);
        lm_bytes_add_str(out, ": ");
        if (v->type == LM_GGUF_ARRAY)
            lm_bytes_addf(out, "{\"type\": \"%s\", \"n\": %llu, \"head\": [", types[v->elem], (unsigned long long)v->n);
        add_head(out, v, true);
        if (v->type == LM_GGUF_ARRAY)
            lm_bytes_add_str(out, "]}");
    }
    lm_bytes_add_str(out, "\n}, \"tensors\": [");
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
        lm_bytes_add_str(out, i ? ",\n {\"name\": " : "\n {\"name\": ");
        add_json(out, t->name);
        lm_bytes_addf(out, ", \"type\": \"%s\", \"shape\": [", lm_qtype_info(t->qtype)->name);
        add_shape(out, t, ", ");
        lm_bytes_addf(out, "], \"bytes\": %zu, \"offset\": %llu}", t->bytes, (unsigned long long)t->offset);
    }
    lm_bytes_add_str(out, "\n], \"types\": {");
    for (uint32_t i = 0, n = 0; type_at(i) != UINT32_MAX; i++) {
        uint32_t q = type_at(i);
        struct total sum = total_of(g, q, false);
        if (sum.tensors)
            lm_bytes_addf(out, "%s\"%s\": {\"tensors\": %llu, \"bytes\": %llu, \"parameters\": %llu}", n++ ? ", " : "",
                          lm_qtype_info(q)->name, (unsigned long long)sum.tensors, (unsigned long long)sum.bytes,
                          (unsigned long long)sum.elements);
    }
    struct total all = total_of(g, 0, true);
    lm_bytes_addf(out, "}, \"bytes\": %llu, \"parameters\": %llu}\n", (unsigned long long)all.bytes,
                  (unsigned long long)all.elements);
}

struct args {
    bool json;
};

static const struct lm_arg_row rows[] = {LM_FLAG(struct args, json, "json", "Print JSON")};

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_gguf *g;
    struct lm_bytes out = {0};
    struct lm_err err = {0};
    int rc = lm_options_read(&lm_command_inspect.options, &a, &argc, argv, false, &err);
    if (!rc && argc != 2)
        rc = lm_fail(&err, LM_EINVAL, argc < 2 ? "a model is needed" : "unexpected argument '%.60s'", argv[argc - 1]);
    if (rc)
        return lm_command_end("inspect", rc, &err);
    char *file = NULL;
    rc = lm_lmq_model_path(argv[1], "", &file, &err);
    if (!rc)
        rc = lm_source_open(file, &g, &err);
    free(file);
    if (rc) {
        lm_command_complain("inspect", &err);
        return 1;
    }
    (a.json ? add_json_file : add_text)(&out, g);
    lm_gguf_close(g);
    bool good = !out.failed && fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    if (!good)
        fprintf(stderr, "llmserve inspect: %s\n", out.failed ? "out of memory" : "cannot write");
    lm_bytes_fini(&out);
    return good ? 0 : 1;
}

const struct lm_command lm_command_inspect = {
    .name = "inspect", .usage = "MODEL", .help = "show a model's metadata and tensors", .run = run, .options = LM_OPTIONS(rows),
    .about = "Of a GGUF file, of all parts of a split one, or of a Hugging Face folder under GGUF's names.",
};
