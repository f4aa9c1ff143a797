/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include "conf/knob.h"
#include "conf/section.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 199 }; /* what inih's line buffer holds as distributions build it */

struct reading {
    struct lm_conf *conf;
    struct lm_err *err;
    FILE *file;
    int rc;
    int line, long_line, nul_line; /* 0: none */
    char section[64];
    bool seen[128]; /* rows set in this section */
};

/* "model NAME" -> NAME; NULL when the section is not of this kind. */
static const char *named(const char *section, const char *kind)
{
    size_t n = strlen(kind);
    if (strncmp(section, kind, n) != 0 || section[n] != ' ')
        return NULL;
    const char *name = section + n + strspn(section + n, " \t");
    return *name ? name : NULL;
}

/* A list goes on in the lines behind its first. */
static int add_to_list(const struct lm_knob *k, void *base, const char *value, struct lm_err *err)
{
    struct lm_bytes b = {0};
    lm_knob_print(k, base, &b);
    lm_bytes_addf(&b, "%s%s", b.len ? "," : "", value);
    int rc = b.failed ? lm_fail(err, LM_ENOMEM, "out of memory") : lm_knob_set(k, base, b.data, err);
    lm_bytes_fini(&b);
    return rc;
}

static int set_row(struct reading *r, enum lm_knob_section kind, void *base, const char *key, const char *value)
{
    const struct lm_knob *k = lm_knob_find(kind, key);
    if (!k)
        return lm_fail(r->err, LM_ECONFIG, "unknown key; the nearest is '%s'", lm_knob_nearest((int)kind, key));
    size_t row = (size_t)(k - lm_knobs);
    if (row < sizeof r->seen && r->seen[row] && k->type == LM_KNOB_LIST)
        return add_to_list(k, base, value, r->err);
    if (row < sizeof r->seen && r->seen[row])
        return lm_fail(r->err, LM_ECONFIG, "set twice (a line that begins with a space continues the one before)");
    if (row < sizeof r->seen)
        r->seen[row] = true;
    return lm_knob_set(k, base, value, r->err);
}

static int set_key(struct reading *r, const char *section, const char *key, const char *value)
{
    const char *name;
    if (strcmp(section, "server") == 0)
        return set_row(r, LM_KNOB_SERVER, &r->conf->server, key, value);
    if ((name = named(section, "model"))) {
        struct lm_conf_model *m;
        int rc = lm_conf_model_section(r->conf, name, &m, r->err);
        return rc ? rc : set_row(r, LM_KNOB_MODEL, m, key, value);
    }
    if ((name = named(section, "backend")))
        return lm_conf_backend_option(r->conf, name, key, value, r->err);
    return lm_fail(r->err, LM_ECONFIG, "unknown section; there are [server], [model NAME] and [backend NAME]");
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
    struct reading *r = user;
    if (r->rc)
        return 1; /* only the first error counts */
    if (strcmp(r->section, section) != 0) {
        snprintf(r->section, sizeof r->section, "%s", section);
        memset(r->seen, 0, sizeof r->seen);
    }
    r->rc = set_key(r, section, key, value);
    if (r->rc)
        lm_fail_in(r->err, r->rc, "[%.60s] %.60s", section, key);
    return r->rc == 0;
}

static char *read_line(char *buf, int size, void *stream)
{
    struct reading *r = stream;
    memset(buf, '\n', (size_t)size);
    char *line = fgets(buf, size, r->file);
    if (line) {
        size_t n = strlen(line);
        r->line++;
        if (!r->nul_line && memrchr(line, 0, (size_t)size) != line + n)
            r->nul_line = r->line;
        if (!r->long_line && n + 1 >= (size_t)size && line[n - 1] != '\n' && !feof(r->file))
            r->long_line = r->line;
    }
    return line;
}

int lm_conf_read_ini(struct lm_conf *c, const char *path, struct lm_err *err)
{
    struct lm_err inner = {0};
    struct reading r = {.conf = c, .err = &inner};
    r.file = fopen(path, "re");
    if (!r.file)
        return lm_fail(err, LM_ECONFIG, "%s: %s", path, strerror(errno));
    int bad = ini_parse_stream(read_line, &r, on_key, &r);
    fclose(r.file);
    if (r.nul_line) /* as a disk leaves them that lost its power */
        return lm_fail(err, LM_ECONFIG, "%.150s:%d: a NUL byte: this is no text file, or one that was damaged", path, r.nul_line);
    if (r.long_line && (bad <= 0 || r.long_line <= bad))
        return lm_fail(err, LM_ECONFIG, "%.150s:%d: the line is longer than %d bytes", path, r.long_line, LINE_MAX_BYTES);
    if (r.rc && bad > 0)
        return lm_fail(err, r.rc, "%.120s:%d: %.110s", path, bad, inner.msg);
    if (bad)
        return lm_fail(err, LM_ECONFIG, "%.150s:%d: not a line of the form key = value or [section]", path, bad);
    char *copy = strdup(path);
    if (!copy)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    free(c->path);
    c->path = copy;
    return 0;
}
