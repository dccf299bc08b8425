// What stands around every page: the name, the way to all pages with their counters, theme, version.

import { h, patch, say } from "./dom.js";
import { icon, mark } from "./icons.js";
import { ask } from "./api.js";
import { count } from "./format.js";
import { KINDS, titleOf, totals } from "./kinds.js";
import { themeSwitch } from "./theme.js";
import { isPaused, pauseAll } from "./ticker.js";

const GROUPS = [
  ["", ["", "Overview"], ["traffic", "Live traffic"], ["problems", "Problems"], ["explain", "Explain a request"]],
  ["HTTP", ["http/routers", "Routers"], ["http/services", "Services"], ["http/middlewares", "Middlewares"]],
  ["TCP", ["tcp/routers", "Routers"], ["tcp/services", "Services"], ["tcp/middlewares", "Middlewares"]],
  ["UDP", ["udp/routers", "Routers"], ["udp/services", "Services"]],
  ["TLS", ["certificates", "Certificates"]],
];

export class Frame {
  constructor(host) {
    this.overview = null;
    this.version = null;
    this.title = "";
    this.first = new Promise((resolve) => (this.known = resolve));
    this.main = h("main", { id: "main", tabindex: -1 });
    this.name = h("span", { class: "name" }, "Pointsman");
    this.build = h("span", { class: "version" });
    this.fresh = h("span", { class: "fresh wide" });
    this.side = h("nav", { class: "side", id: "side", "aria-label": "Pages" });
    this.menu = h(
      "button",
      { type: "button", class: "quiet menu", "aria-expanded": "false", "aria-controls": "side", onclick: () => this.open(!this.opened) },
      icon("menu"),
      h("span", { class: "unseen" }, "Menu"),
    );
    patch(
      host,
      h(
        "header",
        { class: "top" },
        this.menu,
        h("a", { class: "home", href: "#/" }, mark(), this.name),
        h("div", { class: "spring" }),
        this.fresh,
        this.liveSwitch(),
        themeSwitch(),
        this.build,
      ),
      this.side,
      this.main,
    );
    this.navigation("");
    this.side.addEventListener("keydown", (event) => this.arrows(event));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.opened) {
        this.open(false);
        this.menu.focus();
      }
    });
    document.getElementById("skip").addEventListener("click", (event) => {
      event.preventDefault();
      this.main.focus();
    });
  }

  get opened() {
    return this.menu.getAttribute("aria-expanded") === "true";
  }

  /** On a narrow screen the pages are behind a button. */
  open(wanted) {
    this.menu.setAttribute("aria-expanded", String(wanted));
    this.side.classList.toggle("open", wanted);
    if (wanted) this.side.querySelector("a").focus();
  }

  liveSwitch() {
    const button = h("button", { type: "button", class: "quiet live", "aria-pressed": "true", title: "Keep this page up to date" }, icon("live"), h("span", { class: "wide" }, "Live"));
    button.addEventListener("click", () => {
      pauseAll(!isPaused());
      const live = !isPaused();
      button.setAttribute("aria-pressed", String(live));
      patch(button, icon(live ? "live" : "pause"), h("span", { class: "wide" }, live ? "Live" : "Paused"));
      say(live ? "Updates go on" : "Updates are paused");
    });
    button.setAttribute("aria-label", "Live updates");
    return button;
  }

  /** Load what the frame shows; the pages use it, too. */
  async load(signal) {
    this.version ??= await ask("version", undefined, signal);
    this.overview = await ask("overview", undefined, signal);
    this.name.textContent = this.version.dashboardName || "Pointsman";
    this.build.textContent = `Pointsman ${this.version.Version ?? ""}`;
    this.build.title = this.version.startDate ? `Running since ${this.version.startDate}` : "";
    this.navigation(this.here);
    this.called();
    this.known();
  }

  /** The page that is shown, for the window's title and the mark in the list of pages. */
  called(title) {
    this.title = title ?? this.title;
    document.title = `${this.title} · ${this.name.textContent}`;
  }

  updated(error) {
    this.fresh.textContent = error ? "Not up to date" : `Updated ${new Date().toTimeString().slice(0, 8)}`;
    this.fresh.classList.toggle("stale", Boolean(error));
  }

  navigation(here) {
    this.here = here;
    patch(
      this.side,
      GROUPS.map(([title, ...pages]) =>
        h(
          "div",
          { class: "group" },
          title && h("h2", { id: `group-${title}` }, title),
          h("ul", { "aria-labelledby": title ? `group-${title}` : undefined }, pages.map(([place, text]) => h("li", {}, this.entry(place, text)))),
        ),
      ),
    );
  }

  entry(place, text) {
    const current = place === "" ? this.here === "" : this.here === place || this.here?.startsWith(`${place}/`);
    const kind = KINDS[place];
    const counted = kind && this.overview && totals(this.overview, place);
    return h(
      "a",
      { href: `#/${place}`, "aria-current": current ? "page" : undefined },
      h("span", { class: "text" }, kind?.protocol ? h("span", { class: "unseen" }, `${kind.protocol} `) : null, text),
      counted?.errors ? h("span", { class: "badcount", title: `${count(counted.errors)} with errors` }, icon("error"), count(counted.errors), h("span", { class: "unseen" }, " with errors, of ")) : null,
      counted ? h("span", { class: "count" }, count(counted.total), h("span", { class: "unseen" }, ` ${titleOf(place)}`)) : null,
    );
  }

  arrows(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const links = [...this.side.querySelectorAll("a")];
    const next = links[links.indexOf(document.activeElement) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
}
