/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/bench/table.h"

#include <stdio.h>

static const int percentages[] = {10, 25, 50, 75, 90, 99};
enum { N_PERCENTAGE = sizeof percentages / sizeof *percentages };

void lm_table_print(const char *before, const char *after, int digits, struct lm_series *s)
{
    for (int i = 0; i < N_PERCENTAGE; i++)
        printf("%s%d%%%s: %.*f seconds\n", before, percentages[i], after, digits, lm_series_percentile(s, percentages[i]));
}

json_t *lm_table_json(const char *mean_key, const char *list_key, struct lm_series *s)
{
    json_t *list = json_array(), *table = json_object();
    char key[8];
    for (size_t i = 0; i < s->n; i++) /* in their order: before the percentiles sort them */
        json_array_append_new(list, json_real(s->v[i]));
    for (int i = 0; i < N_PERCENTAGE; i++) {
        snprintf(key, sizeof key, "%d", percentages[i]);
        json_object_set_new(table, key, json_real(lm_series_percentile(s, percentages[i])));
    }
    return json_pack("{s:f, s:o, s:o}", mean_key, lm_series_mean(s), list_key, list, "percentiles", table);
}
