// Which page is shown, and that it stays up to date.

import { h, patch, say } from "./dom.js";
import { Frame } from "./frame.js";
import { Ticker, wakeAll } from "./ticker.js";
import { KINDS } from "./kinds.js";
import { notice } from "./parts.js";
import { overviewPage } from "./overview.js";
import { listPage } from "./list.js";
import { routerPage } from "./router.js";
import { servicePage } from "./service.js";
import { middlewarePage } from "./middleware.js";
import { certificatePage } from "./certificate.js";
import { trafficPage } from "./traffic.js";
import { problemsPage } from "./problems.js";
import { explainPage } from "./explain.js";

const OWN = { "": overviewPage, traffic: trafficPage, problems: problemsPage, explain: explainPage };
const DETAIL = { routers: routerPage, services: servicePage, middlewares: middlewarePage, certificates: certificatePage };

const frame = new Frame(document.getElementById("frame"));
let ticker = null;

/** `#/http/routers/a%2Fb@file?page=2` -> its kind, its name and its parameters. */
function placeIn(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean);
  const length = parts[0] === "certificates" ? 1 : 2;
  const place = parts.slice(0, length).join("/");
  let name = parts.slice(length).join("/");
  try {
    name = decodeURIComponent(name);
  } catch {
    // A name that was typed, with a stray %.
  }
  return { place, name, parameters: new URLSearchParams(query ?? "") };
}

function pageAt({ place, name, parameters }) {
  if (OWN[place]) return OWN[place](frame, parameters);
  if (KINDS[place] && name) return DETAIL[place.split("/").at(-1)](place, name, frame);
  if (KINDS[place]) return listPage(place, parameters, frame);
  return {
    title: "No such page",
    node: notice("warning", "There is no such page", h("p", {}, "The link may be an old one. ", h("a", { href: "#/" }, "Go to the overview"), ".")),
    load: async () => {},
  };
}

function show(first) {
  ticker?.stop();
  const where = placeIn(location.hash);
  const page = pageAt(where);
  const trouble = h("div", { class: "trouble", role: "alert" });
  const waiting = h("p", { class: "waiting" }, "Loading …");
  patch(frame.main);
  frame.main.append(trouble, waiting, page.node);
  page.node.hidden = true;
  frame.open(false);
  frame.navigation(where.name ? `${where.place}/` : where.place);
  frame.called(page.title);
  scrollTo(0, 0);
  let shown = false;
  ticker = new Ticker(page.load, page.every ?? 5000, (error) => {
    waiting.remove();
    page.node.hidden = Boolean(error) && !shown;
    frame.updated(error);
    patch(trouble, error ? troubleWith(error, shown) : []);
    if (shown) return;
    shown = !error;
    if (!first && !page.node.contains(document.activeElement)) {
      (frame.main.querySelector("h1") ?? frame.main).focus({ preventScroll: true });
      say(page.title);
    }
  });
  page.refresh = () => ticker.wake();
  ticker.start();
}

function troubleWith(error, shown) {
  const title = error.status === 404 ? `Not found: ${error.message}` : `This ${shown ? "is not up to date" : "cannot be shown"}: ${error.message}`;
  if (error.status === undefined) console.error(error);
  return notice("error", title, error.hint && h("p", {}, error.hint), h("button", { type: "button", onclick: wakeAll }, "Try again"));
}

/** `/` leads to the search, wherever one is. */
function keys(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  const search = frame.main.querySelector('input[type="search"]');
  if (search) search.focus();
  else location.hash = "#/http/routers";
}

document.addEventListener("keydown", keys);
addEventListener("hashchange", () => show(false));
new Ticker((signal) => frame.load(signal), 5000, () => frame.known()).start();
show(true);
