// Which router takes a request, and why each of the others does not.

import { h, patch, say } from "./dom.js";
import { ask } from "./api.js";
import { count, counted } from "./format.js";
import { badge, empty, facts, heading, notice, section, table } from "./parts.js";
import { link } from "./kinds.js";

const CLOSED = 5;
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];

export function explainPage(frame, parameters) {
  const method = h("select", { id: "method" }, METHODS.map((each) => h("option", { value: each, selected: each === (parameters.get("method") ?? "GET") }, each)));
  const url = h("input", { id: "url", type: "text", inputmode: "url", required: true, placeholder: "http://shop.example/cart?id=7", autocomplete: "off", spellcheck: "false" });
  const headers = h("textarea", { id: "headers", rows: 3, placeholder: "X-Api-Key: 1234", spellcheck: "false" });
  const point = h("select", { id: "point" }, h("option", { value: "" }, "by the URL's port"));
  const client = h("input", { id: "client", type: "text", placeholder: "127.0.0.1", autocomplete: "off", spellcheck: "false" });
  const result = h("div", { class: "result" });
  const field = (control, label, hint) => h("div", { class: "field" }, h("label", { for: control.id }, label), control, hint && h("p", { class: "faint", id: `${control.id}-hint` }, hint));
  const form = h(
    "form",
    { class: "card explain" },
    field(method, "Method"),
    field(url, "URL"),
    field(point, "Entry point"),
    field(client, "Client address"),
    field(headers, "Headers", "one on each line"),
    h("button", { type: "submit", class: "primary" }, "Explain"),
  );
  url.value = parameters.get("url") ?? "";
  headers.setAttribute("aria-describedby", "headers-hint");
  const node = h("div", { class: "page" }, heading("Explain a request"), h("p", { class: "faint lead" }, "Nothing is sent: the gateway looks up which router would take this request, and why each other would not."), form, result);
  const page = { title: "Explain a request", node, load, every: 3_600_000 };
  let asked = Boolean(url.value);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    asked = true;
    history.replaceState(null, "", `#/explain?${new URLSearchParams({ method: method.value, url: url.value })}`);
    page.refresh();
  });

  async function load(signal) {
    if (point.length === 1) {
      const points = await ask("entrypoints", { per_page: 200 }, signal);
      point.append(...points.filter((each) => !String(each.address).endsWith("/udp")).map((each) => h("option", { value: each.name }, each.name)));
    }
    if (!asked) return;
    const header = headers.value.split("\n").map((line) => line.trim()).filter(Boolean);
    try {
      const answer = await ask("explain", { method: method.value, url: url.value.trim(), header, entryPoint: point.value, client: client.value.trim() }, signal);
      patch(result, told(answer));
      say(titleOf(answer));
    } catch (error) {
      if (error.status !== 400) throw error;
      patch(result, notice("warning", "This is no request", h("p", {}, error.message)));
    }
  }

  return page;
}

function titleOf({ outcome, router, status }) {
  if (outcome === "routed") return `${router.name} takes the request`;
  return outcome === "refused" ? `The gateway refuses the request${status ? ` with ${status}` : ""}` : "No router takes the request: the client gets 404";
}

function told(answer) {
  const { others = [], othersTotal = others.length, closed = [] } = answer;
  const less = othersTotal > others.length && h("p", { class: "faint" }, `The first ${count(others.length)} are shown, those whose rules match before the rest.`);
  return [
    notice(answer.outcome === "routed" ? "ok" : "error", titleOf(answer), answer.outcome === "refused" && h("p", {}, answer.reason), way(answer)),
    othersTotal > 0 && section(`Why not the others (${counted(othersTotal, "router")})`, table("Routers that do not take the request", COLUMNS, others, (loss) => loss.name), less),
    closed.length > 0 && section("Not in service, whatever is asked", h("ul", { class: "problems" }, closed.slice(0, CLOSED).map(closedRouter)), closed.length > CLOSED && h("p", {}, h("a", { href: "#/http/routers?status=disabled" }, "All routers with errors"))),
    answer.outcome === "unrouted" && othersTotal === 0 && empty("There is no router on this entry point.", "A router is on the entry points that it names, or on the default ones."),
  ];
}

function closedRouter({ name, reason }) {
  return h("li", {}, badge("disabled"), h("div", {}, h("p", { class: "where" }, link("http/routers", name)), h("p", { class: "reason" }, reason)));
}

function way({ request, router, middlewares = [], service, children, tls }) {
  const linked = (kind, names) => names.map((name, index) => [index > 0 && " → ", link(kind, name)]);
  const over = request?.secure ? " over TLS" : "";
  return facts([
    ["Router", router && link("http/routers", router.name)],
    ["Rule", router && h("code", {}, router.rule)],
    ["Priority", router && String(router.priority)],
    ["Middlewares", middlewares.length > 0 && linked("http/middlewares", middlewares)],
    ["Service", service && link("http/services", service.name)],
    ["Servers", service?.servers?.length > 0 && h("span", { class: "mono" }, service.servers.join(", "))],
    ["Routers below", children?.length > 0 && linked("http/routers", children)],
    ["Arrives at", request && `${request.entryPoint}${over}`],
    ["Canonical path", request && h("span", { class: "mono" }, request.path)],
    ["TLS options", tls?.options],
    ["Certificate", tls && (tls.certificate.join(", ") || "the default one")],
  ]);
}

const COLUMNS = [
  { title: "Matches", class: "status", cell: (loss) => badge(loss.matches ? "warning" : "no", loss.matches ? "Yes, but later" : "No") },
  { title: "Router", class: "names", cell: (loss) => link("http/routers", loss.name) },
  { title: "Why", class: "why", cell: (loss) => loss.reason },
  { title: "Rule", class: "rule", cell: (loss) => h("code", { title: loss.rule }, loss.rule) },
  { title: "Priority", class: "number", cell: (loss) => String(loss.priority ?? "") },
];
