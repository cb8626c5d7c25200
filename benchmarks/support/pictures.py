# SPDX-License-Identifier: BSL-1.0
"""The pictures of the report: bars, as SVG, from a file such as pictures.txt and what has been measured.

    for picture in read(path):
        svg, absent = picture.draw(values)    # values: case -> {round: nanoseconds}

`absent` are the cases that were not measured; their bars are left out. With none left, `svg` is None.
"""
import math
import statistics
from xml.sax.saxutils import escape

WIDTH, LEFT, BARS = 860, 270, 330  # the whole, where bars begin, and how long the longest one is
LINE, BAR = 22, 14  # from one bar to the next, and how thick it is
WIDEST_LINEAR = 25  # from this ratio on the scale is logarithmic

PYTHON = ("asyncio", "uvloop", "gevent", "aiohttp", "requests", "fastapi", "python")
BARE = ("floor", "epoll", "io_uring", "futex", "cache_line", "yield", "blocking", "ideal")
KINDS = {"ours": "concur", "peer": "other C++", "python": "Python", "bare": "the bare mechanism"}

# In the scheme of whoever looks. Colours that differ in brightness too; the bare mechanism is an outline.
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 } .group { font-weight: 600 }
.note, .tick { fill: #59636e } .tick { font-size: 11px }
.ground { fill: #ffffff; stroke: #d1d9e0 } .grid { stroke: #d1d9e0 } .spread { stroke: #1f2328 }
.ours { fill: #0969da } .peer { fill: #9aa4af } .python { fill: #d4890b } .bare { fill: none; stroke: #59636e }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note, .tick { fill: #9198a1 }
  .ground { fill: #0d1117; stroke: #3d444d } .grid { stroke: #3d444d } .spread { stroke: #f0f6fc }
  .ours { fill: #4493f8 } .peer { fill: #656c76 } .python { fill: #d29922 } .bare { stroke: #9198a1 }
}
"""


def three_digits(value):
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def time(nanoseconds, show=three_digits):
    for unit, scale in (("ns", 1), ("µs", 1e3), ("ms", 1e6)):
        if nanoseconds / scale < 999.5:
            return f"{show(nanoseconds / scale)} {unit}"
    return f"{show(nanoseconds / 1e9)} s"


def rate(per_second):
    digits = three_digits(per_second) if per_second < 99.95 else f"{float(f'{per_second:.3g}'):,.0f}"
    return f"{digits} a second"


def times(factor):
    return f"{factor:.2f}" if factor < 2 else f"{factor:.1f}" if factor < 10 else f"{factor:,.0f}"


def kind_of(library):
    if library.startswith("concur"):
        return "ours"
    if library.startswith(PYTHON):
        return "python"
    return "bare" if library in BARE else "peer"


class Scale:
    """From what is shown to the length of a bar. `low`, `high`: of the bars; `furthest`: what must be in the picture."""

    def __init__(self, low, high, furthest):
        self.logarithmic = high > WIDEST_LINEAR * low
        if self.logarithmic:
            # The smallest bar is to be seen: at least a third of a decade.
            self.begin = math.floor(math.log10(low) - 1 / 3)
            self.end = math.log10(furthest)
            self.ticks = [10.0**each for each in range(self.begin, math.floor(self.end) + 1)]
        else:
            step = 10 ** math.floor(math.log10(furthest))
            step = next(step * part for part in (0.2, 0.5, 1, 2) if furthest / (step * part) <= 6)
            self.furthest = furthest
            self.ticks = [step * each for each in range(math.floor(furthest / step) + 1)]

    def __call__(self, value):
        if not self.logarithmic:
            return BARS * value / self.furthest
        return BARS * max(0.0, (math.log10(value) - self.begin) / (self.end - self.begin))


class Bar:
    def __init__(self, case, label, base):
        self.case, self.label = case, label
        row, _, self.library = case.rpartition("/")
        self.base = base if "/" in base or not base else f"{row}/{base}"

    def measure(self, values, as_rates):
        rounds = values[self.case]
        shown = [1e9 / each if as_rates else each for each in rounds.values()]
        self.low, self.middle, self.high = min(shown), statistics.median(shown), max(shown)
        self.text = rate(self.middle) if as_rates else time(self.middle)
        ratios = [rounds[each] / values[self.base][each] for each in rounds if each in values.get(self.base, {})]
        if ratios and self.base != self.case:
            ratio = statistics.median(ratios)
            if as_rates:
                self.text += f" · {times(1 / ratio)} × as many"
            else:
                self.text += f" · {times(ratio)} × the time" if ratio >= 1 else f" · {times(1 / ratio)} × as fast"


class Group:
    def __init__(self, heading, note, as_rates):
        self.heading, self.note, self.as_rates, self.bars = heading, note, as_rates, []


class Canvas:
    def __init__(self):
        self.parts = []

    def text(self, x, y, words, kind="", anchor="start"):
        attributes = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, kind):
        self.parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def box(self, x, y, width, height, kind):
        self.parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>')


class Picture:
    def __init__(self, name, title):
        self.name, self.title, self.notes, self.groups = name, title, [], []

    def cases(self):
        return [bar.case for group in self.groups for bar in group.bars]

    def draw(self, values):
        absent = [case for case in self.cases() if not values.get(case)]
        groups = []
        for group in self.groups:
            bars = [bar for bar in group.bars if values.get(bar.case)]
            for bar in bars:
                bar.measure(values, group.as_rates)
            if bars:
                groups.append((group, bars))
        if not groups:
            return None, absent
        canvas, y = Canvas(), 32
        canvas.text(20, y, self.title, "title")
        for note in self.notes:
            y += 20
            canvas.text(20, y, note, "note")
        for group, bars in groups:
            y = self.draw_group(canvas, y + 36, group, bars)
        y = self.draw_legend(canvas, y + 34, {kind_of(bar.library) for _, bars in groups for bar in bars})
        return self.document(canvas, y + 18, groups), absent

    @staticmethod
    def draw_group(canvas, y, group, bars):
        scale = Scale(min(bar.middle for bar in bars), max(bar.middle for bar in bars), max(bar.high for bar in bars))
        canvas.text(20, y, group.heading, "group")
        note = "; ".join(filter(None, (group.note, "logarithmic scale" if scale.logarithmic else "")))
        if note:
            y += 17
            canvas.text(20, y, note, "note")
        top, bottom = y + 8, y + 14 + LINE * len(bars)
        show = "{:,.6g}".format if group.as_rates else lambda tick: time(tick, "{:g}".format)
        for tick in scale.ticks:
            x = LEFT + scale(tick)
            canvas.line(x, top, x, bottom, "grid")
            canvas.text(x, bottom + 13, show(tick) if tick else "0", "tick", "middle")
        for bar in bars:
            y += LINE
            middle = y + 1  # of the bar
            canvas.text(LEFT - 10, y + 5, bar.label, anchor="end")
            canvas.box(LEFT, middle - BAR / 2, max(1.0, scale(bar.middle)), BAR, kind_of(bar.library))
            canvas.line(LEFT + scale(bar.low), middle, LEFT + scale(bar.high), middle, "spread")
            canvas.text(LEFT + scale(bar.high) + 8, y + 5, bar.text)
        return bottom + 13

    @staticmethod
    def draw_legend(canvas, y, kinds):
        x = 20
        for kind, words in KINDS.items():
            if kind in kinds:
                canvas.box(x, y - 11, 12, 12, kind)
                canvas.text(x + 18, y, words, "note")
                x += 40 + 7 * len(words)
        canvas.text(x, y, "Median of the rounds; line: fastest to slowest.", "note")
        return y

    def document(self, canvas, height, groups):
        told = [f"{group.heading}: " + "; ".join(f"{bar.label} {bar.text}" for bar in bars) for group, bars in groups]
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
            ' role="img" aria-labelledby="title desc">',
            f'<title id="title">{escape(self.title)}</title>',
            f'<desc id="desc">{escape(". ".join(told))}.</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
            *canvas.parts,
            "</svg>",
            "",
        ])


def read(path):
    pictures = []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        first, second, third = ([field.strip() for field in line.split("|")] + ["", ""])[:3]
        if first == "picture":
            pictures.append(Picture(second, third))
        elif first == "note":
            pictures[-1].notes.append(second)
        elif first in ("group", "rates"):
            pictures[-1].groups.append(Group(second, third, as_rates=first == "rates"))
        else:
            pictures[-1].groups[-1].bars.append(Bar(first, second, third))
    return pictures
