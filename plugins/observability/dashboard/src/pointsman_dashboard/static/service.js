// One service: its servers, or the services behind it.

import { h, patch } from "./dom.js";
import { ask, placeOf } from "./api.js";
import { count, duration, percent, rate, words } from "./format.js";
import { link, titleOf } from "./kinds.js";
import { badge, errors, facts, heading, mono, section, table } from "./parts.js";
import { EVERY, gauges, keyOf, nothing, trafficOf } from "./meter.js";
import { childrenOf, servicesFrom, serversOf } from "./way.js";
import { options } from "./options.js";
import { spark } from "./spark.js";

export function servicePage(kind, name) {
  const protocol = kind.split("/")[0];
  const node = h("div", { class: "page" });

  async function load(signal) {
    const service = await ask(placeOf(kind, name), undefined, signal);
    const [below, { rows, why }] = await Promise.all([
      servicesFrom(protocol, childrenOf(service), signal),
      protocol === "http" ? trafficOf(signal, [{ kind: "services,servers", name: service.name, limit: 500 }]) : nothing(),
    ]);
    const children = below[0] ?? [];
    const check = service.loadBalancer?.healthCheck;
    patch(
      node,
      heading(service.name, { above: { href: `#/${kind}`, text: titleOf(kind) }, state: service.status }),
      errors(service),
      protocol === "http" && section("Traffic", gauges(rows.get(keyOf("services", service.name)), why)),
      service.loadBalancer && servers(service, rows, protocol),
      children.length > 0 && section("Services behind", table("Services behind", childColumns(kind), children, (row) => row.name)),
      h("div", { class: "two" }, details(service), service.loadBalancer && section("Health check", check ? options(check) : h("p", { class: "faint" }, "None: servers count as up until a request fails."))),
      usedBy(service, protocol),
    );
  }

  return { title: name, node, load, every: EVERY };
}

function servers(service, rows, protocol) {
  const list = serversOf(service);
  const numbers = (server) => rows.get(keyOf("servers", service.name, server.address));
  const columns = [
    { title: "State", class: "status", cell: (server) => badge(server.state ?? "unchecked", server.state ? undefined : "Not checked") },
    { title: "Server", class: "names", cell: (server) => [mono(server.address), server.why && h("small", { class: "why" }, server.why)] },
    { title: "Weight", class: "number", cell: (server) => count(server.weight ?? 1) },
    ...(protocol === "http"
      ? [
          { title: "Last 5 minutes", class: "sparks", cell: (server) => spark(numbers(server)?.history ?? []) },
          { title: "Requests/s", class: "number", cell: (server) => rate(numbers(server)?.rate) },
          { title: "Errors", class: "number", cell: (server) => percent(numbers(server)?.errors) },
          { title: "p50", class: "number", cell: (server) => duration(numbers(server)?.p50) },
          { title: "p99", class: "number", cell: (server) => duration(numbers(server)?.p99) },
        ]
      : []),
  ];
  return section("Servers", list.length ? table("Servers", columns, list, (server) => server.address) : h("p", { class: "faint" }, "This service has no servers: requests get 503."));
}

const childColumns = (kind) => [
  { title: "Status", class: "status", cell: ({ element }) => badge(element?.status ?? "missing") },
  { title: "Name", class: "names", cell: ({ name, element }) => (element ? link(kind, name) : name) },
  { title: "Part", class: "type", cell: ({ note }) => note },
  { title: "Type", class: "type", cell: ({ element }) => element?.type ?? "–" },
];

function details(service) {
  const own = service.loadBalancer ?? service.weighted ?? service.mirroring ?? service.failover ?? service.highestRandomWeight ?? {};
  const { servers: _servers, services: _services, mirrors: _mirrors, healthCheck: _check, ...rest } = own;
  return section("Details", facts([["Type", service.type ?? "internal"], ["Provider", service.provider]]), Object.keys(rest).length > 0 && options(rest, words));
}

export function usedBy(element, protocol) {
  const names = element.usedBy ?? [];
  return section(
    "Used by",
    names.length
      ? h("ul", { class: "links" }, names.map((name) => h("li", {}, link(`${protocol}/routers`, name))))
      : h("p", { class: "faint" }, "No router uses it."),
  );
}
