// One router: where requests come in, what they pass, where they go.

import { h, patch } from "./dom.js";
import { ask, placeOf } from "./api.js";
import { priorityOf, titleOf } from "./kinds.js";
import { code, errors, facts, heading, section } from "./parts.js";
import { EVERY, gauges, keyOf, nothing, trafficOf } from "./meter.js";
import { picture, wayOf } from "./way.js";

export function routerPage(kind, name) {
  const protocol = kind.split("/")[0];
  const node = h("div", { class: "page" });

  async function load(signal) {
    const router = await ask(placeOf(kind, name), undefined, signal);
    const way = await wayOf(protocol, router, signal);
    const known = protocol === "http" ? await trafficOf(signal, queries(router, way)) : nothing();
    patch(
      node,
      heading(router.name, { above: { href: `#/${kind}`, text: titleOf(kind) }, state: router.status }),
      errors(router),
      section("The way of a request", picture(way, known)),
      router.rule && section("Rule", code(router.rule, "Rule"), protocol === "http" && h("p", {}, h("a", { href: tryOut(router) }, "Explain a request like this"))),
      protocol === "http" && section("Traffic", gauges(known.rows.get(keyOf("routers", router.name)), known.why)),
      h("div", { class: "two" }, details(router), protocol !== "udp" && tls(router)),
    );
  }

  return { title: name, node, load, every: EVERY };
}

/** What the picture shows numbers of. */
function queries(router, way) {
  const services = way.services.flat().map(({ name }) => ({ kind: "services,servers", name, history: 0 }));
  return [{ kind: "routers", name: router.name }, { kind: "entryPoints", history: 0 }, ...services];
}

function details(router) {
  const { accessLogs, metrics, tracing } = router.observability ?? {};
  const observed = [accessLogs && "access log", metrics && "metrics", tracing && "tracing"].filter(Boolean).join(", ");
  return section(
    "Details",
    facts([
      ["Provider", router.provider],
      ["Priority", priorityOf(router)],
      ["Entry points", (router.entryPoints ?? []).join(", ")],
      ["In use on", String(router.using ?? "") !== String(router.entryPoints ?? "") && ((router.using ?? []).join(", ") || "none")],
      ["Service", router.service],
      ["Rule syntax", router.ruleSyntax],
      ["Below", (router.parentRefs ?? []).join(", ")],
      ["Observed by", router.observability && (observed || "nothing")],
    ]),
  );
}

function tls({ tls: terms }) {
  if (!terms) return section("TLS", h("p", { class: "faint" }, "No TLS: this router takes plaintext only."));
  const domains = (terms.domains ?? []).map(({ main, sans = [] }) => [main, ...sans].filter(Boolean).join(", ")).join("; ");
  return section(
    "TLS",
    facts([
      ["Ends", terms.passthrough ? "at the server; passed through" : "here"],
      ["Options", terms.options || "default"],
      ["Certificates from", terms.certResolver],
      ["Domains", domains],
    ]),
  );
}

/** A request that the rule may want, as a beginning. */
function tryOut(router) {
  const first = (name) => new RegExp(`(?<!!)\\b${name}\\(\`([^\`]*)\``).exec(router.rule)?.[1];
  const host = first("Host") ?? "example.com";
  const path = first("Path") ?? first("PathPrefix") ?? "/";
  const url = `${router.tls ? "https" : "http"}://${host}${path}`;
  return `#/explain?${new URLSearchParams({ url, method: first("Method") ?? "GET" })}`;
}
