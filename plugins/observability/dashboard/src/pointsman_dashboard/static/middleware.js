// One middleware: its options, and who uses it.

import { h, patch } from "./dom.js";
import { ask, placeOf } from "./api.js";
import { titleOf } from "./kinds.js";
import { code, errors, facts, heading, section } from "./parts.js";
import { options } from "./options.js";
import { usedBy } from "./service.js";

const COMMON = ["name", "provider", "type", "status", "error", "usedBy", "state"];

export function middlewarePage(kind, name) {
  const protocol = kind.split("/")[0];
  const node = h("div", { class: "page" });

  async function load(signal) {
    const middleware = await ask(placeOf(kind, name), undefined, signal);
    const definition = Object.fromEntries(Object.entries(middleware).filter(([key]) => !COMMON.includes(key)));
    const own = Object.values(definition)[0];
    patch(
      node,
      heading(middleware.name, { above: { href: `#/${kind}`, text: titleOf(kind) }, state: middleware.status }),
      errors(middleware),
      h(
        "div",
        { class: "two" },
        section("Details", facts([["Type", middleware.type], ["Provider", middleware.provider]])),
        section("Options", own === undefined ? h("p", { class: "faint" }, middleware.error ? "They are not understood, so they are not shown: there may be a secret among them." : "None.") : options(own)),
      ),
      own !== undefined && section("Definition", code(JSON.stringify(definition, null, 2), "Definition")),
      usedBy(middleware, protocol),
    );
  }

  return { title: name, node, load };
}
