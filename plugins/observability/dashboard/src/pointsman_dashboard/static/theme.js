// Light, dark, or what the system says; remembered in this browser.

import { h, patch, say } from "./dom.js";
import { icon } from "./icons.js";

const ORDER = ["auto", "light", "dark"];
const KEY = "pointsman.theme";

function chosen() {
  return document.documentElement.dataset.theme ?? "auto";
}

function choose(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Then it holds for this page only.
  }
}

export function themeSwitch() {
  const button = h("button", { type: "button", class: "quiet", id: "theme" });
  const show = () => {
    const theme = chosen();
    const next = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    button.setAttribute("aria-label", `Theme: ${theme}. Change to ${next}`);
    button.title = `Theme: ${theme}`;
    patch(button, icon(theme), h("span", { class: "wide" }, theme[0].toUpperCase() + theme.slice(1)));
    return theme;
  };
  button.addEventListener("click", () => {
    choose(ORDER[(ORDER.indexOf(chosen()) + 1) % ORDER.length]);
    say(`Theme: ${show()}`);
  });
  show();
  return button;
}
