// Items as cards on a wall and, opened, in a dialog; what a person may say of them.

import { element, number, percent, styled, words } from "./build.js";
import { completeWith, judge, moreOf, similarTo, state, whenTasteChanges } from "./state.js";

export function openCards() {
  // A card that stays where it is shows what was said of its item elsewhere.
  whenTasteChanges(() => {
    for (const button of document.querySelectorAll("[data-opinion]")) {
      const set = button.dataset.opinion === "like" ? state.likedItems : state.dislikedItems;
      button.setAttribute("aria-pressed", String(set.has(button.dataset.of)));
    }
  });
}

// `lines` say why the item is there; `why` says it in one sentence where the item is opened.
export function card(item, lines, why) {
  const open = element(
    "button",
    { type: "button", className: "picture", onclick: () => showItem(item, why), "aria-label": `Show ${item.title}` },
    element("img", { src: item.picture, alt: "", loading: "lazy", width: 320, height: 320 }),
  );
  const details = Object.entries(item.details).map(([name, value]) =>
    element("div", {}, element("dt", {}, words(name)), element("dd", {}, value)),
  );
  const text = element(
    "div",
    { className: "text" },
    element("h2", {}, item.title),
    ...lines,
    element("dl", { className: "details" }, ...details),
  );
  const node = element("li", { className: "card", "data-id": item.id }, open, text);
  if (canBeLiked(item)) {
    node.append(element("div", { className: "actions" }, opinions(item, true), onwards(item)));
  }
  return node;
}

// Shoes and bags complete looks; what the network says of them means nothing.
function canBeLiked(item) {
  return item.recommendable !== false;
}

export function scoreLine(what, value, best, bestText = "") {
  const bar = styled(element("span", { className: "bar" }), {
    "--share": percent(Math.min(Math.max(value / best, 0), 1)),
  });
  return element("p", { className: "score" }, `${what} `, element("strong", {}, number(value)), bestText, bar);
}

function opinions(item, isOnWall) {
  const button = (opinion, label, sign, set) =>
    element(
      "button",
      {
        type: "button",
        "aria-pressed": String(set.has(item.id)),
        "aria-label": `${label} ${item.title}`,
        "data-opinion": opinion,
        "data-of": item.id,
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

function onwards(item) {
  const button = (label, what, go) =>
    element(
      "button",
      { type: "button", className: "plain", title: what, "aria-label": `${label}: ${item.title}`, onclick: () => go(item) },
      label,
    );
  return element(
    "div",
    { className: "onwards" },
    button("More of this", "Recommend by this item's features alone", moreOf),
    button("Similar", "What looks like it, with sliders to shift", similarTo),
    state.facts.can_complete ? button("Complete the look", "What goes with this item", completeWith) : "",
  );
}

// The card may go; the keyboard stays at the place where it was.
function keepPlace(button) {
  const wall = button.closest("ol");
  const place = [...wall.children].indexOf(button.closest("li"));
  const { opinion } = button.dataset;
  const observer = new MutationObserver(() => {
    observer.disconnect();
    const next = wall.children[Math.min(place, wall.children.length - 1)];
    next?.querySelector(`[data-opinion=${opinion}]`).focus({ preventScroll: true });
  });
  observer.observe(wall, { childList: true });
}

export function showItem(item, why = "") {
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
  const buttons = element("div", { className: "actions" });
  if (canBeLiked(item)) buttons.append(opinions(item, false), onwards(item));
  buttons.addEventListener("click", (event) => {
    if (event.target.closest("button")) dialog.close();
  });
  dialog.replaceChildren(
    element("div", { className: "line" }, element("h2", { id: "item-title" }, item.title), close),
    element("img", { src: `${item.picture}?size=large`, alt: canBeLiked(item) ? Object.values(item.classes).join(", ") : item.title }),
    why && element("p", {}, why),
    buttons,
    canBeLiked(item) ? element("div", { className: "matrix" }, ...vector) : "",
    element("dl", { className: "details" }, element("div", {}, element("dt", {}, "id"), element("dd", {}, item.id)), ...facts),
  );
  dialog.showModal();
}
