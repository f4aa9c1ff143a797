/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/params_list.h"

int lm_params_read_allowed(const json_t *v, uint32_t n_vocab, struct lm_arena *a, struct lm_params *out, struct lm_api_error *e)
{
    static const char name[] = "allowed_token_ids";
    size_t n = json_array_size(v);
    if (!json_is_array(v))
        return lm_api_bad(e, name, "%s must be an array of integers, got %s.", name, lm_json_kind(v));
    if (!n || n > LM_ALLOWED_IDS_MAX)
        return lm_api_bad(e, name, "%s must have 1 to %u ids, got %zu.", name, LM_ALLOWED_IDS_MAX, n);
    int32_t *id = lm_arena_alloc(a, n * sizeof *id);
    if (!id)
        return lm_api_no_memory(e);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(v, i);
        json_int_t x = json_integer_value(one);
        if (!json_is_integer(one))
            return lm_api_bad(e, name, "%s must be an array of integers, got %s in it.", name, lm_json_kind(one));
        if (x < 0 || x >= (json_int_t)n_vocab)
            return lm_api_bad(e, name, "%s: token id %lld is out of vocabulary.", name, (long long)x);
        id[i] = (int32_t)x;
    }
    out->allowed_id = id;
    out->n_allowed = (uint32_t)n;
    return 0;
}

int lm_params_check_strings(const json_t *v, const char *name, size_t max, struct lm_api_error *e)
{
    if (!json_is_array(v))
        return lm_api_bad(e, name, "%s must be an array of strings, got %s.", name, lm_json_kind(v));
    if (json_array_size(v) > max)
        return lm_api_bad(e, name, "%s must have at most %zu strings, got %zu.", name, max, json_array_size(v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *s = json_array_get(v, i);
        if (!json_is_string(s))
            return lm_api_bad(e, name, "%s must be an array of strings, got %s in it.", name, lm_json_kind(s));
        if (!json_string_length(s) || json_string_length(s) > LM_STOP_MAX_BYTES)
            return lm_api_bad(e, name, "%s: each string must have 1 to %d bytes.", name, LM_STOP_MAX_BYTES);
    }
    return 0;
}

static int read_size(const json_t *object, const char *key, int64_t least, uint32_t *out, struct lm_api_error *e)
{
    char name[64];
    const json_t *v = json_object_get(object, key);
    snprintf(name, sizeof name, "repetition_detection.%s", key);
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_integer(v))
        return lm_api_bad(e, name, "%s must be an integer, got %s.", name, lm_json_kind(v));
    if (json_integer_value(v) < least || json_integer_value(v) > LM_PATTERN_MAX)
        return lm_api_bad_int(e, name, json_integer_value(v), "%s must be %lld to %d.", name, (long long)least, LM_PATTERN_MAX);
    *out = (uint32_t)json_integer_value(v);
    return 0;
}

int lm_params_read_repetition(const json_t *v, struct lm_repetition *out, struct lm_api_error *e)
{
    static const char name[] = "repetition_detection";
    struct lm_repetition r = {.min_size = 1, .min_count = 2};
    if (!json_is_object(v))
        return lm_api_bad(e, name, "%s must be an object, got %s.", name, lm_json_kind(v));
    if (read_size(v, "max_pattern_size", 0, &r.max_size, e) || read_size(v, "min_pattern_size", 0, &r.min_size, e) ||
        read_size(v, "min_count", 2, &r.min_count, e))
        return LM_EINVAL;
    r.min_size = r.min_size ? r.min_size : 1;
    if (r.max_size && r.min_size > r.max_size)
        return lm_api_bad(e, name, "%s: min_pattern_size is beyond max_pattern_size.", name);
    *out = r;
    return 0;
}

static void no_penalties(struct lm_params *p)
{
    p->presence = p->frequency = 0;
    p->repetition = 1;
}

static void no_dry(struct lm_params *p) { p->filter.dry_multiplier = 0; }
static void no_top_n_sigma(struct lm_params *p) { p->filter.top_n_sigma = 0; }
static void no_top_k(struct lm_params *p) { p->top_k = 0; }
static void no_typical_p(struct lm_params *p) { p->filter.typical_p = 1; }
static void no_top_p(struct lm_params *p) { p->top_p = 1; }
static void no_min_p(struct lm_params *p) { p->min_p = 0; }
static void no_xtc(struct lm_params *p) { p->filter.xtc_probability = 0; }

static void no_temperature(struct lm_params *p)
{
    p->temperature = 1;
    p->filter.dynatemp_range = 0;
}

/* In their order. */
static const struct { const char *name; char letter; void (*off)(struct lm_params *p); } samplers[] = {
    {"temperature", 't', no_temperature}, {"penalties", 'e', no_penalties}, {"dry", 'd', no_dry}, {"top_n_sigma", 's', no_top_n_sigma},
    {"top_k", 'k', no_top_k}, {"typ_p", 'y', no_typical_p}, {"top_p", 'p', no_top_p}, {"min_p", 'm', no_min_p}, {"xtc", 'x', no_xtc},
};

enum { N_SAMPLER = sizeof samplers / sizeof *samplers };

static size_t sampler_of(const char *name)
{
    size_t i = 0;
    if (strcmp(name, "typical_p") == 0)
        name = "typ_p";
    while (i < N_SAMPLER && strcmp(samplers[i].name, name) != 0)
        i++;
    return i;
}

static size_t sampler_by_letter(char letter)
{
    size_t i = 0;
    while (i < N_SAMPLER && samplers[i].letter != letter)
        i++;
    return i;
}

int lm_params_read_samplers(const json_t *v, struct lm_params *out, struct lm_api_error *e)
{
    static const char name[] = "samplers";
    const char *letters = json_string_value(v);
    bool on[N_SAMPLER] = {false};
    size_t last = 0, n = letters ? json_string_length(v) : json_array_size(v);
    if (!letters && lm_params_check_strings(v, name, 2 * N_SAMPLER, e))
        return LM_EINVAL;
    for (size_t i = 0; i < n; i++) {
        size_t k = letters ? sampler_by_letter(letters[i]) : sampler_of(json_string_value(json_array_get(v, i)));
        if (k == N_SAMPLER)
            return lm_api_bad(e, name, "%s[%zu] is none of penalties, dry, top_n_sigma, top_k, typ_p, top_p, min_p, xtc, temperature.", name, i);
        if (k && k < last)
            return lm_api_bad(e, name, "%s can only stand in the order penalties, dry, top_n_sigma, top_k, typ_p, top_p, min_p, xtc.", name);
        on[k] = true;
        last = k ? k : last;
    }
    for (size_t i = 0; i < N_SAMPLER; i++)
        if (!on[i])
            samplers[i].off(out);
    return 0;
}

int lm_params_check_lora(const json_t *v, struct lm_api_error *e)
{
    static const char name[] = "lora";
    size_t n_on = 0;
    if (!json_is_array(v))
        return lm_api_bad(e, name, "%s must be an array of objects, got %s.", name, lm_json_kind(v));
    if (json_array_size(v) > LM_LORA_MAX)
        return lm_api_bad(e, name, "%s must have at most %d adapters, got %zu.", name, LM_LORA_MAX, json_array_size(v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i), *id = json_object_get(one, "id"), *scale = json_object_get(one, "scale");
        double s = json_number_value(scale);
        if (!json_is_integer(id) || !json_is_number(scale))
            return lm_api_bad(e, name, "%s[%zu] must be an object with an integer `id` and a number `scale`.", name, i);
        if (s != 0 && s != 1)
            return lm_api_bad(e, name, "%s[%zu].scale must be 0 or 1: adapters are applied as they were trained.", name, i);
        n_on += s != 0;
    }
    return n_on > 1 ? lm_api_bad(e, name, "%s: a request has at most one adapter, got %zu.", name, n_on) : 0;
}
