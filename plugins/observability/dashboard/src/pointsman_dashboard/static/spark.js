// A line of the last few minutes.

import { s } from "./dom.js";

/** `values`, oldest first; what it says must be beside it in words. */
export function spark(values, { width = 120, height = 28, most = 60, kind = "" } = {}) {
  const shown = values.slice(-most);
  const top = Math.max(...shown, 0);
  const step = width / (most - 1);
  const x = (index) => (width - (shown.length - 1 - index) * step).toFixed(1);
  const y = (value) => (height - 1.5 - (top ? (value / top) * (height - 4) : 0)).toFixed(1);
  const line = shown.map((value, index) => `${index ? "L" : "M"}${x(index)} ${y(value)}`).join("");
  return s(
    "svg",
    { class: `spark ${kind}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    s("path", { class: "base", d: `M0 ${height - 1}H${width}` }),
    shown.length > 1 && s("path", { class: "area", d: `${line}L${width} ${height}L${x(0)} ${height}Z` }),
    shown.length > 1 && s("path", { class: "line", d: line }),
  );
}
