/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/json.h"
#include "runtime/base/json.h"
#include "runtime/model/map.h"

int lm_hf_json_parse(const char *text, size_t n, json_t **out, struct lm_err *err)
{
    struct lm_json_reader r = {.flags = LM_JSON_UNIQUE, .depth = LM_HF_JSON_DEPTH};
    struct lm_err why = {0};
    json_t *j = lm_json_read(&r, text, n, &why);
    if (!j)
        return lm_fail(err, why.code == LM_ENOMEM ? LM_ENOMEM : LM_EFORMAT, "%s", why.msg);
    if (!json_is_object(j)) {
        json_decref(j);
        return lm_fail(err, LM_EFORMAT, "JSON: no object at byte 0");
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
