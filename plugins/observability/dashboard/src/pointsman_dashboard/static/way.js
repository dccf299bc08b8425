// A picture of the way of a request: entry points, router, middlewares, service, servers, each with its state.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { askIfThere, placeOf, qualified } from "./api.js";
import { count, counted, rate } from "./format.js";
import { badge, mono } from "./parts.js";
import { keyOf } from "./meter.js";

const DEEPEST = 5;
const MOST_SERVICES = 24;
const MOST_SERVERS = 6;

/** Everything that a router leads to: its middlewares and services, those that are missing as null. */
export async function wayOf(protocol, router, signal) {
  const middlewares = (router.middlewares ?? []).map((name) => qualified(name, router.provider));
  const [found, services] = await Promise.all([
    Promise.all(middlewares.map(async (name) => ({ name, element: await askIfThere(placeOf(`${protocol}/middlewares`, name), signal) }))),
    router.service ? servicesFrom(protocol, [{ name: qualified(router.service, router.provider) }], signal) : [],
  ]);
  return { protocol, router, middlewares: found, services };
}

/** Services below services, level by level: lists of {name, element, note}. */
export async function servicesFrom(protocol, first, signal) {
  const levels = [];
  const seen = new Set();
  let level = first;
  while (level.length && levels.length < DEEPEST) {
    level = level.filter(({ name }) => !seen.has(name) && seen.add(name)).slice(0, MOST_SERVICES);
    const found = await Promise.all(level.map(async (each) => ({ ...each, element: await askIfThere(placeOf(`${protocol}/services`, each.name), signal) })));
    if (found.length) levels.push(found);
    level = found.flatMap(({ element }) => (element ? childrenOf(element) : []));
  }
  return levels;
}

/** What a service hands its requests to, with the part that each gets. */
export function childrenOf(service) {
  const child = (name, note) => name && { name: qualified(name, service.provider), note };
  const { weighted, mirroring, failover, highestRandomWeight } = service;
  return [
    ...[...(weighted?.services ?? []), ...(highestRandomWeight?.services ?? [])].map((each) => child(each.name, `weight ${each.weight ?? 1}`)),
    child(mirroring?.service, "main"),
    ...(mirroring?.mirrors ?? []).map((each) => child(each.name, `${each.percent ?? 0} % copied`)),
    child(failover?.service, "main"),
    child(failover?.fallback, "stand-in"),
  ].filter(Boolean);
}

export const addressOf = (server) => server.url ?? server.address ?? "";

/** Servers of a service with what is known of each: its state, and why it is not well. */
export function serversOf(service) {
  const states = service.serverStatus ?? {};
  const details = service.serverDetails ?? {};
  return (service.loadBalancer?.servers ?? []).map((server) => {
    const address = addressOf(server);
    const { probes, failing = 0, ejected = 0 } = details[address] ?? {};
    const why = [probes === "DOWN" && "fails its health check", failing && `fails requests of ${counted(failing, "worker")}`, ejected && `ejected by ${counted(ejected, "worker")}`];
    const state = states[address] === "UP" && (failing || ejected) ? "EJECTED" : ejected && probes !== "DOWN" ? "EJECTED" : states[address];
    return { ...server, address, state, why: why.filter(Boolean).join(", ") };
  });
}

export function picture(way, { rows, states }) {
  const { protocol, router } = way;
  const points = (router.using?.length ? router.using : (router.entryPoints ?? [])).map((name) => box({ title: name, lines: [numbersOf(rows, "entryPoints", name)] }));
  const stages = [
    ["Entry points", points],
    ["Router", [box({ title: router.name, state: router.status, lines: [numbersOf(rows, "routers", router.name)], here: true })]],
    way.middlewares.length > 0 && ["Middlewares", way.middlewares.map((each, index) => middlewareBox(protocol, each, index, way, states))],
    ...way.services.map((level, depth) => [depth ? "Services behind" : "Service", level.map((each) => serviceBox(protocol, each, rows))]),
    ["Servers", serverBoxes(way.services.flat(), rows)],
  ].filter((stage) => stage && stage[1].length);
  return h(
    "ol",
    { class: "way", "aria-label": "The way of a request" },
    stages.map(([title, boxes], index) => h("li", { "data-key": `${index} ${title}` }, index > 0 && h("span", { class: "leads" }, icon("arrow")), h("div", { class: "stage" }, h("h3", {}, title), h("ul", {}, boxes)))),
  );
}

function box({ title, href, state, word, lines = [], here, note }) {
  const trouble = ["disabled", "missing", "DOWN", "open"].includes(state) ? "bad" : ["warning", "EJECTED", "DRAINING", "recovering"].includes(state) ? "doubtful" : "";
  return h(
    "li",
    { class: `box ${trouble}${here ? " here" : ""}`, "data-key": title },
    href ? h("a", { class: "title", href }, title) : h("span", { class: "title" }, title),
    h("div", { class: "states" }, state && badge(state, word), note && h("span", { class: "note" }, note)),
    lines.filter(Boolean).map((line) => h("div", { class: "line" }, line)),
  );
}

const missing = (name, what) => box({ title: name, state: "missing", lines: [`There is no ${what} of this name.`] });

function middlewareBox(protocol, { name, element }, index, { router, middlewares: all }, states) {
  const note = all.length > 1 ? `${index + 1} of ${all.length}` : undefined;
  if (!element) return name.endsWith("@internal") ? box({ title: name, note }) : missing(name, "middleware");
  const told = states.filter((each) => each.router === router.name && each.middleware === name && each.state);
  const worst = told.sort((one, other) => rankOf(one.state) - rankOf(other.state))[0];
  const lively = worst && element.status === "enabled";
  return box({
    title: name,
    href: `#/${placeOf(`${protocol}/middlewares`, name)}`,
    state: lively ? worst.state : element.status,
    lines: [element.type, ...told.filter((each) => each.workers && each.state !== "closed").map((each) => `${each.state} in ${counted(each.workers, "worker")}`)],
    note,
  });
}

const WORST = { open: 0, recovering: 1, closed: 2 };
const rankOf = (state) => WORST[state] ?? 3;

function serviceBox(protocol, { name, element, note }, rows) {
  if (!element) return name.endsWith("@internal") ? box({ title: name, note: "the gateway itself" }) : missing(name, "service");
  const servers = Object.values(element.serverStatus ?? {});
  const up = servers.filter((state) => state === "UP").length;
  const state = element.status === "enabled" && servers.length && up < servers.length ? (up ? "warning" : "DOWN") : element.status;
  return box({
    title: name,
    href: `#/${placeOf(`${protocol}/services`, name)}`,
    state,
    word: state !== element.status ? `${up} of ${servers.length} up` : undefined,
    lines: [element.type ?? "internal", numbersOf(rows, "services", name)],
    note,
  });
}

function serverBoxes(services, rows) {
  const all = services.flatMap(({ name, element }) => (element ? serversOf(element).map((server) => ({ ...server, service: name })) : []));
  const rank = { DOWN: 0, EJECTED: 1, DRAINING: 2 };
  all.sort((one, other) => (rank[one.state] ?? 3) - (rank[other.state] ?? 3));
  const boxes = all.slice(0, MOST_SERVERS).map((server) =>
    box({
      title: server.address,
      state: server.state ?? "unchecked",
      word: server.state ? undefined : "Not checked",
      note: server.weight !== undefined && server.weight !== 1 ? `weight ${server.weight}` : undefined,
      lines: [server.why, numbersOf(rows, "servers", server.service, server.address)],
    }),
  );
  if (all.length > MOST_SERVERS) boxes.push(h("li", { class: "box more" }, `and ${count(all.length - MOST_SERVERS)} more`));
  return boxes;
}

function numbersOf(rows, group, name, server) {
  const row = rows?.get(keyOf(group, name, server));
  return row && h("span", { class: "faint" }, mono(`${rate(row.rate)} req/s`));
}
