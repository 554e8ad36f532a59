// Pictures that one may start from: photos shown in this visit, liked items, items of the catalogue.

import { element } from "./build.js";
import { ask } from "./interface.js";
import { queryOfItem, state } from "./state.js";

const SUGGESTED = 10;

let suggested;

export function queryOfPhoto(photo, picture, file) {
  return { title: photo.name, picture, classes: photo.classes, photo, file };
}

export function yours() {
  const photos = [...state.liked, ...state.disliked]
    .filter((entry) => entry.photo && entry.address)
    .map((entry) => queryOfPhoto(entry.photo, entry.address, entry.file));
  return [...photos, ...[...state.likedItems.values()].map(queryOfItem)];
}

// A few items of the catalogue, asked for once.
export async function someItems() {
  suggested ??= ask(`/items?page_size=${SUGGESTED}`);
  try {
    return (await suggested).items.map(queryOfItem);
  } catch (error) {
    suggested = undefined;
    throw error;
  }
}

export function strip(heading, queries, isChosen, choose) {
  if (!queries.length) return "";
  const pictures = queries.map((query) => {
    const button = element(
      "button",
      {
        type: "button",
        title: query.title,
        "aria-label": `Start from ${query.title}`,
        "aria-pressed": String(isChosen(query)),
        onclick: () => {
          const strips = button.closest(".strips");
          choose(query);
          strips.querySelector("[aria-pressed=true]")?.focus();
        },
      },
      element("img", { src: query.picture, alt: "", width: 64, height: 64 }),
    );
    return element("li", {}, button);
  });
  return element("section", { className: "strip" }, element("h2", {}, heading), element("ul", {}, ...pictures));
}
