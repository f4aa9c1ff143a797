/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/option.h"

#include <stdlib.h>

/* The index of value among n words; -1 if it is none. */
static int word(const char *value, const char *const *words, int n)
{
    while (n-- > 0 && strcmp(value, words[n]) != 0)
        ;
    return n;
}

static int read_isa(const char *value, struct cpu_option *out, struct lm_err *err)
{
    if (strcmp(value, "auto") == 0) {
        out->isa = cpu_isa_detect();
        return 0;
    }
    for (int isa = 0; isa < CPU_N_ISA; isa++)
        if (strcmp(value, cpu_isa_name((enum cpu_isa)isa)) == 0) {
            if (!cpu_isa_has((enum cpu_isa)isa))
                return lm_fail(err, LM_ECONFIG, "isa = %s: this machine has %s at best", value, cpu_isa_name(cpu_isa_detect()));
            out->isa = (enum cpu_isa)isa;
            return 0;
        }
    return lm_fail(err, LM_ECONFIG, "isa = %s: not one of auto, portable, avx2, avxvnni, avx512, avx512bf16, amx", value);
}

static int read_threads(const char *value, struct cpu_option *out, struct lm_err *err)
{
    char *end;
    long n = strtol(value, &end, 10);
    if (end == value || *end != '\0' || n < 0 || n > CPU_MAX_THREADS)
        return lm_fail(err, LM_ECONFIG, "threads = %s: not a number from 0 to %d", value, CPU_MAX_THREADS);
    out->threads = (uint32_t)n;
    return 0;
}

static int read_devices(const char *value, struct cpu_option *out, struct lm_err *err)
{
    char *end;
    long n = strtol(value, &end, 10);
    if (end == value || *end != '\0' || n < 1 || n > CPU_MAX_DEVICES)
        return lm_fail(err, LM_ECONFIG, "devices = %s: not a number from 1 to %d", value, CPU_MAX_DEVICES);
    out->devices = (uint32_t)n;
    return 0;
}

static int read_pin(const char *value, struct cpu_option *out, struct lm_err *err)
{
    int i = word(value, (const char *const[]){"auto", "yes", "no"}, 3);
    if (i < 0)
        return lm_fail(err, LM_ECONFIG, "pin = %s: not one of auto, yes, no", value);
    out->pin = (enum cpu_pin)i;
    return 0;
}

static int read_huge_pages(const char *value, struct cpu_option *out, struct lm_err *err)
{
    int i = word(value, (const char *const[]){"no", "yes"}, 2);
    if (i < 0)
        return lm_fail(err, LM_ECONFIG, "huge-pages = %s: not one of yes, no", value);
    out->huge_pages = i == 1;
    return 0;
}

static const struct {
    const char *key;
    int (*read)(const char *value, struct cpu_option *out, struct lm_err *err);
} options[] = {{"threads", read_threads}, {"isa", read_isa}, {"pin", read_pin}, {"huge-pages", read_huge_pages},
             {"devices", read_devices}};

static bool same_key(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '_' ? '-' : *a) != *b)
            return false;
    return *a == *b;
}

int cpu_option_read(const struct lm_option *option, size_t n, struct cpu_option *out, struct lm_err *err)
{
    struct cpu_option o = {.isa = cpu_isa_detect(), .huge_pages = true, .devices = 1};
    size_t n_key = sizeof options / sizeof *options;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n_key && !same_key(option[i].key, options[k].key))
            k++;
        if (k == n_key)
            return lm_fail(err, LM_ECONFIG, "[backend cpu]: unknown key '%.40s'; there are threads, isa, pin, huge-pages, devices",
                           option[i].key);
        int rc = options[k].read(option[i].value, &o, err);
        if (rc < 0)
            return lm_fail_in(err, rc, "[backend cpu]");
    }
    *out = o;
    return 0;
}
