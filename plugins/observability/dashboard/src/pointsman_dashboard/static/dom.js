// Elements, made and brought up to date. Whatever comes from the API becomes text or an attribute, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: `h("a", {href: "#/"}, "Overview")`. Attributes that are null, undefined or false are left out. */
export function h(tag, attributes, ...children) {
  return built(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes, ...children) {
  return built(document.createElementNS(SVG, tag), attributes, children);
}

function built(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/**
 * Make the children of `host` what `wanted` is, changing as little as possible: focus, selection and scrolling stay.
 * An element that stays keeps its listeners, so those read what they need from the document when they are called.
 */
export function patch(host, ...wanted) {
  const fresh = document.createDocumentFragment();
  fresh.append(...wanted.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  patchChildren(host, fresh);
}

function patchChildren(host, fresh) {
  const keyed = new Map();
  for (const child of host.children) if (child.dataset?.key) keyed.set(child.dataset.key, child);
  let current = host.firstChild;
  for (const next of [...fresh.childNodes]) {
    const known = next.dataset?.key && keyed.get(next.dataset.key);
    if (known && known !== current && alike(known, next)) {
      host.insertBefore(known, current);
      current = known;
    }
    if (current && alike(current, next)) {
      update(current, next);
      current = current.nextSibling;
    } else {
      host.insertBefore(next, current);
    }
  }
  while (current) {
    const after = current.nextSibling;
    current.remove();
    current = after;
  }
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && one.dataset?.key === other.dataset?.key;
}

function update(current, next) {
  if (current.nodeType !== Node.ELEMENT_NODE) {
    if (current.data !== next.data) current.data = next.data;
    return;
  }
  for (const { name } of [...current.attributes]) if (!next.hasAttribute(name) && name !== "open") current.removeAttribute(name);
  for (const { name, value } of next.attributes) {
    if (current.getAttribute(name) === value) continue;
    if (name === "style") current.style.cssText = value; // as an attribute it would be against the page's policy
    else current.setAttribute(name, value);
  }
  patchChildren(current, next);
}

/** Tell people who do not see the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}
