// The first page: does everything serve, and if not, what is wrong.

import { h, patch } from "./dom.js";
import { icon } from "./icons.js";
import { ask } from "./api.js";
import { count, counted, date, rate, since } from "./format.js";
import { titleOf, totals } from "./kinds.js";
import { badge, empty, facts, heading, notice } from "./parts.js";
import { EVERY, gauges, keyOf, total, trafficOf } from "./meter.js";
import { spark } from "./spark.js";
import { problemList, problems } from "./problems.js";

const PROTOCOLS = {
  HTTP: ["http/routers", "http/services", "http/middlewares"],
  TCP: ["tcp/routers", "tcp/services", "tcp/middlewares"],
  UDP: ["udp/routers", "udp/services"],
};
const SHOWN = 5;

export function overviewPage(frame) {
  const node = h("div", { class: "page overview" });

  async function load(signal) {
    const [overview, points, found, { rows, connections, why }, sources] = await Promise.all([
      ask("overview", undefined, signal),
      ask("entrypoints", { per_page: 200 }, signal),
      problems(signal).catch(unlessLeft(signal, [])),
      trafficOf(signal, [{ kind: "entryPoints" }]),
      ask("providers", undefined, signal).catch(unlessLeft(signal, [])),
    ]);
    patch(
      node,
      heading("Overview", { extra: frame.version?.startDate && h("span", { class: "faint" }, `running for ${since(frame.version.startDate)}`) }),
      verdict(overview, found),
      found.length > 0 && problemCard(found),
      h("section", { class: "card" }, h("div", { class: "between" }, h("h2", {}, "Traffic"), h("a", { href: "#/traffic" }, "Live traffic")), gauges(total([...rows.values()]), why)),
      h("section", {}, h("h2", {}, "Entry points"), h("ul", { class: "doors" }, points.map((point) => entryPoint(point, rows, connections[point.name])))),
      h("div", { class: "protocols" }, Object.entries(PROTOCOLS).map(([protocol, kinds]) => protocolCard(protocol, kinds, overview))),
      h("div", { class: "two" }, features(overview), providers(overview, sources)),
    );
  }

  return { title: "Overview", node, load, every: EVERY };
}

/** A part of the page that is missing must not take the rest with it; one that nobody waits for ends it. */
function unlessLeft(signal, instead) {
  return (error) => {
    if (signal.aborted) throw error;
    return instead;
  };
}

function verdict(overview, found) {
  const kinds = Object.values(PROTOCOLS).flat();
  const errors = kinds.reduce((sum, kind) => sum + (totals(overview, kind).errors ?? 0), 0);
  const warnings = kinds.reduce((sum, kind) => sum + (totals(overview, kind).warnings ?? 0), 0);
  if (errors) return notice("error", `${counted(errors, "element")} not in service${warnings ? `, ${count(warnings)} with warnings` : ""}`);
  if (warnings || found.length) return notice("warning", warnings ? `Everything serves; ${counted(warnings, "element")} with warnings` : "Everything serves, with something to look at");
  return notice("ok", "Everything serves", h("p", {}, "No element of the configuration has a problem."));
}

function entryPoint(point, rows, open) {
  const numbers = rows.get(keyOf("entryPoints", point.name));
  const [address, protocol] = String(point.address ?? "").split("/");
  const words = [protocol === "udp" ? "UDP" : null, point.http?.tls ? "TLS" : null, point.http3 ? "HTTP/3" : null].filter(Boolean);
  return h(
    "li",
    { class: "card", "data-key": point.name },
    h("div", { class: "between" }, h("h3", {}, point.name), words.length > 0 && h("span", { class: "chips" }, words.map((word) => h("span", { class: "chip" }, word)))),
    h("p", { class: "mono" }, address),
    h("div", { class: "between numbers" }, h("span", {}, h("b", {}, rate(numbers?.rate)), " req/s"), open !== undefined && h("span", {}, h("b", {}, count(open)), " open"), spark(numbers?.history ?? [], { width: 96, height: 24 })),
  );
}

function protocolCard(protocol, kinds, overview) {
  return h("section", { class: "card protocol" }, h("h2", {}, protocol), h("ul", {}, kinds.map((kind) => h("li", {}, kindRow(kind, totals(overview, kind))))));
}

function kindRow(kind, { total: all = 0, warnings = 0, errors = 0 }) {
  const good = all - warnings - errors;
  const part = (state, status, number, word) =>
    number > 0 && h("a", { class: state, href: `#/${kind}?status=${status}`, "aria-label": `${titleOf(kind)}: ${count(number)} ${word}` }, icon(state), count(number), h("span", { class: "word" }, ` ${word}`));
  const bar = (state, number) => number > 0 && h("span", { class: state, "data-share": Math.max(3, Math.round((number / all) * 100)) });
  const shares = h("div", { class: "share", "aria-hidden": "true" }, bar("ok", good), bar("warning", warnings), bar("error", errors));
  for (const share of shares.children) share.style.setProperty("flex-grow", share.dataset.share);
  return [
    h("div", { class: "between" }, h("a", { href: `#/${kind}`, "aria-label": `${titleOf(kind)}: ${count(all)}` }, kind.split("/")[1][0].toUpperCase() + kind.split("/")[1].slice(1)), h("b", {}, count(all))),
    shares,
    h("p", { class: "states" }, all ? [part("ok", "enabled", good, "OK"), part("warning", "warning", warnings, warnings === 1 ? "warning" : "warnings"), part("error", "disabled", errors, errors === 1 ? "error" : "errors")] : h("span", { class: "faint" }, "none")),
  ];
}

function problemCard(found) {
  return h(
    "section",
    { class: "card" },
    h("div", { class: "between" }, h("h2", {}, "Problems"), h("a", { href: "#/problems" }, found.length > SHOWN ? `All ${count(found.length)} problems` : "All problems")),
    problemList(found.slice(0, SHOWN)),
  );
}

function features({ features: on = {}, certificates = {} }) {
  const value = (name) => name || h("span", { class: "faint" }, "off");
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Observability and TLS"),
    facts([
      ["Tracing", value(on.tracing)],
      ["Metrics", value(on.metrics)],
      ["Access log", on.accessLog ? "on" : value("")],
      ["Certificates", h("span", { class: "states" }, h("a", { href: "#/certificates" }, count(certificates.total)), certificates.warnings ? badge("warning", `${count(certificates.warnings)} expiring`) : null, certificates.errors ? badge("expired", `${count(certificates.errors)} expired`) : null)],
    ]),
  );
}

function providers({ providers: names = [] }, sources) {
  const known = sources.length ? sources : names.map((name) => ({ name, running: true }));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Providers"),
    known.length ? facts(known.map((source) => [source.name, stateOf(source)])) : empty("No provider is configured.", "Without one the gateway has no routers: set providers.file, or another, in the static configuration."),
  );
}

function stateOf({ running, lastSuccess, lastError, lastErrorAt, nextTry, problems: wrong }) {
  const failing = lastError && (!lastSuccess || lastErrorAt > lastSuccess);
  return [
    h("span", { class: "states" }, badge(failing ? "disabled" : running ? "enabled" : "warning", failing ? "Failing" : running ? "Running" : "Not running"), lastSuccess && h("span", { class: "faint" }, `last heard ${since(lastSuccess)} ago`), wrong > 0 && badge("warning", counted(wrong, "problem"))),
    failing && h("p", {}, lastError, nextTry && h("span", { class: "faint" }, ` – tried again at ${date(nextTry)}`)),
  ];
}
