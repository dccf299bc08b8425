"""The table of templates (core/tests/dialect/gotemplate/table.txt) through the real Traefik.

What prints something is the rule of a router each, all in one file, read back from the API. What is an error is a file each:
it begins with as many empty lines as tell it from the others, for the log gives the line.
"""

import ast
import json
import re
from pathlib import Path

from pointsman.testing import connect, gateway

from .harness import ORACLE, STATIC, TRAEFIK

pytestmark = ORACLE

TABLE = Path(__file__).parents[2] / "core/tests/dialect/gotemplate/table.txt"


def rows() -> dict[str, str]:
    """Templates, and what Traefik makes of them: the last of the indented lines below each."""
    found: dict[str, str] = {}
    template = ""
    for line in TABLE.read_text().splitlines()[2:]:
        if line.startswith("    "):
            found[template] = line[4:]
        else:
            template = line
    return found


def a_file(templates, lines=0):
    routers = [
        f"    r{number}:\n      service: noop@internal\n      rule: |2-\n        A{template}\n"
        for number, template in enumerate(templates)
    ]
    return "\n" * lines + "http:\n  routers:\n" + "".join(routers)


async def test_traefik_prints_what_the_table_says(monkeypatch):
    monkeypatch.setenv("PM_X", "from env")
    monkeypatch.setenv("TZ", "UTC")
    table = rows()
    assert len(table) > 340
    good = [template for template, said in table.items() if said != "error"]
    bad = [template for template, said in table.items() if said == "error"]
    static = {**STATIC, "api": {"insecure": True, "dashboard": False}, "log": {"level": "ERROR"}}
    async with gateway(a_file(good), static, workers=None, command=[str(TRAEFIK)]) as running:
        async with connect(running.port("traefik")) as client:
            answer = await client.get("/api/http/routers?per_page=10000", "127.0.0.1")
        rules = {router["name"]: router["rule"][1:] for router in json.loads(answer.body)}
        for number, template in enumerate(good):
            assert rules[f"r{number}@file"] == ast.literal_eval(table[template]), template

        for number, template in enumerate(bad, 1):
            line = re.compile(rf"template: \S*:(?:{10 * number + 6}|{10 * number + 7})\b")
            await running.update(a_file([template], 10 * number), until=lambda line=line: line.search(running.log()))
