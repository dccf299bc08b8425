// What pages are made of.

import { h, say } from "./dom.js";
import { icon } from "./icons.js";

const STATES = {
  enabled: ["ok", "OK"],
  warning: ["warning", "Warning"],
  disabled: ["error", "Error"],
  expired: ["error", "Expired"],
  missing: ["error", "Missing"],
  UP: ["ok", "Up"],
  DOWN: ["error", "Down"],
  EJECTED: ["warning", "Ejected"],
  DRAINING: ["warning", "Draining"],
  closed: ["ok", "Circuit closed"],
  recovering: ["warning", "Recovering"],
  open: ["error", "Circuit open"],
};

/** A state as a picture and a word, so that it needs no colour. */
export function badge(state, word) {
  const [kind, name] = STATES[state] ?? ["unknown", String(state ?? "unknown")];
  return h("span", { class: `badge ${kind}` }, icon(kind), h("span", {}, word ?? name));
}

export function section(title, ...content) {
  return h("section", { class: "card" }, h("h2", {}, title), ...content);
}

/** Names and values, those left out that have none. */
export function facts(pairs, attributes) {
  const rows = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  return h(
    "dl",
    { class: "facts", ...attributes },
    rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value === true ? "yes" : value))),
  );
}

export const chips = (names) => h("span", { class: "chips" }, names.map((name) => h("span", { class: "chip" }, name)));

export const mono = (text) => h("span", { class: "mono" }, text);

/** Code that can be copied; the text is taken from the page at that moment. */
export function code(text, label) {
  const copied = async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      say(`${button.dataset.what} copied`);
      button.lastElementChild.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.lastElementChild.textContent = "Press Ctrl+C";
    }
    setTimeout(() => (button.lastElementChild.textContent = "Copy"), 2000);
  };
  return h(
    "div",
    { class: "code" },
    h("pre", { tabindex: 0, role: "group", "aria-label": label }, text),
    h("button", { type: "button", class: "quiet", "data-what": label, "aria-label": `Copy: ${label}`, onclick: copied }, icon("copy"), h("span", {}, "Copy")),
  );
}

/** What is wrong with an element, in the gateway's words. */
export function errors(element) {
  const list = element.error ?? [];
  if (!list.length) return null;
  const serious = element.status === "disabled";
  return h(
    "section",
    { class: `notice ${serious ? "error" : "warning"}` },
    icon(serious ? "error" : "warning"),
    h(
      "div",
      {},
      h("h2", {}, serious ? "Not in service" : "In service, with a problem"),
      h("ul", {}, list.map((text) => h("li", {}, text))),
    ),
  );
}

export function notice(kind, title, ...content) {
  return h("section", { class: `notice ${kind}` }, icon(kind), h("div", {}, h("h2", {}, title), ...content));
}

export function empty(title, text) {
  return h("div", { class: "empty" }, h("p", { class: "what" }, title), text && h("p", {}, text));
}

/** The head of a page. What stands above it leads back. */
export function heading(title, { above, state, extra } = {}) {
  return h(
    "div",
    { class: "heading" },
    above && h("p", { class: "above" }, h("a", { href: above.href }, above.text)),
    h("div", { class: "line" }, h("h1", { tabindex: -1 }, title), state && badge(state), extra),
  );
}

/** A table whose roles survive its becoming a list on a narrow screen. `columns`: {title, cell(row), class}. */
export function table(label, columns, rows, key) {
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { role: "table", "aria-label": label },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((column) => h("th", { role: "columnheader", scope: "col", class: column.class, "aria-sort": column.sorted }, column.head ?? column.title)))),
      h(
        "tbody",
        { role: "rowgroup" },
        rows.map((row) =>
          h(
            "tr",
            { role: "row", "data-key": key && key(row) },
            columns.map((column) => h("td", { role: "cell", class: column.class, "data-label": column.title }, column.cell(row))),
          ),
        ),
      ),
    ),
  );
}
