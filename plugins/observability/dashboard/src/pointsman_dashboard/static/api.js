// The gateway's API. Its address stands in the page.

const BASE = document.querySelector('meta[name="pointsman-api"]').content;

/** An answer that is not the one asked for; `hint` says what to do about it. */
export class ApiError extends Error {
  constructor(status, message, isOwn = false) {
    super(message);
    this.status = status;
    this.hint = hint(status, isOwn);
  }
}

function hint(status, isOwn) {
  if (status === 0) return "Is the gateway running, and is it reachable from here? This page goes on trying.";
  if (status === 401 || status === 403) return "You may have been signed out: load the page again.";
  if (status === 404 && isOwn) return "It may have been taken out of the configuration.";
  if (status === 404) return `If everything here is missing: a router has to lead ${BASE} to the service api@internal.`;
  if (status >= 500) return "The log of the gateway says why.";
  return "";
}

async function fetched(path, parameters, signal) {
  const pairs = Object.entries(parameters ?? {}).flatMap(([name, value]) => [value].flat().map((each) => [name, each]));
  const query = new URLSearchParams(pairs.filter(([, value]) => value !== undefined && value !== ""));
  const url = `${BASE}${path}${query.size ? `?${query}` : ""}`;
  let response;
  try {
    response = await fetch(url, { signal, cache: "no-store", headers: { Accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "the API does not answer");
  }
  const text = await response.text();
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    throw new ApiError(response.status, `the API answered ${response.status}, without JSON`);
  }
  if (!response.ok) throw new ApiError(response.status, String(content.message ?? `the API answered ${response.status}`), true);
  return { content, headers: response.headers };
}

/** One object of the API. */
export async function ask(path, parameters, signal) {
  return (await fetched(path, parameters, signal)).content;
}

/** One page of a list: its items, and whether there are more. */
export async function askPage(path, parameters, signal) {
  const { content, headers } = await fetched(path, parameters, signal);
  const next = Number(headers.get("X-Next-Page") ?? 1);
  return { items: content, more: next > Number(parameters.page ?? 1) };
}

/** One object, or null if there is none of this name. */
export async function askIfThere(path, signal) {
  try {
    return await ask(path, undefined, signal);
  } catch (error) {
    if (error.status === 404 || error.status === 400) return null;
    throw error;
  }
}

/** Where an element is found in the API: `http/routers/shop@file`. */
export const placeOf = (kind, name) => `${kind}/${encodeURIComponent(name)}`;

/** All names end in their provider; what a router of that provider says may not. */
export const qualified = (name, provider) => (name.includes("@") ? name : `${name}@${provider}`);
