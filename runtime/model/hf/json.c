/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/json.h"
#include "runtime/model/map.h"

/* Brackets outside of strings; whether they match is the parser's business. */
static int check_depth(const char *s, size_t n, struct lm_err *err)
{
    int depth = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"')
            for (i++; i < n && s[i] != '"'; i++)
                i += s[i] == '\\';
        else if (s[i] == '[' || s[i] == '{')
            depth++;
        else if (s[i] == ']' || s[i] == '}')
            depth--;
        if (depth > LM_HF_JSON_DEPTH)
            return lm_fail(err, LM_EFORMAT, "JSON is nested more than %d deep at byte %zu", LM_HF_JSON_DEPTH, i);
    }
    return 0;
}

int lm_hf_json_parse(const char *text, size_t n, json_t **out, struct lm_err *err)
{
    json_error_t e;
    int rc = check_depth(text, n, err);
    if (rc)
        return rc;
    json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
    if (!j)
        return lm_fail(err, LM_EFORMAT, "JSON, byte %d: %.120s", e.position, e.text);
    if (!json_is_object(j)) {
        json_decref(j);
        return lm_fail(err, LM_EFORMAT, "JSON, byte 0: no object");
    }
    *out = j;
    return 0;
}

int lm_hf_json_read(const char *path, size_t most, json_t **out, struct lm_err *err)
{
    struct lm_map map = {0};
    int rc = lm_map_open(path, &map, err);
    if (!rc && map.size > most)
        rc = lm_fail(err, LM_ELIMIT, "%zu bytes of JSON; up to %zu are read", map.size, most);
    if (!rc)
        rc = lm_hf_json_parse((const char *)map.base, map.size, out, err);
    lm_map_close(&map);
    return rc ? lm_fail_in(err, rc, "%.100s", path) : 0;
}
