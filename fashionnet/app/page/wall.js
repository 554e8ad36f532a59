// For me: the wall of recommended items, steered and refined.

import { counted, element, number } from "./build.js";
import { card, scoreLine } from "./cards.js";
import { ask, send } from "./interface.js";
import { PAGE_SIZE, pagedWall } from "./paging.js";
import { judge, knowsTaste, moreOf, state, tasteOfWall, whenTasteChanges } from "./state.js";
import { NOTHING_MEETS, fillSteering, isNarrow, steering } from "./steering.js";

const DEEPEST = 1000;

const form = document.getElementById("steering");

let load;
let shown = false;
let stale = true;

export function openWall(say) {
  if (isNarrow) document.querySelector("#for-me .steering").open = false;
  load = pagedWall({
    wall: document.getElementById("wall"),
    found: document.getElementById("found"),
    more: document.getElementById("more"),
    deepest: DEEPEST,
    fetchPage,
    cardOf,
    summary,
    say,
  });
  fillSteering(form, state.facts, refresh);
  whenTasteChanges(wallIsStale);
}

export function wallIsShown(isShown) {
  shown = isShown;
  if (shown && stale) refresh();
}

export function wallIsStale() {
  stale = true;
  if (shown) refresh();
}

function refresh() {
  stale = false;
  showJudged();
  load();
}

async function fetchPage(page, signal) {
  const options = steering(form);
  if (knowsTaste()) {
    return send("/recommend", { ...tasteOfWall(), ...options, page, page_size: PAGE_SIZE }, signal);
  }
  const filters = encodeURIComponent(JSON.stringify(options.filters));
  const path = `/items?page=${page}&page_size=${PAGE_SIZE}&filters=${filters}`;
  const answer = await ask(path, { signal });
  answer.has_more = page * PAGE_SIZE < answer.total;
  return answer;
}

function summary(answer, count) {
  if (!answer.total) return NOTHING_MEETS;
  const of = `${count.toLocaleString("en")} of ${counted(answer.total, "item")}`;
  if (state.moreOf) return `${of}, those first that share most features with ${state.moreOf.title}.`;
  if (answer.best_score !== undefined) {
    const varied = steering(form).diversity ? ", varied: not in the order of scores" : "";
    return `${of}, the best for you first${varied}.`;
  }
  return `${of}, in no order: nothing is known of your style yet. Like some of them, or add photos in My style.`;
}

function cardOf(item, answer) {
  if (item.score === undefined) {
    return card(item, [element("p", { className: "reason" }, Object.values(item.classes).join(", "))]);
  }
  const best = answer.best_score;
  const lines = [
    scoreLine("score", item.score, best, ` of ${number(best)}`),
    element("p", { className: "reason" }, item.reason),
  ];
  const why = `Score ${number(item.score)}: ${item.reason}. Visual likeness to your nearest picture: ${number(item.likeness)}.`;
  return card(item, lines, why);
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
        state.moreOf && moreOfThis(state.moreOf),
        strip("You like", state.likedItems, "like"),
        strip("You dislike", state.dislikedItems, "dislike"),
      ].filter(Boolean),
    );
}

function moreOfThis(item) {
  return element(
    "section",
    { className: "strip more-of" },
    element("h2", {}, "More of this"),
    element("img", { src: item.picture, alt: "", width: 64, height: 64 }),
    element("span", {}, item.title),
    element("button", { type: "button", onclick: () => moreOf(null) }, "Back to my whole style"),
  );
}
