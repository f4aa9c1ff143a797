/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads bodies from standard input, each its length (4 bytes) and its bytes, as the API reads a request's; writes for each a
 * length and "=" with the value as JSON, or "!" with why there is none. For json_node.js.
 */
#include "api/json.h"

#include <stdlib.h>

static int answer(char kind, const char *s)
{
    uint32_t n = (uint32_t)strlen(s) + 1;
    return fwrite(&n, sizeof n, 1, stdout) == 1 && putchar(kind) != EOF && fputs(s, stdout) != EOF ? 0 : 1;
}

static int judge(const char *s, size_t n)
{
    struct lm_api_error e;
    json_t *v = NULL;
    if (lm_json_parse(s, n, &v, &e))
        return answer('!', e.message);
    char *text = json_dumps(v, JSON_COMPACT);
    int rc = text ? answer('=', text) : 1;
    free(text);
    json_decref(v);
    return rc;
}

int main(void)
{
    uint32_t n;
    int rc = 0;
    while (!rc && fread(&n, sizeof n, 1, stdin) == 1) {
        char *s = malloc(n + 1);
        rc = !s || fread(s, 1, n, stdin) != n || judge(s, n);
        free(s);
    }
    return rc;
}
