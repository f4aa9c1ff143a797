/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/bench/plot.h"

#include <math.h>

/* Of a panel, in user units: the frame of its axes stands at (LEFT, TOP) and is FRAME_W x FRAME_H. */
enum { WIDTH = 760, HEIGHT = 340, LEFT = 80, TOP = 40, FRAME_W = 520, FRAME_H = 230 };

static const char *const color[LM_PLOT_LINES] = {"#0b6fb8", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#475569"};

struct scale { double max, step; };

static void add_escaped(struct lm_bytes *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '<' || *s == '>' || *s == '&')
            lm_bytes_addf(out, "&#%d;", *s);
        else
            lm_bytes_add_char(out, *s);
    }
}

static void add_text(struct lm_bytes *out, double x, double y, const char *more, const char *s)
{
    lm_bytes_addf(out, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, more);
    add_escaped(out, s);
    lm_bytes_add_str(out, "</text>\n");
}

/* From 0 to a round number above all, in about five steps of 1, 2 or 5 times a power of ten. */
static struct scale scale_of(double most)
{
    if (!(most > 0))
        most = 1;
    double power = pow(10, floor(log10(most / 5))), part = most / 5 / power;
    struct scale s = {.step = (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10) * power};
    s.max = ceil(most / s.step - 1e-9) * s.step;
    return s;
}

static double most_of(const struct lm_plot_panel *p, bool of_y)
{
    double most = 0;
    for (size_t i = 0; i < p->n_line; i++)
        for (size_t k = 0; k < p->line[i].n; k++)
            most = fmax(most, of_y ? p->line[i].y[k] : p->line[i].x[k]);
    return most;
}

static void add_axes(struct lm_bytes *out, const struct lm_plot_panel *p, struct scale x, struct scale y)
{
    char label[32];
    for (double v = 0; v <= y.max * (1 + 1e-9); v += y.step) {
        double at = TOP + FRAME_H * (1 - v / y.max);
        lm_bytes_addf(out, "<path d=\"M%d %.1fh%d\" stroke=\"#ddd\"/>\n", LEFT, at, FRAME_W);
        snprintf(label, sizeof label, "%.6g", v);
        add_text(out, LEFT - 8, at + 4, " text-anchor=\"end\"", label);
    }
    for (double v = 0; v <= x.max * (1 + 1e-9); v += x.step) {
        double at = LEFT + FRAME_W * v / x.max;
        lm_bytes_addf(out, "<path d=\"M%.1f %dv5\" stroke=\"#333\"/>\n", at, TOP + FRAME_H);
        snprintf(label, sizeof label, "%.6g", v);
        add_text(out, at, TOP + FRAME_H + 20, " text-anchor=\"middle\"", label);
    }
    lm_bytes_addf(out, "<path d=\"M%d %dv%dh%d\" fill=\"none\" stroke=\"#333\"/>\n", LEFT, TOP, FRAME_H, FRAME_W);
    add_text(out, LEFT, TOP - 16, " font-weight=\"bold\"", p->title);
    add_text(out, LEFT + FRAME_W / 2.0, TOP + FRAME_H + 42, " text-anchor=\"middle\"", p->x_label);
    lm_bytes_addf(out, "<g transform=\"translate(18 %.1f) rotate(-90)\">", TOP + FRAME_H / 2.0);
    add_text(out, 0, 0, " text-anchor=\"middle\"", p->y_label);
    lm_bytes_add_str(out, "</g>\n");
}

static void add_line(struct lm_bytes *out, const struct lm_plot_line *l, size_t i, struct scale x, struct scale y)
{
    double key = TOP + 10 + 20 * (double)i;
    lm_bytes_addf(out, "<g stroke=\"%s\" fill=\"%s\">\n<polyline fill=\"none\" stroke-width=\"2\" points=\"", color[i], color[i]);
    for (size_t k = 0; k < l->n; k++)
        lm_bytes_addf(out, "%s%.1f,%.1f", k ? " " : "", LEFT + FRAME_W * l->x[k] / x.max, TOP + FRAME_H * (1 - l->y[k] / y.max));
    lm_bytes_add_str(out, "\"/>\n");
    for (size_t k = 0; k < l->n; k++)
        lm_bytes_addf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>%.6g, %.6g</title></circle>\n", LEFT + FRAME_W * l->x[k] / x.max,
                      TOP + FRAME_H * (1 - l->y[k] / y.max), l->x[k], l->y[k]);
    lm_bytes_addf(out, "<path d=\"M%d %.1fh18\" stroke-width=\"2\"/></g>\n", LEFT + FRAME_W + 16, key);
    add_text(out, LEFT + FRAME_W + 40, key + 4, "", l->name);
}

void lm_plot_svg(const struct lm_plot_panel *panel, size_t n, struct lm_bytes *out)
{
    lm_bytes_addf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %zu\" font-family=\"sans-serif\" font-size=\"12\">\n"
                       "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", WIDTH, HEIGHT * n);
    for (size_t i = 0; i < n; i++) {
        const struct scale x = scale_of(most_of(&panel[i], false)), y = scale_of(most_of(&panel[i], true));
        lm_bytes_addf(out, "<g transform=\"translate(0 %zu)\">\n", HEIGHT * i);
        add_axes(out, &panel[i], x, y);
        for (size_t k = 0; k < panel[i].n_line; k++)
            add_line(out, &panel[i].line[k], k, x, y);
        lm_bytes_add_str(out, "</g>\n");
    }
    lm_bytes_add_str(out, "</svg>\n");
}
