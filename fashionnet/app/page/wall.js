// For me: the wall of recommended items, steered and refined.

import { counted, element, number, percent, styled, words } from "./build.js";
import { ask, send } from "./interface.js";
import { judge, likesAnything, state, taste, whenTasteChanges } from "./state.js";
import { fillSteering, steering } from "./steering.js";

const PAGE_SIZE = 60;
const DEEPEST = 1000;

const wall = document.getElementById("wall");
const form = document.getElementById("steering");
const more = document.getElementById("more");
const found = document.getElementById("found");

let page = 1;
let running;
let shown = false;
let stale = true;
let say;

export function openWall(complain) {
  say = complain;
  if (window.matchMedia("(max-width: 760px)").matches) {
    document.querySelector(".steering").open = false;
  }
  fillSteering(form, state.facts, () => refresh());
  more.addEventListener("click", () => showMore());
  whenTasteChanges(() => {
    stale = true;
    if (shown) refresh();
  });
}

export function wallIsShown(isShown) {
  shown = isShown;
  if (shown && stale) refresh();
}

export function wallIsStale() {
  stale = true;
  if (shown) refresh();
}

async function refresh() {
  stale = false;
  page = 1;
  showJudged();
  await load();
}

async function showMore() {
  page += 1;
  const first = wall.children.length;
  await load();
  wall.children[first]?.querySelector("button").focus();
}

async function load() {
  running?.abort();
  const mine = (running = new AbortController());
  wall.setAttribute("aria-busy", "true");
  try {
    const answer = await answerOf(mine.signal);
    if (mine !== running) return;
    say("");
    const cards = answer.items.map((item) => card(item, answer.best_score));
    if (page === 1) wall.replaceChildren(...cards);
    else wall.append(...cards);
    found.textContent = summary(answer);
    more.hidden = !answer.has_more || (page + 1) * PAGE_SIZE > DEEPEST;
  } catch (error) {
    if (error.name === "AbortError") return;
    say(error.message);
  } finally {
    if (mine === running) wall.removeAttribute("aria-busy");
  }
}

async function answerOf(signal) {
  const options = steering(form);
  if (likesAnything()) {
    return send("/recommend", { ...taste(), ...options, page, page_size: PAGE_SIZE }, signal);
  }
  const filters = encodeURIComponent(JSON.stringify(options.filters));
  const path = `/items?page=${page}&page_size=${PAGE_SIZE}&filters=${filters}`;
  const answer = await ask(path, { signal });
  answer.has_more = page * PAGE_SIZE < answer.total;
  return answer;
}

function summary(answer) {
  if (!answer.total) return "No item meets these filters: take some of them back.";
  const numberShown = (page - 1) * PAGE_SIZE + answer.items.length;
  const of = `${numberShown.toLocaleString("en")} of ${counted(answer.total, "item")}`;
  if (answer.best_score !== undefined) return `${of}, the best for you first.`;
  return `${of}, in no order: nothing is known of your style yet. Like some of them, or add photos in My style.`;
}

function card(item, best) {
  const open = element(
    "button",
    { type: "button", className: "picture", onclick: () => showItem(item), "aria-label": `Show ${item.title}` },
    element("img", { src: item.picture, alt: "", loading: "lazy", width: 320, height: 320 }),
  );
  const text = element("div", { className: "text" }, element("h2", {}, item.title));
  if (item.score !== undefined) {
    const bar = styled(element("span", { className: "bar" }), {
      "--share": percent(Math.min(Math.max(item.score / best, 0), 1)),
    });
    text.append(
      element("p", { className: "score" }, "score ", element("strong", {}, number(item.score)), ` of ${number(best)}`, bar),
      element("p", { className: "reason" }, item.reason),
    );
  } else {
    text.append(element("p", { className: "reason" }, Object.values(item.classes).join(", ")));
  }
  const details = Object.entries(item.details).map(([name, value]) =>
    element("div", {}, element("dt", {}, words(name)), element("dd", {}, value)),
  );
  text.append(element("dl", { className: "details" }, ...details));
  return element("li", { className: "card", "data-id": item.id }, open, text, opinions(item, true));
}

function opinions(item, isOnWall) {
  const button = (opinion, label, sign, set) =>
    element(
      "button",
      {
        type: "button",
        "aria-pressed": String(set.has(item.id)),
        "aria-label": `${label} ${item.title}`,
        onclick: (event) => {
          if (isOnWall) keepPlace(event.currentTarget);
          judge(item, opinion);
        },
      },
      element("span", { "aria-hidden": "true" }, sign),
      ` ${label}`,
    );
  return element(
    "div",
    { className: "opinions" },
    button("like", "Like", "♥", state.likedItems),
    button("dislike", "Dislike", "✕", state.dislikedItems),
  );
}

// The card goes; the keyboard stays at the place where it was.
function keepPlace(button) {
  const place = [...wall.children].indexOf(button.closest("li"));
  const which = [...button.parentElement.children].indexOf(button);
  new MutationObserver((_, observer) => {
    observer.disconnect();
    const next = wall.children[Math.min(place, wall.children.length - 1)];
    next?.querySelectorAll(".opinions button")[which].focus({ preventScroll: true });
  }).observe(wall, { childList: true });
}

function showJudged() {
  const strip = (heading, items, opinion) => {
    if (!items.size) return "";
    const pictures = [...items.values()].map((item) =>
      element(
        "li",
        {},
        element(
          "button",
          {
            type: "button",
            title: `Take back: ${item.title}`,
            "aria-label": `Take back: ${opinion} ${item.title}`,
            onclick: () => judge(item, opinion),
          },
          element("img", { src: item.picture, alt: "", width: 64, height: 64 }),
        ),
      ),
    );
    return element("section", { className: "strip" }, element("h2", {}, heading), element("ul", {}, ...pictures));
  };
  document
    .getElementById("liked-items")
    .replaceChildren(
      ...[
        strip("You like", state.likedItems, "like"),
        strip("You dislike", state.dislikedItems, "dislike"),
      ].filter(Boolean),
    );
}

function showItem(item) {
  const dialog = document.getElementById("item");
  const vector = Object.entries(item.probabilities).map(([attribute, shares]) => {
    const classes = Object.entries(shares)
      .sort((one, other) => other[1] - one[1])
      .slice(0, 5)
      .map(([name, share]) =>
        styled(element("li", { className: "cell" }, element("b", {}, name), element("span", {}, percent(share))), {
          "--share": percent(share),
        }),
      );
    return element("div", { className: "row" }, element("h3", {}, attribute), element("ul", { "aria-label": attribute }, ...classes));
  });
  const facts = Object.entries(item.metadata)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => element("div", {}, element("dt", {}, words(name)), element("dd", {}, String(value))));
  const close = element("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const buttons = opinions(item, false);
  buttons.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(
    element("div", { className: "line" }, element("h2", { id: "item-title" }, item.title), close),
    element("img", { src: `${item.picture}?size=large`, alt: Object.values(item.classes).join(", ") }),
    item.reason === undefined
      ? ""
      : element("p", {}, `Score ${number(item.score)}: ${item.reason}. Visual likeness to your nearest picture: ${number(item.likeness)}.`),
    buttons,
    element("div", { className: "matrix" }, ...vector),
    element("dl", { className: "details" }, element("div", {}, element("dt", {}, "id"), element("dd", {}, item.id)), ...facts),
  );
  dialog.showModal();
}
