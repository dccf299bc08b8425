// Options as they stand in the configuration, whatever they are: names and values, one level inside the other.

import { h } from "./dom.js";
import { words } from "./format.js";

export function options(value) {
  if (Array.isArray(value)) {
    if (!value.length) return "none";
    if (value.every((each) => typeof each !== "object")) return h("span", { class: "mono" }, value.join(", "));
    return h("ol", { class: "items" }, value.map((each) => h("li", {}, options(each))));
  }
  if (value !== null && typeof value === "object") {
    const pairs = Object.entries(value);
    if (!pairs.length) return "all defaults";
    return h("dl", { class: "facts" }, pairs.map(([key, each]) => h("div", { class: isDeep(each) ? "deep" : undefined }, h("dt", { title: key }, words(key)), h("dd", {}, options(each)))));
  }
  if (value === true || value === false) return value ? "yes" : "no";
  return h("span", { class: typeof value === "string" ? "mono" : undefined }, String(value ?? "–"));
}

const isDeep = (value) => value !== null && typeof value === "object" && (!Array.isArray(value) || value.some((each) => typeof each === "object")) && Object.keys(value).length > 0;
