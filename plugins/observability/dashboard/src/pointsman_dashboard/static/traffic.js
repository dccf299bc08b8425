// Live traffic: the busiest first.

import { h, patch } from "./dom.js";
import { icon } from "./icons.js";
import { count, counted, duration, percent, rate } from "./format.js";
import { badge, empty, heading, notice, table } from "./parts.js";
import { EVERY, GROUPS, WINDOWS, gauges, keyOf, total, traffic } from "./meter.js";
import { spark } from "./spark.js";

const SHOWN = 100;
const ALL = 500;
const NUMBERS = {
  rate: ["Requests/s", (row) => rate(row.rate)],
  errors: ["Errors", (row) => (row.errors > 0.01 ? badge("disabled", percent(row.errors)) : percent(row.errors))],
  clientErrors: ["4xx", (row) => percent(row.clientErrors)],
  p50: ["p50", (row) => duration(row.p50)],
  p90: ["p90", (row) => duration(row.p90)],
  p99: ["p99", (row) => duration(row.p99)],
};

export function trafficPage(_frame, parameters) {
  const view = {
    group: Object.hasOwn(GROUPS, parameters.get("of")) ? parameters.get("of") : "entryPoints",
    window: Object.hasOwn(WINDOWS, parameters.get("window")) ? parameters.get("window") : "1m",
    sortBy: "rate",
    descending: true,
  };
  const summary = h("section", { class: "card", "aria-label": "All entry points" });
  const groups = h("div", { class: "filters", role: "group", "aria-label": "What is shown" });
  const windows = h("div", { class: "filters", role: "group", "aria-label": "Of the last" });
  const search = h("input", { type: "search", placeholder: "Search names", "aria-label": "Search names", autocomplete: "off", spellcheck: "false" });
  const content = h("div", {});
  const tools = h("div", { class: "tools" }, h("div", { class: "search" }, icon("search"), search, h("kbd", { "aria-hidden": "true" }, "/")), groups, windows);
  const node = h("div", { class: "page" }, heading("Live traffic"), summary, tools, content);
  const page = { title: "Live traffic", node, load, every: EVERY };
  let known = { rows: new Map(), untracked: {} };
  let timer;

  search.addEventListener("input", () => {
    show();
    clearTimeout(timer);
    timer = setTimeout(() => page.refresh(), 300);
  });
  for (const [group, key] of [[groups, "group"], [windows, "window"]]) {
    group.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      view[key] = button.value;
      history.replaceState(null, "", `#/traffic?of=${view.group}&window=${view.window}`);
      page.refresh();
    });
  }
  content.addEventListener("click", (event) => {
    const sort = event.target.closest("th button")?.value;
    if (!sort) return;
    view.descending = view.sortBy === sort ? !view.descending : sort !== "name";
    view.sortBy = sort;
    show();
  });

  async function load(signal) {
    const kind = view.group === "entryPoints" ? "entryPoints" : `entryPoints,${view.group}`;
    try {
      known = await traffic(signal, { kind, limit: search.value.trim() ? ALL : SHOWN, history: WINDOWS[view.window][1] }, view.window);
    } catch (error) {
      if (error.status !== 404) throw error;
      patch(node, heading("Live traffic"), notice("warning", "Requests are not counted", h("p", {}, "Take api.traffic: false out of the static configuration to see them here.")));
      return;
    }
    show();
  }

  function show() {
    const wanted = search.value.trim().toLowerCase();
    const all = [...known.rows.values()];
    const found = all.filter((row) => row.group === view.group && `${row.name} ${row.server}`.toLowerCase().includes(wanted)).sort(before);
    const shown = found.slice(0, SHOWN);
    const untracked = known.untracked[view.group];
    patch(summary, gauges(total(all.filter((row) => row.group === "entryPoints"))));
    patch(groups, buttons(Object.entries(GROUPS), view.group));
    patch(windows, buttons(Object.entries(WINDOWS).map(([value, [text]]) => [value, text]), view.window));
    patch(
      content,
      shown.length ? table(GROUPS[view.group], columns(), shown, (row) => keyOf(row.group, row.name, row.server)) : nothing(wanted),
      found.length > shown.length && h("p", { class: "faint" }, `The first ${count(shown.length)} of ${count(found.length)} are shown; search or sort for others.`),
      untracked > 0 && h("p", { class: "faint" }, `${counted(untracked, "further one")} had requests, too: only the first ${count(ALL)} are followed.`),
    );
  }

  const nothing = (wanted) =>
    wanted ? empty(`Nothing with “${search.value.trim()}” among the busiest.`) : empty("Nothing has passed in the last 15 minutes.", "Send a request through an entry point; five seconds later it is counted here.");

  function before(one, other) {
    const order = view.sortBy === "name" ? one.name.localeCompare(other.name) : (one[view.sortBy] ?? -1) - (other[view.sortBy] ?? -1);
    return (view.descending ? -order : order) || one.name.localeCompare(other.name) || one.server.localeCompare(other.server);
  }

  function columns() {
    const open = { entryPoints: "Open", services: "In flight", servers: "In flight" }[view.group];
    const past = view.window === "15m" ? "Last 15 minutes" : "Last 5 minutes";
    return [
      sortable("name", { title: "Name", class: "names", cell: nameOf }),
      { title: past, class: "sparks", cell: (row) => spark(row.history, { most: WINDOWS[view.window][1] }) },
      ...Object.entries(NUMBERS).map(([key, [title, cell]]) => sortable(key, { title, class: "number", cell })),
      ...(open ? [sortable("open", { title: open, class: "number", cell: (row) => count(row.open) })] : []),
    ];
  }

  function sortable(key, column) {
    const active = view.sortBy === key;
    return {
      ...column,
      sorted: active ? (view.descending ? "descending" : "ascending") : undefined,
      head: h("button", { type: "button", value: key }, column.title, active && icon(view.descending ? "down" : "up")),
    };
  }

  return page;
}

const buttons = (choices, chosen) => choices.map(([value, text]) => h("button", { type: "button", value, "aria-pressed": String(value === chosen) }, text));

/** A router whose circuit is open, and a server that is down, are said to be; all others are well. */
const stateOf = (row) => (!row.state || row.state === "UP" ? null : badge(row.state));

function nameOf(row) {
  if (row.group === "entryPoints") return h("span", { class: "name" }, row.name);
  const kind = row.group === "routers" ? "http/routers" : "http/services";
  const link = h("a", { class: "name", href: `#/${kind}/${encodeURIComponent(row.name)}` }, row.name);
  const name = row.server ? [h("span", { class: "mono" }, row.server), " ", h("small", {}, link)] : [link];
  return [...name, " ", stateOf(row)];
}
