"""benches/RESULTS.md: a line of the table is replaced when its row is run again; the remarks below are people's."""

import platform
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen
from peers import NAMES, versions

COUNTED: Final = ("request", "MiB", "message", "datagram")
PATH: Final = Path(__file__).with_name("RESULTS.md")
BEGIN, END = "<!-- written by compare.py -->", "<!-- end -->"
HEAD: Final = (
    "| row | work | Pointsman | Traefik | HAProxy | nginx | ÷ Traefik | ÷ HAProxy | ÷ nginx | budget | met | measured |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
)


@frozen
class Line:
    """One line of the table. Costs are CPU µs per `per`, unless `per` names another unit."""

    key: str
    title: str
    per: str
    costs: Mapping[str, float]
    budget: str
    met: bool | None
    remark: str = ""

    def cells(self) -> str:
        own, *others = (self.costs.get(name) for name in NAMES)
        costs = ("" if cost is None else f"{cost:.1f}" for cost in (own, *others))
        ratios = ("" if not other or own is None else f"{own / other:.2f}" for other in others)
        unit = f"CPU µs per {self.per}" if self.per in COUNTED else self.per
        work = f"{self.title} ({unit})" + (f"; {self.remark}" if self.remark else "")
        met = "" if self.met is None else "yes" if self.met else "**no**"
        return f"| {' | '.join((self.key, work, *costs, *ratios, self.budget, met, time.strftime('%Y-%m-%d %H:%M')))} |"


def write(line: Line) -> None:
    """Put the line into the file, in the place of the last one for that row."""
    text = PATH.read_text() if PATH.exists() else f"# Results\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    inside, _, after = rest.partition(END)
    kept = {row.split("|")[1].strip(): row for row in inside.splitlines() if re.match(r"\| [a-z]", row)}
    kept.pop("row", None)
    kept[line.key] = line.cells()
    machine = f"{_cpu_model()}, Linux {platform.release()}, Python {platform.python_version()}; " + "; ".join(versions())
    PATH.write_text("\n".join([f"{before}{BEGIN}", "", machine, "", *HEAD, *kept.values(), "", f"{END}{after}"]))


def _cpu_model() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()
