// The script of the console. It brings the content of a page into the shell, stores the function key for this tab, sends what is to be
// written to the HTTP API, and handles keys and the choice of a window in the chart. Pages are made by the server.

const SHELL = "/api/console/";
const VIEWS = "/api/views/";
const FIRST_PAGE = "overview";
const KEY = "function-key";
const RETRY_MS = 2000;
const HEALTH_MS = 15000;

const main = document.getElementById("main");
const notice = document.getElementById("notice");
const trusted = window.trustedTypes?.createPolicy("changefeed", { createHTML: (html) => html });

// The request of the page that is shown. An older one must not replace it.
let current = new AbortController();
let refresh = 0;

// Requests

class Failure extends Error {
  constructor(message, isTemporary = false) {
    super(message);
    this.isTemporary = isTemporary;
  }
}

function headers(more) {
  const key = sessionStorage.getItem(KEY);
  return { "x-time-zone": Intl.DateTimeFormat().resolvedOptions().timeZone, ...(key ? { "x-functions-key": key } : {}), ...more };
}

// Sends a request. Asks for the key while the host refuses it.
async function request(address, options = {}) {
  for (;;) {
    const answer = await fetch(address, { ...options, cache: "no-store", headers: headers(options.headers) });
    if (answer.status !== 401) return answer;
    await askForKey(sessionStorage.getItem(KEY) !== null);
  }
}

let asking = null;

function askForKey(wasRefused) {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("sign-in");
    const field = document.getElementById("function-key");
    const error = document.getElementById("sign-in-error");
    error.textContent = wasRefused ? "The app refused this key." : "";
    error.hidden = !wasRefused;
    field.value = "";
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.querySelector("form").onsubmit = () => {
      sessionStorage.setItem(KEY, field.value.trim());
      delete document.documentElement.dataset.access;
      asking = null;
      resolve();
    };
    if (!dialog.open) dialog.showModal();
    field.focus();
  });
  return asking;
}

// Pages

// The address of the view of a page.
function viewOf(url) {
  const page = url.pathname === "/api/console" || url.pathname === SHELL ? FIRST_PAGE : url.pathname.slice(SHELL.length);
  return VIEWS + page + url.search;
}

function isPage(url) {
  const path = url.pathname;
  return url.origin === location.origin && (path === "/api/console" || (path.startsWith(SHELL) && !path.startsWith(SHELL + "assets/")));
}

// Shows the page of an address. `how` is push, replace, or none for one that is in the history of the tab already.
async function show(url, how = "push", isRefresh = false) {
  current.abort();
  clearTimeout(refresh);
  const mine = (current = new AbortController());
  main.setAttribute("aria-busy", "true");
  // A link in the head of the shell does not name the source.
  if (!url.searchParams.has("source") && source()) url.searchParams.set("source", source());
  try {
    const answer = await request(viewOf(url), { headers: { "x-console-fragment": "1" }, signal: mine.signal });
    const html = await answer.text();
    if (mine !== current) return;
    if (how === "push") {
      history.replaceState({ ...history.state, scroll: scrollY, row: rows().indexOf(document.activeElement) }, "");
      history.pushState({ depth: depth() + 1 }, "", url);
    }
    if (how === "replace") history.replaceState(history.state, "", url);
    // A retry must not add the address again.
    if (how !== "back") how = "none";
    if (!answer.headers.get("content-type")?.startsWith("text/html")) throw new Failure(`The app answered with status ${answer.status}.`, answer.status >= 500);
    put(html, url, isRefresh);
    if (how === "back") returnToPlace();
    say("");
  } catch (error) {
    if (mine !== current || error.name === "AbortError") return;
    const isFinal = error instanceof Failure && !error.isTemporary;
    say(`${error instanceof Failure ? error.message : "The app cannot be reached."}${isFinal ? "" : " Trying again."}`, true);
    if (!isFinal) refresh = setTimeout(() => show(url, how, isRefresh), RETRY_MS);
  } finally {
    if (mine === current) main.removeAttribute("aria-busy");
  }
}

// The source of the page, where the app has several.
function source() {
  return new URL(location.href).searchParams.get("source");
}

// Shows the choice of a source in the head. Another source has other documents and jobs: its page begins without what was chosen before.
function showSources({ source: chosen, sources, page }) {
  const choice = document.getElementById("source");
  choice.hidden = !sources;
  if (!sources) return;
  const names = sources.split(",");
  if (choice.children.length !== names.length) choice.replaceChildren(...names.map((name) => new Option(name, name)));
  choice.value = chosen;
  choice.onchange = () => show(new URL(`${SHELL}${page}?source=${choice.value}`, location.href));
  for (const link of document.querySelectorAll("header .name, header nav a")) link.search = `source=${chosen}`;
}

// How many pages of the console are before this one in the history of the tab.
function depth() {
  return history.state?.depth ?? 0;
}

// The element of a view. This is the only place where text becomes HTML.
function parsed(html) {
  const holder = document.createElement("div");
  holder.innerHTML = trusted ? trusted.createHTML(html) : html;
  return holder.firstElementChild;
}

let healthAsked = 0;

// Shows in the head whether everything is captured. Without an answer, what it showed goes away.
async function showHealth() {
  if (document.hidden || Date.now() - healthAsked < HEALTH_MS) return;
  healthAsked = Date.now();
  const answer = await fetch(`${VIEWS}health${source() ? `?source=${source()}` : ""}`, { cache: "no-store", headers: headers({ "x-console-fragment": "1" }) }).catch(() => null);
  const place = document.getElementById("health");
  place.hidden = !answer?.ok;
  if (answer?.ok) place.replaceChildren(...parsed(await answer.text()).childNodes);
}

setInterval(showHealth, HEALTH_MS);

// Puts a view into the page.
function put(html, url, isRefresh) {
  const focused = isRefresh ? document.activeElement?.id : "";
  const view = parsed(html);
  main.replaceChildren(view);
  const { title, scope, page, address } = view.dataset;
  document.title = title;
  const named = document.getElementById("scope");
  named.textContent = scope;
  named.hidden = false;
  for (const link of document.querySelectorAll("header nav a")) {
    const isCurrent = new URL(link.href).pathname === SHELL + page;
    isCurrent ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  // Times that were written relative to now are absolute in the address, so that a copied link shows the same.
  if (address) history.replaceState(history.state, "", new URL(address, new URL(SHELL, location.href)));
  if (isRefresh) {
    if (focused) document.getElementById(focused)?.focus();
  } else {
    scrollTo(0, url.hash ? scrollY : 0);
    if (document.activeElement === document.body || main.contains(document.activeElement)) main.focus({ preventScroll: true });
  }
  showSources(view.dataset);
  forgetMarksOfOthers(new URL(location.href));
  showMarks();
  if (view.querySelector("[data-writes]")) learnAccess();
  showHealth();
  const seconds = view.querySelector("[data-refresh]")?.dataset.refresh;
  if (seconds) refresh = setTimeout(() => show(new URL(location.href), "none", true), seconds * 1000);
}

function say(text, isError = false) {
  notice.textContent = text;
  notice.hidden = !text;
  notice.classList.toggle("error", isError);
}

addEventListener("popstate", () => show(new URL(location.href), "back"));

// Back on a page, where it was left.
function returnToPlace() {
  const { scroll, row } = history.state ?? {};
  if (row >= 0) rows()[row]?.focus({ preventScroll: true });
  if (scroll) scrollTo(0, scroll);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const opens = event.target.closest("[data-opens]");
  if (opens) return document.getElementById(opens.dataset.opens).showModal();
  const checks = event.target.closest("[data-checks]");
  if (checks) return check(checks.closest("form"), checks.dataset.checks === "all");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  // The link of a drawing has an object here.
  const url = new URL(link.getAttribute("href"), location.href);
  if (!isPage(url) || link.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  if (link.dataset.unfold === undefined) show(url);
  else unfold(link, url);
});

// Puts the lines that a fold stands for in its place.
async function unfold(fold, url) {
  fold.setAttribute("aria-busy", "true");
  try {
    const answer = await request(viewOf(url), { headers: { "x-console-fragment": "1" } });
    const lines = parsed(await answer.text())?.querySelector(".diff");
    if (!lines) throw new Failure("These lines could not be read.");
    const [first] = lines.children;
    fold.replaceWith(...lines.childNodes);
    first?.setAttribute("tabindex", "-1");
    first?.focus({ preventScroll: true });
  } catch (error) {
    fold.removeAttribute("aria-busy");
    say(error instanceof Failure ? error.message : "The app cannot be reached.", true);
  }
}

// Chooses all fields of a form, or none.
function check(form, isChecked) {
  for (const box of form.querySelectorAll("input[type=checkbox]")) box.checked = isChecked;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "dialog") return;
  event.preventDefault();
  if (form.dataset.post) return void write(form, event.submitter);
  if (form.dataset.verify) return void verify(form);
  if (form.dataset.each) return void each(form);
  if (form.dataset.needs && !new FormData(form).has(form.dataset.needs)) return say("Choose at least one row.", true);
  const url = new URL(form.getAttribute("action"), location.href);
  url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim()));
  // Keys belong to the new page, not to the field.
  document.activeElement.blur();
  show(url);
});

// Writing

// What the key may do. PUT belongs to the function that writes, and does nothing: it is refused with 405 by the app, and before that by the host
// if the key does not open the function. HEAD belongs to the function that reads.
async function learnAccess() {
  const root = document.documentElement;
  if (root.dataset.access) return;
  const answer = await fetch("/api/restores", { method: "PUT", headers: headers() }).catch(() => null);
  const access = { 405: "write", 401: "read", 403: "read" }[answer?.status];
  if (access) root.dataset.access = access;
  // Another answer, as of an app that starts, says nothing about the key.
  else setTimeout(learnAccess, RETRY_MS);
}

// The JSON text of an object with the properties of two. The first one is never read: JavaScript would round its large numbers.
function joined(one, other) {
  if (one === "{}") return other;
  return other === "{}" ? one : `${one.slice(0, -1)},${other.slice(1)}`;
}

// Sends a form to the HTTP API. `data-body` is the request; fields of the form are added to it.
async function write(form, button) {
  const fields = [...new FormData(form, button)].filter(([, value]) => value.trim());
  const needed = form.dataset.needs;
  if (needed && !fields.some(([name]) => name === needed)) return say("Choose at least one field.", true);
  const more = {};
  for (const [name, value] of fields) {
    if (name.endsWith("[]")) (more[name.slice(0, -2)] ??= []).push(value);
    else more[name] = form.elements[name]?.type !== "text" && ["true", "false"].includes(value) ? value === "true" : value;
  }
  const taken = form.dataset.takes && main.querySelector(`input[name="${form.dataset.takes}"]`)?.value.trim();
  if (taken) more[form.dataset.takes] = taken;
  const body = joined(form.dataset.body ?? "{}", JSON.stringify(more));
  const buttons = form.querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = true));
  say("");
  try {
    const answer = await request(form.dataset.post, { method: form.dataset.method ?? "POST", body, headers: { "content-type": "application/json" } });
    const text = await answer.text();
    const read = text ? JSON.parse(text) : {};
    if (!answer.ok) throw new Failure(read.error?.message ?? `The app answered with status ${answer.status}.`);
    const next = (form.dataset.next ?? location.href).replace("{id}", encodeURIComponent(read.id ?? ""));
    await show(new URL(next, location.href));
  } catch (error) {
    say(error instanceof Failure ? error.message : "The app cannot be reached. It is not known whether it got the request; reload the page to see.", true);
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}

// Verifies a backup, part by part, and shows the result in the form.
async function verify(form) {
  const [button, output] = [form.querySelector("button"), form.querySelector("output")];
  const read = { segments: 0, damages: [] };
  let body = {};
  button.disabled = true;
  try {
    do {
      output.textContent = `${read.segments} files read`;
      const answer = await request(form.dataset.verify, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
      const part = await answer.json();
      if (!answer.ok) throw new Failure(part.error?.message ?? `The app answered with status ${answer.status}.`);
      read.segments += part.segments;
      read.damages.push(...part.damages);
      body = { continuation: part.continuation };
    } while (body.continuation);
    const damages = read.damages.map(({ damage, segment }) => `${damage} ${segment ?? ""}`).join(", ");
    output.textContent = damages ? `Damaged: ${damages}` : `Sound: ${read.segments} files, and every digest is right.`;
  } catch (error) {
    say(error instanceof Failure ? error.message : "The app cannot be reached.", true);
  } finally {
    button.disabled = false;
  }
}

// What the answer about an item says.
const OUTCOMES = {
  stored: "stored as a version",
  alreadyStored: "stored before",
  stillDead: "still cannot be stored",
  discarded: "discarded",
  gone: "no longer a dead letter",
  failed: "failed",
};

// Sends a request for each of several items, in order, and lists those that failed, which can be tried again. Another page ends it.
async function each(form) {
  const [output, failures] = [form.querySelector("output"), form.querySelector("ul")];
  const ids = JSON.parse(form.dataset.ids);
  const buttons = main.querySelectorAll("form[data-each] button");
  const counts = {};
  const left = [];
  const shown = () => Object.entries(counts).map(([outcome, count]) => `${count} ${OUTCOMES[outcome]}`).join(", ");
  buttons.forEach((button) => (button.disabled = true));
  say("");
  failures.replaceChildren();
  for (const [at, id] of ids.entries()) {
    if (!form.isConnected) return;
    output.textContent = `${at} of ${ids.length}: ${shown()}`;
    const address = form.dataset.each.replace("{id}", encodeURIComponent(id));
    const post = form.dataset.method === "POST" ? { body: "{}", headers: { "content-type": "application/json" } } : {};
    let outcome = "failed";
    let message = "";
    try {
      const answer = await request(address, { method: form.dataset.method, ...post });
      const read = await answer.json().catch(() => ({}));
      if (answer.ok) [outcome, message] = [read.outcome ?? "discarded", read.message];
      else if (answer.status === 404) outcome = "gone";
      else message = read.error?.message ?? `The app answered with status ${answer.status}.`;
    } catch {
      message = "The app cannot be reached. It is not known whether it got the request.";
    }
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    if (outcome !== "failed" && outcome !== "stillDead") continue;
    left.push(id);
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `dead-letters?id=${encodeURIComponent(id)}${source() ? `&source=${source()}` : ""}`;
    link.textContent = id.slice(0, 8);
    item.append(link, `: ${message}`);
    failures.append(item);
  }
  output.textContent = `${ids.length - left.length} of ${ids.length} done: ${shown()}.`;
  failures.hidden = !left.length;
  form.dataset.ids = JSON.stringify(left);
  if (left.length) buttons.forEach((button) => (button.disabled = false));
  healthAsked = 0;
  showHealth();
}

// Choosing all rows, or none.
document.addEventListener("change", ({ target }) => {
  const name = target.dataset.all;
  if (name) for (const box of main.querySelectorAll(`input[name="${name}"]`)) box.checked = target.checked;
});

// Choosing a window in the chart

document.addEventListener("pointerdown", (event) => {
  const chart = event.target.closest("svg[data-chart]");
  if (!chart || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const starts = chart.dataset.starts.split(" ").map(Number);
  const buckets = starts.length - 1;
  const box = chart.getBoundingClientRect();
  const bucketAt = (x) => Math.min(buckets - 1, Math.max(0, Math.floor(((x - box.left) / box.width) * buckets)));
  const first = bucketAt(event.clientX);
  let last = first;
  let band = null;
  const move = (event) => {
    last = bucketAt(event.clientX);
    if (!band && Math.abs(event.clientX - startX) < 4) return;
    if (!band) {
      band = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      band.setAttribute("class", "band");
      band.setAttribute("y", "0");
      band.setAttribute("height", "100");
      chart.append(band);
    }
    band.setAttribute("x", String(Math.min(first, last) * 10));
    band.setAttribute("width", String((Math.abs(last - first) + 1) * 10));
  };
  const startX = event.clientX;
  const finish = (event) => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", finish);
    removeEventListener("pointercancel", finish);
    if (!band || event.type === "pointercancel") return void band?.remove();
    // The end of a drag is not a click on the bar below it.
    addEventListener("click", (click) => (click.preventDefault(), click.stopPropagation()), { capture: true, once: true });
    setTimeout(() => {
      const time = (second) => new Date(second * 1000).toISOString().replace(".000", "");
      const url = new URL(chart.dataset.chart, location.href);
      url.searchParams.set("from", time(starts[Math.min(first, last)]));
      url.searchParams.set("to", time(starts[Math.max(first, last) + 1] - 1));
      show(url);
    });
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", finish);
  addEventListener("pointercancel", finish);
});

document.addEventListener("dragstart", (event) => {
  if (event.target.closest("svg[data-chart]")) event.preventDefault();
});

// Copying

// Times are copied in UTC: a copy goes to people and programs of other time zones.
document.addEventListener("copy", (event) => {
  const selection = getSelection();
  if (selection.isCollapsed || event.target.matches?.("input, textarea")) return;
  const range = selection.getRangeAt(0);
  const copy = document.createElement("div");
  const around = range.commonAncestorContainer;
  const within = (around.nodeType === Node.TEXT_NODE ? around.parentElement : around).closest("time");
  copy.append(within ? within.cloneNode(true) : range.cloneContents());
  const times = copy.querySelectorAll("time[datetime]");
  if (!times.length) return;
  for (const time of times) time.textContent = time.dateTime;
  // Only what is in the page has a layout, which the text needs for its lines.
  copy.className = "copied";
  document.body.append(copy);
  event.clipboardData.setData("text/plain", copy.innerText);
  event.clipboardData.setData("text/html", copy.innerHTML);
  copy.remove();
  event.preventDefault();
});

// Keys

function rows() {
  return [...main.querySelectorAll("[data-open]")];
}

// Marked versions of the document that is shown. Two can be compared.
let marked = [];
let markedOf = "";

function forgetMarksOfOthers(url) {
  const name = JSON.stringify(["id", "pk", "partitionKey"].map((part) => url.searchParams.get(part)));
  if (name !== markedOf) [marked, markedOf] = [[], name];
}

function showMarks() {
  for (const row of rows()) row.classList.toggle("marked", marked.includes(row.dataset.version));
}

function mark() {
  const version = document.activeElement?.dataset?.version;
  if (!version) return say("Move to a version with j and k first.");
  marked = marked.includes(version) ? marked.filter((other) => other !== version) : [...marked.slice(-1), version];
  showMarks();
  say(marked.length === 2 ? "Two versions are marked; x compares them." : marked.length ? "One version is marked." : "");
}

function compareMarked() {
  if (marked.length < 2) return say("Mark two versions with m first.");
  // The list has the newer one first. Ids of versions begin with their times.
  const places = marked.map((version) => rows().findIndex((row) => row.dataset.version === version));
  const [newer, older] = places.every((place) => place >= 0) ? [...marked].sort((one, other) => places[marked.indexOf(one)] - places[marked.indexOf(other)]) : [...marked].sort().reverse();
  const url = new URL(location.href);
  url.searchParams.set("version", newer);
  url.searchParams.set("with", older);
  url.searchParams.delete("view");
  show(url);
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by))];
  next.focus();
  next.closest("tr, li")?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  const isWriting = event.target.matches("input:not([type=checkbox], [type=radio]), textarea, select");
  if (isWriting) {
    if (event.key === "Escape") event.target.blur();
    // Enter in a text must not write documents: it leads to the button, which says what it does.
    const button = event.key === "Enter" && event.target.closest("form[data-post]")?.querySelector("button.primary");
    if (button) {
      event.preventDefault();
      button.focus();
    }
    return;
  }
  if (event.key.startsWith("Arrow") && event.target.matches("[type=radio], .scroll")) return;
  const own = [...main.querySelectorAll(`[data-key="${CSS.escape(event.key)}"]`)].find((element) => element.getClientRects().length && !element.disabled);
  const actions = {
    "/": () => document.getElementById("search").focus(),
    "?": () => document.getElementById("keys").showModal(),
    j: () => step(1),
    k: () => step(-1),
    m: mark,
    x: compareMarked,
  };
  if (own) {
    event.preventDefault();
    own.click();
  } else if (actions[event.key]) {
    event.preventDefault();
    actions[event.key]();
  } else if (event.key === "Escape" && depth() > 0) {
    history.back();
  } else if (event.key === "Escape") {
    const { above } = main.querySelector(".view")?.dataset ?? {};
    if (above) show(new URL(above, location.href));
  }
});

document.documentElement.dataset.script = "";
// Links within a page are relative to the folder of the pages.
const start = new URL(location.href);
if (!isPage(start) || start.pathname === "/api/console" || start.pathname === SHELL) start.pathname = SHELL + FIRST_PAGE;
if (!main.querySelector("[data-final]")) show(start, "replace");
