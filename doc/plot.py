# SPDX-License-Identifier: Apache-2.0
"""Bar charts of the tables in doc/performance.md that compare programs: the figures are read from there, where bench/compare
writes them, so that a picture cannot differ from its table."""
import html, re

# file, heading of the section, pattern of the rows' unit, what the picture says
CHARTS = [("speed.svg", "Speed, cpu backend", "tok/s", "Tokens a second, more is better"),
          ("speed-cl.svg", "Speed, cl backend", "tok/s", "One NVIDIA H200: tokens a second, more is better")]
COLORS = ["#0a6cc4", "#999999", "#d98a1f"]
BAR, GAP, LEFT, WIDTH = 18, 14, 190, 720


def table(text, heading):
    """[[cell]] of the first table under a heading."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
    lines = re.search(r"(?:^\|.*\n)+", section, re.M)[0].splitlines()
    rows = [[c.strip() for c in l.strip("|").split("|")] for l in lines]
    return [rows[0]] + rows[2:]


def number(cell):
    found = re.match(r"([\d.,]+)", cell)
    return float(found[1].replace(",", "")) if found else None


def chart(rows, unit, caption):
    columns = [i for i, name in enumerate(rows[0]) if name and name not in ("ratio", "share")]
    rows = [(r[0], [(rows[0][i], number(r[i]), r[i]) for i in columns]) for r in rows[1:] if unit in r[1]]
    assert rows, "no row in " + unit
    out, y = [], 30
    for label, bars in rows:
        most = max(v for _, v, _ in bars if v)
        out.append(f'<text x="{LEFT - 10}" y="{y + len(bars) * BAR / 2 + 4}" text-anchor="end">{html.escape(label)}</text>')
        for n, (name, value, shown) in enumerate(bars):
            if value:
                out.append(f'<rect x="{LEFT}" y="{y}" width="{(WIDTH - LEFT - 190) * value / most:.1f}" height="{BAR - 2}" fill="{COLORS[n % 3]}"/>')
                out.append(f'<text x="{LEFT + (WIDTH - LEFT - 190) * value / most + 6:.1f}" y="{y + BAR - 5}">{html.escape(name)} {html.escape(shown)}</text>')
            y += BAR
        y += GAP
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n<text x="{LEFT}" y="18" font-weight="bold">{html.escape(caption)}</text>\n' + "\n".join(out) + "\n</svg>\n")


def pictures(path):
    text = open(path, encoding="utf-8").read()
    for name, heading, unit, caption in CHARTS:
        yield name, heading, chart(table(text, heading), unit, caption)
