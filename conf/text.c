/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include "conf/knob.h"

/* "_" as "-", into out[size]. */
static const char *dashed(const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s", name);
    for (char *p = out; *p; p++)
        if (*p == '_')
            *p = '-';
    return out;
}

static void add_range(struct lm_bytes *b, const struct lm_knob *k)
{
    if (k->type == LM_KNOB_ENUM)
        lm_bytes_addf(b, " (%s)", k->min);
    else if (*k->min && *k->max)
        lm_bytes_addf(b, " (%s to %s)", k->min, k->max);
    else if (k->type == LM_KNOB_BOOL)
        lm_bytes_add_str(b, " (yes|no)");
}

static void add_section(struct lm_bytes *b, enum lm_knob_section section,
                        void (*row)(struct lm_bytes *, const struct lm_knob *, const char *name))
{
    char name[64];
    for (size_t i = 0; i < lm_n_knobs; i++)
        if (lm_knobs[i].section == section)
            row(b, &lm_knobs[i], dashed(lm_knobs[i].name, name, sizeof name));
}

#define COMMENT_BYTES 110 /* of a line; the file's reader takes no longer one than 199 */

/* As comment lines, broken at spaces and behind '|'. */
static void add_comment(struct lm_bytes *b, const char *s)
{
    while (*s) {
        size_t n = strlen(s), cut = n;
        for (size_t i = 1; n > COMMENT_BYTES && i <= COMMENT_BYTES; i++)
            if (s[i] == ' ' || s[i - 1] == '|')
                cut = i;
        lm_bytes_add_str(b, "# ");
        lm_bytes_add(b, s, cut);
        lm_bytes_add_char(b, '\n');
        s += cut;
        s += *s == ' ';
    }
}

static void ini_row(struct lm_bytes *b, const struct lm_knob *k, const char *name)
{
    struct lm_bytes text = {0};
    lm_bytes_add_str(&text, k->help);
    add_range(&text, k);
    add_comment(b, text.data ? text.data : "");
    lm_bytes_fini(&text);
    lm_bytes_addf(b, "# %s =%s%s\n", name, *k->def ? " " : "", k->def);
}

char *lm_conf_default_ini(void)
{
    struct lm_bytes b = {0};
    lm_bytes_add_str(&b, "# llmserve.ini: every key with its default. Remove the \"# \" in front of a key to set it.\n"
                         "# Lines are at most 199 bytes; a line that begins with a space continues the one before.\n\n[server]\n");
    add_section(&b, LM_KNOB_SERVER, ini_row);
    lm_bytes_add_str(&b, "\n# One section for each model; NAME is what requests call it.\n# [model NAME]\n");
    add_section(&b, LM_KNOB_MODEL, ini_row);
    lm_bytes_add_str(&b, "\n# Options of a backend, checked by its plugin.\n# [backend cpu]\n"
                         "# threads = 0\n# isa = auto\n# [backend cl]\n# platform =\n# device =\n# memory = 0\n# cache = auto\n"
                         "# [backend ze]\n# device =\n# memory = 0\n# cache = auto\n");
    return lm_bytes_take(&b);
}

static void help_row(struct lm_bytes *b, const struct lm_knob *k, const char *name)
{
    lm_bytes_addf(b, "  --%s%s\n        %s", name, k->type == LM_KNOB_BOOL ? ", --no-..." : " VALUE", k->help);
    add_range(b, k);
    if (*k->def)
        lm_bytes_addf(b, " [%s]", k->def);
    lm_bytes_add_char(b, '\n');
}

char *lm_conf_help(void)
{
    struct lm_bytes b = {0};
    lm_bytes_add_str(&b, "  --config FILE\n        Configuration; else ./llmserve.ini, else the one in the system's folder\n\nServer:\n");
    add_section(&b, LM_KNOB_SERVER, help_row);
    lm_bytes_add_str(&b, "\nModel (win over every section):\n");
    add_section(&b, LM_KNOB_MODEL, help_row);
    lm_bytes_add_str(&b, "  --backend-option NAME.key=VALUE\n        An option of the section [backend NAME]\n");
    return lm_bytes_take(&b);
}

static void add_troff(struct lm_bytes *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' || *s == '-')
            lm_bytes_add_char(b, '\\');
        lm_bytes_add_char(b, *s);
        if (*s == '|') /* a line may break here */
            lm_bytes_add_str(b, "\\:");
    }
}

static void man_row(struct lm_bytes *b, const struct lm_knob *k, const char *name)
{
    struct lm_bytes range = {0};
    lm_bytes_add_str(b, ".TP\n.B ");
    add_troff(b, name);
    lm_bytes_add_str(b, *k->def ? " = " : "");
    add_troff(b, k->def);
    lm_bytes_add_char(b, '\n');
    add_troff(b, k->help);
    add_range(&range, k);
    if (range.data)
        add_troff(b, range.data);
    lm_bytes_add_str(b, ".\n");
    lm_bytes_fini(&range);
}

static const char man_examples[] =
    ".SH EXAMPLES\nA model on the first GPU for this machine alone:\n.PP\n.EX\n[server]\nport = 8000\n\n[model qwen]\n"
    "path = /var/lib/llmserve/models/Qwen2.5\\-7B\\-Instruct\nbackend = cl\nload\\-in\\-low\\-bit = sym_int4\nlow\\-bit\\-cache = /var/cache/llmserve\n.EE\n"
    ".PP\nTwo models for a network, with keys, metrics under the names of vLLM 0.6 too, and spans for a collector:\n.PP\n.EX\n[server]\n"
    "host = 0.0.0.0\nport = 8443\nssl\\-certfile = /etc/llmserve/chain.pem\nssl\\-keyfile = /etc/llmserve/key.pem\n"
    "api\\-key\\-file = /etc/llmserve/keys\nmetric\\-names = both\notlp\\-endpoint = http://localhost:4318\naccess\\-log = json\n\n"
    "[model large]\npath = /srv/models/large\\-00001\\-of\\-00004.gguf\nserved\\-model\\-name = gpt\\-4o, default\nmax\\-model\\-len = 16K\n\n"
    "[model small]\npath = /srv/models/small.gguf\nbackend = cpu\ncpu\\-kvcache\\-space = 2G\n\n[backend cpu]\nthreads = 4\n.EE\n";

char *lm_conf_man(void)
{
    struct lm_bytes b = {0};
    lm_bytes_add_str(&b, ".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made from conf/knobs.def: make update-generated\n"
                         ".TH LLMSERVE.INI 5 \"\" \"llmserve\" \"File Formats\"\n.ad l\n.SH NAME\nllmserve.ini \\- configuration of llmserved\n"
                         ".SH DESCRIPTION\nSections are\n.BR [server] ,\n.B [model NAME]\n(one for each model) and\n.B [backend NAME]\n"
                         "(options of a plugin). Flags of the same names win over the file, and so does the environment\n"
                         "(LLMSERVE_ and the key in capitals). Keys may be written with dashes or underscores.\n.SH [server]\n");
    add_section(&b, LM_KNOB_SERVER, man_row);
    lm_bytes_add_str(&b, ".SH [model NAME]\n");
    add_section(&b, LM_KNOB_MODEL, man_row);
    lm_bytes_add_str(&b, man_examples);
    lm_bytes_add_str(&b, ".SH SEE ALSO\n.BR llmserved (8),\n.BR llmserve (1)\n");
    return lm_bytes_take(&b);
}

static void flag_row(struct lm_bytes *b, const struct lm_knob *k, const char *name)
{
    struct lm_bytes range = {0};
    lm_bytes_add_str(b, ".TP\n.B \\-\\-");
    add_troff(b, name);
    lm_bytes_add_str(b, k->type == LM_KNOB_BOOL ? "\n" : " \\fIVALUE\\fR\n");
    add_troff(b, k->help);
    add_range(&range, k);
    if (range.data)
        add_troff(b, range.data);
    if (*k->def) {
        lm_bytes_add_str(b, " [");
        add_troff(b, k->def);
        lm_bytes_add_char(b, ']');
    }
    lm_bytes_add_str(b, ".\n");
    lm_bytes_fini(&range);
}

char *lm_conf_man_flags(void)
{
    struct lm_bytes b = {0};
    lm_bytes_add_str(&b, ".SS Server\n");
    add_section(&b, LM_KNOB_SERVER, flag_row);
    lm_bytes_add_str(&b, ".SS Model\n");
    add_section(&b, LM_KNOB_MODEL, flag_row);
    return lm_bytes_take(&b);
}
