"use strict";

// Photos of a page: enough to fill screens, few enough to stay quick.
const PHOTOS_ON_A_PAGE = 60;
const KEYS = "1234567890abcdefghijklmnopqrstuvwxyz";

let content;
let decisions = {};
let kind = 0;
let page = 0;
let focus = 0;
let cards = [];
// Requests go one after the other, so that steps are taken, and undone, in the order of the keys.
let queue = Promise.resolve();

const at = (id) => document.getElementById(id);

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

const kinds = () => [...new Set(content.lots.map((lot) => lot.finding))];
const lotsOf = (name) => content.lots.filter((lot) => lot.finding === name);
const saidOf = (card) => decisions[card.row] || [];

function pages() {
  const found = [[]];
  let count = 0;
  for (const lot of lotsOf(kinds()[kind])) {
    if (count && count + lot.photos.length > PHOTOS_ON_A_PAGE) {
      found.push([]);
      count = 0;
    }
    found.at(-1).push(lot);
    count += lot.photos.length;
  }
  return found;
}

function draw() {
  const names = kinds();
  at("kinds").replaceChildren(...names.map((name, place) => {
    const photos = lotsOf(name).flatMap((lot) => lot.photos);
    const left = photos.filter((card) => !saidOf(card).length).length;
    const button = make("button", `${name} ${photos.length - left}/${photos.length}`);
    button.setAttribute("aria-current", place === kind);
    button.addEventListener("click", () => show(place, 0, 0));
    return button;
  }));
  if (!names.length) {
    at("grid").replaceChildren(make("p", "Nothing was found."));
    return;
  }
  cards = [];
  const all = pages();
  at("grid").replaceChildren(...all[page].map((lot) => {
    const frame = make("section", "", "lot");
    for (const photo of lot.photos) {
      const figure = make("figure", "", "card");
      const image = make("img");
      image.loading = "lazy";
      image.alt = photo.name;
      image.src = `small/${photo.row}`;
      const caption = make("figcaption");
      caption.append(make("div", "", "said"), make("div", photo.detail),
        make("div", Object.entries(photo.labels).map(([a, c]) => `${a} ${c}`).join(", ")),
        make("div", photo.name, "name"));
      figure.append(image, caption);
      const place = cards.length;
      figure.addEventListener("click", () => move(place));
      cards.push({ ...photo, lot, figure });
      frame.append(figure);
    }
    return frame;
  }));
  at("title").textContent = content.name;
  update();
  move(Math.min(focus, cards.length - 1));
}

function update() {
  for (const card of cards) {
    const said = saidOf(card);
    const verdict = said.includes("drop") ? "drop" : said.includes("keep") ? "keep" : said.length ? "change" : "";
    card.figure.className = `card ${verdict}`;
    card.figure.querySelector(".said").textContent = said.join(", ") || `${card.suggestion}?`;
  }
  if (cards[focus]) cards[focus].figure.classList.add("focus");
  const rows = new Set(content.lots.flatMap((lot) => lot.photos.map((photo) => photo.row)));
  const done = [...rows].filter((row) => (decisions[row] || []).length).length;
  at("progress").textContent = `page ${page + 1} of ${pages().length}; ${done} of ${rows.size} photos decided`;
  [...at("kinds").children].forEach((button, place) => {
    const photos = lotsOf(kinds()[place]).flatMap((lot) => lot.photos);
    const decided = photos.filter((card) => saidOf(card).length).length;
    button.textContent = `${kinds()[place]} ${decided}/${photos.length}`;
  });
}

function move(place) {
  if (!cards.length) return;
  if (place >= cards.length && page + 1 < pages().length) return show(kind, page + 1, 0);
  if (place < 0 && page > 0) return show(kind, page - 1, Number.MAX_SAFE_INTEGER);
  cards[focus]?.figure.classList.remove("focus");
  focus = Math.max(0, Math.min(place, cards.length - 1));
  cards[focus].figure.classList.add("focus");
  cards[focus].figure.scrollIntoView({ block: "nearest" });
}

function show(newKind, newPage, newFocus) {
  const count = kinds().length;
  kind = Math.max(0, Math.min(newKind, count - 1));
  page = Math.max(0, Math.min(newPage, pages().length - 1));
  focus = newFocus;
  draw();
}

// The card whose middle is nearest below or above, so that rows of any length work.
function vertical(direction) {
  const here = cards[focus].figure.getBoundingClientRect();
  let best = null;
  cards.forEach((card, place) => {
    const there = card.figure.getBoundingClientRect();
    const down = (there.top - here.top) * direction;
    const aside = Math.abs(there.left - here.left);
    if (down > 20 && (!best || down < best.down - 20 || (down < best.down + 20 && aside < best.aside))) {
      best = { place, down, aside };
    }
  });
  move(best ? best.place : direction > 0 ? cards.length : -1);
}

function send(path, body) {
  queue = queue.then(async () => {
    try {
      const answer = await fetch(path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        keepalive: true,
      });
      const value = await answer.json();
      if (!answer.ok) throw new Error(value.error);
      decisions = value.decisions;
      at("trouble").hidden = true;
      update();
      return value;
    } catch (error) {
      at("trouble").textContent = `Not saved: ${error.message}. Is curate --review still running?`;
      at("trouble").hidden = false;
      return null;
    }
  });
  return queue;
}

function lotOf(card) {
  return cards.filter((other) => other.lot === card.lot);
}

function decide(chosen, decision) {
  const rows = [...new Set(chosen.map((card) => card.row))];
  if (rows.length) send("decide", { rows, decision });
}

function next(whole) {
  const lot = cards[focus].lot;
  let place = focus + 1;
  while (whole && place < cards.length && cards[place].lot === lot) place += 1;
  move(place);
}

function verdict(decision, whole) {
  decide(whole ? lotOf(cards[focus]) : [cards[focus]], decision);
  next(whole);
}

function asSuggested(whole) {
  const chosen = (whole ? lotOf(cards[focus]) : [cards[focus]]).filter((card) =>
    card.suggestion !== "review" && !(whole && saidOf(card).length));
  for (const suggestion of new Set(chosen.map((card) => card.suggestion))) {
    decide(chosen.filter((card) => card.suggestion === suggestion), suggestion);
  }
  next(whole);
}

function relabel(whole) {
  const chosen = whole ? lotOf(cards[focus]) : [cards[focus]];
  const choices = Object.entries(content.classes).flatMap(([attribute, classes]) =>
    classes.map((name) => `${attribute}=${name}`));
  at("choices").replaceChildren(...choices.map((choice, place) => {
    const item = make("li");
    const button = make("button");
    button.append(make("kbd", KEYS[place] || " "), ` ${choice.replace("=", " ")}`);
    button.dataset.key = KEYS[place] || "";
    button.addEventListener("click", () => {
      at("relabel").close();
      decide(chosen, choice);
    });
    item.append(button);
    return item;
  }));
  at("relabel").showModal();
}

at("relabel").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const button = [...at("choices").querySelectorAll("button")]
    .find((candidate) => candidate.dataset.key && candidate.dataset.key === event.key);
  if (button) {
    event.preventDefault();
    button.click();
  }
});

at("large").addEventListener("click", () => at("large").close());

async function undo() {
  const value = await send("undo", {});
  const place = value ? cards.findIndex((card) => value.rows.includes(card.row)) : -1;
  if (place >= 0) move(place);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || at("relabel").open) return;
  if (at("large").open) {
    if (event.key === " ") {
      event.preventDefault();
      at("large").close();
    }
    return;
  }
  if (!cards.length) return;
  const whole = event.shiftKey;
  const actions = {
    ArrowRight: () => move(focus + 1),
    ArrowLeft: () => move(focus - 1),
    ArrowDown: () => vertical(1),
    ArrowUp: () => vertical(-1),
    k: () => verdict("keep", whole),
    d: () => verdict("drop", whole),
    s: () => asSuggested(whole),
    r: () => relabel(whole),
    u: undo,
    n: () => show(kind, page + 1, 0),
    p: () => show(kind, page - 1, 0),
    "[": () => show(kind - 1, 0, 0),
    "]": () => show(kind + 1, 0, 0),
    " ": () => {
      at("picture").src = `large/${cards[focus].row}`;
      at("picture").alt = cards[focus].name;
      at("large").showModal();
    },
  };
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});

fetch("content").then((answer) => answer.json()).then((value) => {
  content = value;
  decisions = value.decisions;
  draw();
}).catch(() => {
  at("trouble").textContent = "The findings could not be read. Is curate --review still running?";
  at("trouble").hidden = false;
});
