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
        return lm_api_fail(e, 503, NULL, "The server is out of memory; try again later.");
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
