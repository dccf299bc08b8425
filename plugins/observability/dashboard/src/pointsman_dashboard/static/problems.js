// Everything that is wrong, where, and the way out.

import { h, patch } from "./dom.js";
import { icon } from "./icons.js";
import { ask } from "./api.js";
import { counted } from "./format.js";
import { badge, empty, heading } from "./parts.js";

const MOST = 500;

/** What the API lists: where, what, the way out if there is one, and whether it is only a warning. Errors come first. */
export async function problems(signal) {
  const found = (await ask("problems", { per_page: MOST }, signal)).map(({ path = "", message = "", severity, source }) => {
    const [text, ...rest] = message.split("; ");
    const hint = rest.join("; ") || (/does not exist|doesn't exist/.test(text) ? "define it, or name one that there is" : "");
    return { where: path, text, hint, source, warning: severity === "warning", href: linkOf(path) };
  });
  return [...found.filter((problem) => !problem.warning), ...found.filter((problem) => problem.warning)];
}

/** `http.routers.shop@file.rule` leads to the router. */
function linkOf(path) {
  const [, protocol, kind, name] = /^(http|tcp|udp)\.(routers|services|middlewares)\.(.+?@[a-z][\w-]*)/i.exec(path) ?? [];
  return name ? `#/${protocol}/${kind}/${encodeURIComponent(name)}` : null;
}

export function problemList(list) {
  return h(
    "ul",
    { class: "problems" },
    list.map((problem) =>
      h(
        "li",
        {},
        badge(problem.warning ? "warning" : "disabled"),
        h(
          "div",
          {},
          problem.where && h("p", { class: "where" }, problem.href ? h("a", { href: problem.href }, problem.where) : problem.where),
          h("p", { class: "reason" }, problem.text),
          problem.hint && h("p", { class: "out" }, icon("arrow"), problem.hint),
        ),
      ),
    ),
  );
}

export function problemsPage() {
  const content = h("div", {});
  const search = h("input", { type: "search", placeholder: "Search problems", "aria-label": "Search problems", autocomplete: "off", spellcheck: "false" });
  const node = h("div", { class: "page" }, heading("Problems"), h("div", { class: "tools" }, h("div", { class: "search" }, icon("search"), search, h("kbd", { "aria-hidden": "true" }, "/"))), content);
  let list = [];
  search.addEventListener("input", show);

  function show() {
    const wanted = search.value.trim().toLowerCase();
    const found = list.filter((problem) => `${problem.where} ${problem.text}`.toLowerCase().includes(wanted));
    const errors = found.filter((problem) => !problem.warning).length;
    patch(
      content,
      found.length
        ? [h("p", { class: "faint" }, `${counted(errors, "error")}, ${counted(found.length - errors, "warning")}${list.length === MOST ? `, and maybe more: the first ${MOST} are listed` : ""}`), h("div", { class: "card" }, problemList(found))]
        : wanted && list.length
          ? empty(`No problem with “${search.value.trim()}”.`)
          : empty("There are no problems.", "Whatever the gateway cannot use of its configuration is listed here, with the way out."),
    );
  }

  return {
    title: "Problems",
    node,
    load: async (signal) => {
      list = await problems(signal);
      show();
    },
  };
}
