/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tools/tools.h"

#include <string.h>

static bool all_strings(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return false;
    return json_array_size(list) > 0;
}

static enum lm_tool_kind kind_of_all(const json_t *list)
{
    enum lm_tool_kind kind = json_array_size(list) ? LM_TOOL_STRING : LM_TOOL_UNKNOWN;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (lm_tool_kind_of(json_array_get(list, i)) != LM_TOOL_STRING)
            kind = LM_TOOL_OTHER;
    return kind;
}

enum lm_tool_kind lm_tool_kind_of(const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type"), *list = json_object_get(schema, "enum"), *one = json_object_get(schema, "const");
    const json_t *any = json_object_get(schema, "anyOf");
    if (json_array_size(type) == 1)
        type = json_array_get(type, 0);
    if (json_is_string(type))
        return strcmp(json_string_value(type), "string") == 0 ? LM_TOOL_STRING : LM_TOOL_OTHER;
    if (type || json_object_get(schema, "$ref") || json_object_get(schema, "allOf"))
        return LM_TOOL_OTHER;
    if (list || one)
        return all_strings(list) || json_is_string(one) ? LM_TOOL_STRING : LM_TOOL_OTHER;
    return kind_of_all(any ? any : json_object_get(schema, "oneOf"));
}

static int take_params(const json_t *properties, struct lm_arena *a, struct lm_tool *out)
{
    const char *key;
    json_t *v;
    out->param = lm_arena_alloc(a, json_object_size(properties) * sizeof *out->param);
    if (!out->param)
        return LM_ENOMEM;
    json_object_foreach((json_t *)(uintptr_t)properties, key, v) {
        struct lm_tool_param *p = &out->param[out->n_param++];
        p->kind = lm_tool_kind_of(v);
        p->name = lm_arena_copy(a, key, strlen(key));
        if (!p->name)
            return LM_ENOMEM;
    }
    return 0;
}

int lm_tool_list_init(const json_t *tools, struct lm_arena *a, struct lm_tool_list *out)
{
    struct lm_tool_list list = {.tool = lm_arena_alloc(a, json_array_size(tools) * sizeof *list.tool)};
    for (; list.tool && list.n < json_array_size(tools); list.n++) {
        const json_t *f = json_object_get(json_array_get(tools, list.n), "function"), *name = json_object_get(f, "name");
        struct lm_tool *t = &list.tool[list.n];
        t->name = lm_arena_copy(a, json_string_value(name) ? json_string_value(name) : "", json_string_length(name));
        if (!t->name || take_params(json_object_get(json_object_get(f, "parameters"), "properties"), a, t))
            return LM_ENOMEM;
    }
    *out = list;
    return list.tool ? 0 : LM_ENOMEM;
}
