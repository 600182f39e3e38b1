#!/usr/bin/env python3
"""Draws the benchmarks' figures: JSON files in, SVG files out, by gnuplot.

Reads what shmipc-bench and shmipc-bench-scale write with --json, in any order. A plot for which
there are no figures is not written, and it says so; a peer without figures is left out of a plot.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys

FAILED, USAGE = 1, 64  # exit codes

# A line each, in the order of the legend. The colours are Okabe and Ito's, which people who cannot
# tell red from green tell apart; ours is the thick one.
PEERS = {
    "shmipc": ("shmipc", "#0072B2"),
    "bitmask": ("bit mask", "#E69F00"),
    "seqlock": ("seqlock", "#009E73"),
    "iceoryx": ("iceoryx", "#CC79A7"),
    "message_queue": ("Boost message queue", "#D55E00"),
    "sharable_mutex": ("Boost rwlock", "#56B4E9"),
    "zeromq": ("ZeroMQ", "#000000"),
    "unix_socket": ("Unix socket", "#B8A600"),
    "pipe": ("pipe", "#888888"),
}
THICK, THIN = 4, 1.5

# Drawn over the logarithm of 1 / (1 − q): each further nine is as wide as the one before it.
PERCENTILES = {0.5: "50", 0.9: "90", 0.99: "99", 0.999: "99.9", 0.9999: "99.99", 0.99999: "99.999",
               0.999999: "99.9999"}

# What gnuplot writes for nothing, which is half of the file: groups with nothing in them, and
# attributes at their defaults.
IDLE = re.compile(r'<g [^>]*>\s*</g>\s*| stroke-linecap="butt" stroke-linejoin="miter"')

HEAD = """\
set encoding utf8
set terminal svg size {width},480 font 'sans-serif,14' background '#ffffff'
set output '{output}'
set title '{title}' font ',16'
set grid xtics ytics linetype 1 linewidth 0.5 linecolor '#d8d8d8'
set border 3 linecolor '#444444'
set tics nomirror
set key {key} Left reverse samplen 2 spacing 1.1
"""


class PlotError(Exception):
    """What went wrong, and what helps, for whoever called the program."""


@dataclasses.dataclass
class Line:
    """A line of a plot."""

    title: str
    colour: str
    points: list
    width: float


def peer_lines(results, points_of):
    """A line for each peer that has points. points_of: from the peer's results to points."""
    lines = []
    for peer, (title, colour) in PEERS.items():
        points = sorted(points_of([result for result in results if result.get("peer") == peer]))
        if points:
            lines.append(Line(title, colour, points, THICK if peer == "shmipc" else THIN))
    return lines


def points_in(rows, x, y):
    """Points of the rows that have both figures, the first for each x; above 0, for logarithms."""
    points = {
        row[x]: row[y]
        for row in reversed(rows)
        if (row.get(x) or 0) > 0 and (row.get(y) or 0) > 0  # null: not measured
    }
    return sorted(points.items())


def of_workload(results, name):
    """Its results in nanoseconds; first those with few consumers, and near ones."""
    found = [
        result
        for result in results
        if result.get("workload") == name and result.get("unit", "ns").startswith("ns")
    ]
    return sorted(found, key=lambda row: (row.get("consumers", 1), bool(row.get("far"))))


def data_block(number, line):
    rows = "\n".join(f"{x:.6g} {y:.6g}" for x, y in line.points)
    return f"$line{number} << END\n{rows}\nEND\n"


def plot_command(lines, style, first=0):
    # Ours is drawn last, on top, though its name comes first.
    parts = [
        f"$line{number} using 1:2 with {style} linewidth {line.width} pointtype 7 "
        f"pointsize 0.5 linecolor '{line.colour}' notitle"
        for number, line in reversed(list(enumerate(lines, first)))
    ]
    parts += [
        f"NaN with lines linewidth {line.width} linecolor '{line.colour}' title '{line.title}'"
        for line in lines
    ]
    return "plot " + ", \\\n    ".join(parts) + "\n"


def time_axis(label, unit, lines):
    """A logarithmic axis of times that are given in `unit`, over whole decades."""
    steps = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}
    tics = ", ".join(
        f"'{factor} {name}' {factor * step / steps[unit]:g}"
        for name, step in steps.items()
        for factor in (1, 10, 100)
    )
    times = [y for line in lines for _, y in line.points]
    low = math.floor(math.log10(min(times, default=1)))
    high = max(math.ceil(math.log10(max(times, default=1))), low + 1)
    # A little more than the decades, or rounding would lose the outermost tics.
    reach = f"[{0.999 * 10**low:g}:{1.001 * 10**high:g}]"
    return f"set ylabel '{label}'\nset logscale y\nset ytics ({tics})\nset yrange {reach}\n"


def size_axis():
    sizes = {1: "1 B", 8: "8 B", 64: "64 B", 512: "512 B", 2**12: "4 KiB", 2**15: "32 KiB",
             2**18: "256 KiB", 2**21: "2 MiB", 2**24: "16 MiB", 2**27: "128 MiB"}
    tics = ", ".join(f"'{name}' {size}" for size, name in sizes.items())
    return f"set xlabel 'size of a message'\nset logscale x 2\nset xtics ({tics})\n"


def single(title, axes, lines, style="linespoints"):
    """The script of a plot with one pane; nothing without lines."""
    if not lines:
        return None
    blocks = "".join(data_block(number, line) for number, line in enumerate(lines))
    head = HEAD.format(width=860, output="{output}", title=title, key="outside right top")
    return head + axes + blocks + plot_command(lines, style)


def latency(results, _scale):
    def points(rows):
        return [
            (1 / (1 - q), ns)
            for row in rows[:1]
            for q, ns in row.get("quantiles", [])
            if ns > 0 and q < 1
        ]

    rows = [row for row in of_workload(results, "one_way") if row.get("bytes") == 64]
    lines = peer_lines(rows, points)
    tics = ", ".join(f"'{name}' {1 / (1 - q):g}" for q, name in PERCENTILES.items())
    axes = f"set xlabel 'percentile'\nset logscale x\nset xtics ({tics})\nset xrange [1:]\n"
    axes += time_axis("from publish to having read it", "ns", lines)
    return single("One-way latency of a message of 64 bytes", axes, lines, "lines")


def cost_over_size(results, _scale):
    names = {"publish_filled": "Publish, the message filled", "one_way": "One-way latency, median"}
    panes = []
    for name, title in names.items():
        rows = of_workload(results, name)
        lines = peer_lines(rows, lambda rows: points_in(rows, "bytes", "median"))
        if lines:
            panes.append((title, lines))
    if not panes:
        return None
    # Side by side, with one scale of times, and one legend: of the pane that has more peers.
    panes.sort(key=lambda pane: len(pane[1]))
    pane_width, legend_width, left = 440, 210, 85
    width = left + pane_width * len(panes) + legend_width
    script = HEAD.format(width=width, output="{output}", title="", key="off")
    every_line = [line for _, lines in panes for line in lines]
    script += size_axis() + time_axis("time of a message", "ns", every_line)
    script += "".join(data_block(number, line) for number, line in enumerate(every_line))
    script += f"set multiplot layout 1,{len(panes)}\n"
    first = 0
    for place, (title, lines) in enumerate(panes):
        edge = left + place * pane_width
        script += f"set lmargin at screen {edge / width:.4f}\n"
        script += f"set rmargin at screen {(edge + pane_width - 60) / width:.4f}\n"
        script += f"set title '{title}' font ',16'\n"
        if place > 0:
            script += "unset ylabel\n"
        if place == len(panes) - 1:
            at = (width - legend_width - 30) / width
            script += f"set key at screen {at:.4f},0.88 left top Left reverse samplen 2\n"
        script += plot_command(lines, "linespoints", first)
        first += len(lines)
    return script + "unset multiplot\n"


def cost_over_consumers(results, _scale):
    rows = of_workload(results, "publish_pinned")
    rows = [row for row in rows if row.get("bytes") == 64] or rows
    lines = peer_lines(rows, lambda rows: points_in(rows, "consumers", "median"))
    axes = "set xlabel 'consumers, each of which has an old message pinned'\nset logscale x 2\n"
    axes += time_axis("publish, median", "ns", lines)
    return single("Publish while many old messages are in use", axes, lines)


def growth(_results, scale):
    kinds = [
        ("start_ms", "start, to all ready", "#0072B2", THICK),
        ("stop_ms", "stop, all gone", "#D55E00", THIN),
        ("respawn_p99_ms", "respawn, p99", "#CC79A7", THIN),
        ("respawn_p50_ms", "respawn, p50", "#009E73", THIN),
        ("attach_ms", "attach of one worker", "#E69F00", THIN),
    ]
    rows = [row for row in scale if row.get("bytes") == 64] or scale
    lines = [
        Line(title, colour, points_in(rows, "workers", name), width)
        for name, title, colour, width in kinds
    ]
    lines = [line for line in lines if line.points]
    axes = "set xlabel 'workers of the group'\nset logscale x 2\n" + time_axis("time", "ms", lines)
    return single("A group as it grows, messages of 64 bytes", axes, lines)


PLOTS = {
    "latency.svg": latency,
    "size.svg": cost_over_size,
    "consumers.svg": cost_over_consumers,
    "scale.svg": growth,
}


def read(files):
    """All results and all points of scale in the files."""
    results, scale = [], []
    for name in files:
        try:
            content = json.loads(pathlib.Path(name).read_text(encoding="utf-8"))
        except OSError as error:
            raise PlotError(f"cannot read {name}: {error.strerror}") from error
        except ValueError as error:
            raise PlotError(f"{name} is no JSON: {error}") from error
        if not isinstance(content, dict) or not {"results", "scale"} & content.keys():
            raise PlotError(f"{name} has neither 'results' nor 'scale': a benchmark wrote it with "
                            "--json?")
        results += content.get("results", [])
        scale += content.get("scale", [])
    return results, scale


def draw(script, output):
    gnuplot = shutil.which("gnuplot")
    if gnuplot is None:
        raise PlotError("there is no gnuplot: install Debian's package 'gnuplot-nox'")
    done = subprocess.run(
        [gnuplot], input=script.replace("{output}", str(output).replace("'", "''")), text=True,
        encoding="utf-8", capture_output=True, check=False)
    if done.returncode != 0:
        raise PlotError(f"gnuplot failed at {output}: {done.stderr.strip()}")
    output.write_text(IDLE.sub("", output.read_text(encoding="utf-8")), encoding="utf-8")


def arguments():
    parser = argparse.ArgumentParser(
        description="Draws the benchmarks' figures as SVG files: " + ", ".join(PLOTS) + ".",
        epilog="Needs gnuplot (Debian: gnuplot-nox). Exit codes: 0 drawn; 1 failed, for the reason "
               "on standard error; 64 wrong usage.")
    parser.add_argument("json", nargs="+", metavar="FILE",
                        help="written by shmipc-bench or shmipc-bench-scale with --json")
    parser.add_argument("--output", metavar="DIRECTORY", default=".", type=pathlib.Path,
                        help="where the SVG files go; made if it is not there; default: here")
    return parser


def main():
    try:
        options = arguments().parse_args()
    except SystemExit as ended:
        return USAGE if ended.code else 0
    try:
        results, scale = read(options.json)
        options.output.mkdir(parents=True, exist_ok=True)
        scripts = {name: make(results, scale) for name, make in PLOTS.items()}
        if not any(scripts.values()):
            raise PlotError("the files have no figures for any plot")
        for name, script in scripts.items():
            if script is None:
                print(f"{name}: no figures, not written")
                continue
            draw(script, options.output / name)
            print(f"{name}: {(options.output / name).stat().st_size / 1024:.0f} KiB")
    except (PlotError, OSError) as error:
        print(f"plot.py: {error}", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
