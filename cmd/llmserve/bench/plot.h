/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BENCH_PLOT_H
#define LM_BENCH_PLOT_H
/**
 * Plots as plain SVG, with nothing but text and lines: panels one below the other, several lines each.
 *
 * Thread   [any]
 */
#include "runtime/base/buf.h"

enum { LM_PLOT_LINES = 6 };

struct lm_plot_line {
    const char *name;
    const double *x, *y; /* [n], x ascending */
    size_t n;
};

struct lm_plot_panel {
    const char *title, *x_label, *y_label;
    struct lm_plot_line line[LM_PLOT_LINES];
    size_t n_line;
};

/** Append an SVG document. Texts are escaped. */
void lm_plot_svg(const struct lm_plot_panel *panel, size_t n, struct lm_bytes *out);
#endif
