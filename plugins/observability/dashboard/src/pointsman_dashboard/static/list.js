// A list of one kind: filtered, sorted and cut into pages by the gateway, so that thousands cost no more than fifty.

import { h, patch, say } from "./dom.js";
import { icon } from "./icons.js";
import { askPage } from "./api.js";
import { count } from "./format.js";
import { KINDS, titleOf, totals } from "./kinds.js";
import { empty, heading, table } from "./parts.js";

const PER_PAGE = 50;
const STATUSES = [["", "All"], ["enabled", "OK"], ["warning", "Warnings"], ["disabled", "Errors"]];

export function listPage(kind, parameters, frame) {
  const { columns, statuses = STATUSES } = KINDS[kind];
  const title = titleOf(kind);
  const view = {
    search: parameters.get("search") ?? "",
    status: parameters.get("status") ?? "",
    sortBy: parameters.get("sortBy") ?? columns.find((column) => column.class === "names").sort,
    direction: parameters.get("direction") ?? "asc",
    page: Math.max(1, Number(parameters.get("page")) || 1),
  };
  const search = h("input", { type: "search", id: "search", placeholder: `Search ${title}`, "aria-label": `Search ${title}`, autocomplete: "off", spellcheck: "false" });
  search.value = view.search;
  const filters = h("div", { class: "filters", role: "group", "aria-label": "Status" });
  const order = h("select", { id: "order", "aria-label": "Sort by" }, columns.filter((column) => column.sort).map((column) => h("option", { value: column.sort }, `Sort: ${column.title}`)));
  const content = h("div", { class: "content" });
  const pager = h("nav", { class: "pager", "aria-label": "Pages of the list" });
  const node = h("div", { class: "page list" }, heading(title), h("div", { class: "tools" }, h("div", { class: "search" }, icon("search"), search, h("kbd", { "aria-hidden": "true" }, "/")), filters, order), content, pager);
  const page = { title, node, load };
  let timer;

  /** The address says what is shown, for reloading and for passing it on. */
  function change(what) {
    Object.assign(view, { page: 1 }, what);
    const query = new URLSearchParams(Object.entries(view).filter(([key, value]) => value && !(key === "page" && value === 1) && !(key === "direction" && value === "asc")));
    history.replaceState(null, "", `#/${kind}?${query}`);
    page.refresh();
  }

  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => change({ search: search.value.trim() }), 200);
  });
  order.addEventListener("change", () => change({ sortBy: order.value, direction: "asc" }));
  filters.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) change({ status: button.value });
  });
  content.addEventListener("click", (event) => {
    const sort = event.target.closest("th button")?.value;
    if (sort) change({ sortBy: sort, direction: view.sortBy === sort && view.direction === "asc" ? "desc" : "asc" });
    if (event.target.closest(".clear")) {
      search.value = "";
      change({ search: "", status: "" });
    }
  });
  content.addEventListener("keydown", arrows);
  pager.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && !button.disabled) {
      change({ page: Number(button.value) });
      scrollTo(0, 0);
    }
  });

  async function load(signal) {
    let found;
    try {
      found = await askPage(kind, { ...view, per_page: PER_PAGE }, signal);
    } catch (error) {
      if (error.status !== 400 || view.page === 1) throw error;
      view.page = 1; // the list has become shorter than this page
      found = await askPage(kind, { ...view, per_page: PER_PAGE }, signal);
    }
    await frame.first;
    const known = knownTotal(found);
    order.value = view.sortBy;
    patch(filters, statuses.map(([value, text]) => h("button", { type: "button", value, "aria-pressed": String(view.status === value) }, text, ofStatus(value))));
    patch(content, found.items.length ? table(title, columns.map(sortable), found.items, (row) => row.name) : nothing());
    patch(pager, pages(found, known));
    const said = `${title}: ${range(found, known)}`;
    if (said !== load.said && load.said !== undefined) say(said);
    load.said = said;
  }

  /** How many there are in all, where that is known: nobody counts what a search leaves. */
  function knownTotal(found) {
    if (!found.more) return (view.page - 1) * PER_PAGE + found.items.length;
    if (view.search) return null;
    return numberOf(view.status);
  }

  function numberOf(status) {
    if (!frame.overview) return null;
    const { total, warnings, errors } = totals(frame.overview, kind);
    return { "": total, enabled: total - warnings - errors, warning: warnings }[status] ?? errors;
  }

  function ofStatus(status) {
    const number = numberOf(status);
    return number === null ? null : h("span", { class: "count" }, ` ${count(number)}`);
  }

  function sortable(column) {
    if (!column.sort) return column;
    const active = view.sortBy === column.sort;
    const descending = view.direction !== "asc";
    return {
      ...column,
      sorted: active ? (descending ? "descending" : "ascending") : undefined,
      head: h("button", { type: "button", value: column.sort }, column.title, active && icon(descending ? "down" : "up")),
    };
  }

  function nothing() {
    if (!view.search && !view.status) return empty(`There are no ${title} yet.`, "They come from the providers, such as a file, Docker or Kubernetes. What a provider could not use is on the page Problems.");
    return h("div", { class: "empty" }, h("p", { class: "what" }, `No ${title} ${view.search ? `with “${view.search}”` : "of this status"}.`), h("button", { type: "button", class: "clear" }, "Show all"));
  }

  function range({ items }, known) {
    if (!items.length) return "none";
    const first = (view.page - 1) * PER_PAGE + 1;
    return `${count(first)} to ${count(first + items.length - 1)} of ${known === null ? "more" : count(known)}`;
  }

  function pages(found, known) {
    if (!found.items.length) return [];
    const last = known === null ? null : Math.ceil(known / PER_PAGE);
    const to = (value, text, enabled) => h("button", { type: "button", value, disabled: !enabled }, text);
    return [
      h("span", { class: "range" }, range(found, known)),
      view.page > 1 || found.more ? [to(1, "First", view.page > 1), to(view.page - 1, "Previous", view.page > 1), to(view.page + 1, "Next", found.more), last && to(last, "Last", view.page < last)] : null,
    ];
  }

  return page;
}

/** From row to row without a mouse. */
function arrows(event) {
  const links = [...event.currentTarget.querySelectorAll("tbody td.names a")];
  const here = links.indexOf(document.activeElement);
  if (here < 0) return;
  const there = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: links.length - 1 }[event.key];
  if (there === undefined) return;
  event.preventDefault();
  links[Math.max(0, Math.min(there, links.length - 1))].focus();
}
