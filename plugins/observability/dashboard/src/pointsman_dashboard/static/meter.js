// What passes through the gateway: rates, shares and latencies of the last minutes, as the API tells them.

import { h } from "./dom.js";
import { ask } from "./api.js";
import { duration, percent, rate } from "./format.js";
import { spark } from "./spark.js";

export const EVERY = 5000;
export const GROUPS = { entryPoints: "Entry points", routers: "Routers", services: "Services", servers: "Servers" };
export const WINDOWS = { "1m": ["1 minute", 60], "5m": ["5 minutes", 60], "15m": ["15 minutes", 180] };
/** How many services a page asks for, each by its name. */
const MOST = 8;

export const keyOf = (group, name, server = "") => `${group} ${name} ${server}`;

/** Nothing is known, and `why`: requests are not counted, or the API did not say. */
export const nothing = (why) => ({ rows: new Map(), states: [], connections: {}, untracked: {}, why });

/** Rows by `keyOf`, what middlewares tell of themselves, and how many are not followed. */
export async function traffic(signal, parameters, window = "1m") {
  const answer = await ask("traffic", parameters, signal);
  const rows = new Map();
  for (const group of Object.keys(GROUPS)) {
    for (const told of answer[group] ?? []) {
      const row = rowOf(group, told, window, answer.stepSeconds);
      rows.set(keyOf(group, row.name, row.server), row);
    }
  }
  for (const { router, state, workers } of answer.states ?? []) {
    const row = rows.get(keyOf("routers", router));
    if (row && workers && state !== "closed" && row.state !== "open") row.state = state;
  }
  return { rows, states: answer.states ?? [], connections: answer.connections ?? {}, untracked: answer.untracked ?? {} };
}

function rowOf(group, told, window, stepSeconds) {
  const { requestsPerSecond, errorRate, clientErrorRate, latency, bytesInPerSecond, bytesOutPerSecond } = told[window];
  const known = requestsPerSecond > 0;
  return {
    group,
    name: told.name ?? told.service,
    server: told.url ?? "",
    state: told.status,
    rate: requestsPerSecond,
    errors: errorRate,
    clientErrors: clientErrorRate,
    p50: known ? latency.p50 * 1000 : undefined,
    p90: known ? latency.p90 * 1000 : undefined,
    p99: known ? latency.p99 * 1000 : undefined,
    bytes: bytesInPerSecond + bytesOutPerSecond,
    open: told.connections ?? told.inFlight,
    history: (told.history?.requests ?? []).map((requests) => requests / stepSeconds),
  };
}

/** The same for a page that can do without: of some elements, each asked for by name. */
export async function trafficOf(signal, queries) {
  try {
    const found = await Promise.all(queries.slice(0, MOST).map((query) => traffic(signal, query)));
    return { ...found[0], rows: new Map(found.flatMap(({ rows }) => [...rows])) };
  } catch (error) {
    if (signal.aborted) throw error;
    return nothing(error.status === 404 ? "Requests are not counted: api.traffic is false." : error.message);
  }
}

/** All of these rows together: the slowest stands for latencies, which do not add up. */
export function total(rows) {
  const sum = rows.reduce((all, row) => all + row.rate, 0);
  const share = (key) => (sum ? rows.reduce((all, row) => all + row.rate * row[key], 0) / sum : 0);
  const most = (key) => rows.reduce((slowest, row) => (row[key] > (slowest ?? -1) ? row[key] : slowest), undefined);
  const length = Math.max(0, ...rows.map((row) => row.history.length));
  const history = Array.from({ length }, (_, index) => rows.reduce((all, row) => all + (row.history[row.history.length - length + index] ?? 0), 0));
  return { rate: sum, errors: share("errors"), clientErrors: share("clientErrors"), p50: most("p50"), p90: most("p90"), p99: most("p99"), history };
}

/** Numbers and a line for one of them. */
export function gauges(row, why) {
  if (why) return h("p", { class: "faint" }, why);
  const cell = (name, value, kind) => h("div", { class: kind }, h("dt", {}, name), h("dd", {}, value));
  return h(
    "div",
    { class: "gauges" },
    h(
      "dl",
      {},
      cell("Requests/s", rate(row?.rate)),
      cell("Errors", percent(row?.errors), row?.errors > 0.01 ? "bad" : undefined),
      cell("4xx", percent(row?.clientErrors)),
      cell("p50", duration(row?.p50)),
      cell("p90", duration(row?.p90)),
      cell("p99", duration(row?.p99)),
    ),
    spark(row?.history ?? [], { width: 480, height: 56 }),
  );
}
