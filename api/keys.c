/* SPDX-License-Identifier: Apache-2.0 */
#include "api/keys.h"
#include "runtime/base/sha256.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

static int read_digest(const char *s, size_t n, uint8_t out[32], struct lm_err *err)
{
    for (size_t i = 0; i < 32; i++) {
        int hi = n == 64 ? hex(s[2 * i]) : -1, lo = n == 64 ? hex(s[2 * i + 1]) : -1;
        if (hi < 0 || lo < 0)
            return lm_fail(err, LM_ECONFIG, "a key after 'sha256:' is not 64 hexadecimal digits");
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}

static int add(struct lm_keys *k, const char *s, size_t n, struct lm_err *err)
{
    uint8_t (*grown)[32] = realloc(k->digest, (k->n + 1) * sizeof *grown);
    if (!grown)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    k->digest = grown;
    int rc = 0;
    if (n > 7 && strncmp(s, "sha256:", 7) == 0)
        rc = read_digest(s + 7, n - 7, k->digest[k->n], err);
    else
        lm_sha256(s, n, k->digest[k->n]);
    k->n += rc == 0;
    return rc;
}

int lm_keys_add(struct lm_keys *k, const char *list, struct lm_err *err)
{
    int rc = 0;
    for (const char *s = list; rc == 0 && *(s += strspn(s, ", \t"));) {
        size_t n = strcspn(s, ", \t");
        rc = add(k, s, n, err);
        s += n;
    }
    return rc;
}

int lm_keys_add_file(struct lm_keys *k, const char *path, struct lm_err *err)
{
    char line[LINE_MAX_BYTES];
    size_t before = k->n;
    int rc = 0;
    FILE *f = fopen(path, "re");
    if (!f)
        return lm_fail(err, LM_ECONFIG, "api-key-file %s: %s", path, strerror(errno));
    while (rc == 0 && fgets(line, sizeof line, f)) {
        size_t n = strcspn(line, "\r\n"), lead = strspn(line, " \t");
        bool cut = !line[n] && n == sizeof line - 1;
        while (n > lead && (line[n - 1] == ' ' || line[n - 1] == '\t'))
            n--;
        if (cut)
            rc = lm_fail(err, LM_ECONFIG, "api-key-file %s: a line is too long", path);
        else if (n > lead && line[lead] != '#')
            rc = add(k, line + lead, n - lead, err);
    }
    if (rc == 0 && ferror(f))
        rc = lm_fail(err, LM_ECONFIG, "api-key-file %s: cannot be read", path);
    fclose(f);
    explicit_bzero(line, sizeof line);
    if (rc == 0 && k->n == before)
        rc = lm_fail(err, LM_ECONFIG, "api-key-file %s: there is no key in it", path);
    return rc;
}

bool lm_keys_match(const struct lm_keys *k, const char *given)
{
    uint8_t digest[32];
    unsigned good = 0;
    lm_sha256(given, strlen(given), digest);
    for (size_t i = 0; i < k->n; i++) {
        unsigned diff = 0;
        for (size_t j = 0; j < sizeof digest; j++)
            diff |= (unsigned)(digest[j] ^ k->digest[i][j]);
        good |= diff == 0;
    }
    return good;
}

void lm_keys_fini(struct lm_keys *k)
{
    free(k->digest);
    *k = (struct lm_keys){0};
}
