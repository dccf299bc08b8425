// Small pictures, drawn with the colour of the text beside them. Each stands beside a word, so readers of the screen skip them.

import { s } from "./dom.js";

const PATHS = {
  ok: ["M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13", "M5 8.2l2.1 2.1L11 6.2"],
  warning: ["M8 2L1.6 13.2h12.8z", "M8 6.4v3.2", "M8 11.5v.1"],
  error: ["M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3z", "M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4"],
  unknown: ["M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13", "M5 8h6"],
  lock: ["M3.5 7.2h9v6.3h-9z", "M5.3 7V5a2.7 2.7 0 0 1 5.4 0v2"],
  copy: ["M5.5 5.5h8v8h-8z", "M10.5 5.2V2.5h-8v8h2.7"],
  menu: ["M2 4h12M2 8h12M2 12h12"],
  arrow: ["M1 8h13M10 4l4 4l-4 4"],
  up: ["M8 12V4M4.5 7L8 3.5L11.5 7"],
  down: ["M8 4v8M4.5 9L8 12.5L11.5 9"],
  light: ["M8 5a3 3 0 1 0 0 6a3 3 0 0 0 0-6", "M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1.1 1.1M11.9 11.9L13 13M3 13l1.1-1.1M11.9 4.1L13 3"],
  dark: ["M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3z"],
  auto: ["M8 2a6 6 0 1 0 0 12z", "M8 2a6 6 0 0 1 0 12"],
  search: ["M7 2.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 0 0 0-9.6", "M10.5 10.5L14 14"],
  pause: ["M5 3v10M11 3v10"],
  live: ["M8 5a3 3 0 1 0 0 6a3 3 0 0 0 0-6"],
};

export function icon(name) {
  return s(
    "svg",
    { class: `icon i-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    PATHS[name].map((path) => s("path", { d: path })),
  );
}

/** The gateway's mark: a track and its points. */
export function mark() {
  return s(
    "svg",
    { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" },
    s("rect", { width: 32, height: 32, rx: 7 }),
    s("path", { d: "M6 21h20M10 21c5 0 6-10 11-10h5" }),
    s("circle", { cx: 10, cy: 21, r: 3 }),
  );
}
