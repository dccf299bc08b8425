"""Files that are templates: what they make is served, and a broken one takes nothing away (providers.md §2.1)."""

import pytest

from .stage import staged

FILE = """\
# {{/* what stands in a comment is gone, too */}}
http:
  routers:
{{- range $i, $e := until 2 }}
    r{{ $i }}:
      rule: Host(`r{{ $i }}.{{ env "PM_DOMAIN" }}`)
      service: {{ index (split "a,b" ",") $i }}
{{- end }}
  services:
{{- range $name, $url := dict "a" "URL_A" "b" "URL_B" }}
    {{ $name }}: {loadBalancer: {servers: [{url: {{ $url | quote }}}]}}
{{- end }}
"""


def a_file(urls):
    return FILE.replace("URL_A", urls["a"]).replace("URL_B", urls["b"])


@pytest.mark.spec("P-14", "P-15", "P-16")
async def test_a_loop_makes_routers_the_environment_their_hosts_and_split_their_services(monkeypatch):
    monkeypatch.setenv("PM_DOMAIN", "env.test")
    async with staged(a_file) as stage:
        assert (await stage.get("/", "r0.env.test")).body == b"a"
        assert (await stage.get("/", "r1.env.test")).body == b"b"
        assert (await stage.get("/", "r2.env.test")).status == 404

        text = a_file(stage.urls).replace("until 2", "untl 2")
        told = "dynamic.yml:4:21: the function 'untl' is not known"
        await stage.gateway.update(text, until=lambda: told in stage.gateway.log())
        await stage.gateway.live()
        assert (await stage.get("/", "r1.env.test")).body == b"b"

        await stage.gateway.update(a_file(stage.urls).replace("until 2", "until 1"))
        assert (await stage.get("/", "r0.env.test")).body == b"a"
        assert (await stage.get("/", "r1.env.test")).status == 404
