// The kinds of elements that the gateway has, and what their lists show.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { count, date } from "./format.js";
import { badge, mono } from "./parts.js";
import { lifetime } from "./lifetime.js";

export const link = (kind, name, text) => h("a", { class: "name", href: `#/${kind}/${encodeURIComponent(name)}` }, text ?? name);

const status = { title: "Status", sort: "status", class: "status", cell: (row) => badge(row.status) };
const provider = { title: "Provider", sort: "provider", class: "provider", cell: (row) => row.provider };
const type = { title: "Type", sort: "type", class: "type", cell: (row) => row.type ?? "internal" };
const name = (kind) => ({ title: "Name", sort: "name", class: "names", cell: (row) => link(kind, row.name) });

const secured = (row) => (row.tls ? h("span", { class: "tls" }, icon("lock"), h("span", {}, row.tls.passthrough ? "passes" : "TLS")) : h("span", { class: "faint" }, "–"));
const rule = { title: "Rule", sort: "rule", class: "rule", cell: (row) => (row.rule ? h("code", { title: row.rule }, row.rule) : "") };
const points = { title: "Entry points", sort: "entryPoints", class: "doors", cell: (row) => (row.using ?? row.entryPoints ?? []).join(", ") };
const tls = { title: "TLS", class: "secured", cell: secured };
const service = { title: "Service", sort: "service", class: "service", cell: (row) => mono(row.service ?? "") };
const priority = { title: "Priority", sort: "priority", class: "number", cell: (row) => priorityOf(row) };

const servers = { title: "Servers", sort: "servers", class: "servers", cell: serversOf };
const used = { title: "Used by", class: "number", cell: (row) => count(row.usedBy?.length ?? 0) };

/** Priorities do not fit a number of JavaScript; the API says them as text, too. Those of the gateway itself are the highest. */
export function priorityOf(router) {
  const text = router.priorityStr ?? String(router.priority ?? "");
  return text.length > 15 ? h("span", { title: text }, "highest") : text;
}

function serversOf(row) {
  const states = Object.values(row.serverStatus ?? {});
  const total = row.loadBalancer?.servers?.length ?? states.length;
  const up = states.filter((state) => state === "UP").length;
  if (!total) return h("span", { class: "faint" }, "–");
  if (!states.length || up === states.length) return count(total);
  return badge(up ? "warning" : "DOWN", `${up} of ${total} up`);
}

const routers = (kind, ...columns) => ({ title: "routers", columns: [status, name(kind), ...columns] });

export const KINDS = {
  "http/routers": { protocol: "HTTP", ...routers("http/routers", rule, points, tls, service, provider, priority) },
  "http/services": { protocol: "HTTP", title: "services", columns: [status, name("http/services"), type, servers, used, provider] },
  "http/middlewares": { protocol: "HTTP", title: "middlewares", columns: [status, name("http/middlewares"), type, used, provider] },
  "tcp/routers": { protocol: "TCP", ...routers("tcp/routers", rule, points, tls, service, provider, priority) },
  "tcp/services": { protocol: "TCP", title: "services", columns: [status, name("tcp/services"), type, servers, used, provider] },
  "tcp/middlewares": { protocol: "TCP", title: "middlewares", columns: [status, name("tcp/middlewares"), type, provider] },
  "udp/routers": { protocol: "UDP", ...routers("udp/routers", points, service, provider) },
  "udp/services": { protocol: "UDP", title: "services", columns: [status, name("udp/services"), type, servers, used, provider] },
  certificates: {
    protocol: "",
    title: "certificates",
    statuses: [["", "All"], ["enabled", "Good"], ["warning", "Expiring"], ["expired", "Expired"]],
    columns: [
      { title: "Valid for", sort: "validUntil", class: "status", cell: lifetime },
      { title: "Common name", sort: "cn", class: "names", cell: (row) => link("certificates", row.name, row.commonName || row.sans?.[0] || row.name.slice(0, 16)) },
      { title: "Names", class: "rule", cell: (row) => h("code", { title: (row.sans ?? []).join(", ") }, (row.sans ?? []).join(", ")) },
      { title: "Issuer", sort: "issuer", class: "service", cell: (row) => row.issuerOrg ?? row.issuerCN ?? "" },
      { title: "Until", class: "number", cell: (row) => h("span", { title: date(row.notAfter) }, date(row.notAfter).slice(0, 10)) },
    ],
  },
};

/** `HTTP routers` */
export const titleOf = (kind) => {
  const { protocol, title } = KINDS[kind];
  return protocol ? `${protocol} ${title}` : title[0].toUpperCase() + title.slice(1);
};

/** The counters that the overview has for a kind. */
export function totals(overview, kind) {
  const [protocol, part] = kind.split("/");
  return (part ? overview?.[protocol]?.[part] : overview?.[protocol]) ?? { total: 0, warnings: 0, errors: 0 };
}
