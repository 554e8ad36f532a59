// Shift: start from a photo or an item, and walk from there towards classes and colours.

import { counted, element, number } from "./build.js";
import { card, scoreLine } from "./cards.js";
import { fillDropPlace } from "./choosing.js";
import { send, sendPhoto } from "./interface.js";
import { PAGE_SIZE, pagedWall } from "./paging.js";
import { queryOfPhoto, someItems, strip, yours } from "./starts.js";
import { setQuery, state, whenQueryChanges, whenTasteChanges } from "./state.js";
import { NOTHING_MEETS, filterFields, isNarrow, slider, wantedFilters, whenSteered } from "./steering.js";

const FARTHEST = 3;
const DEEPEST = 480;

const form = document.getElementById("shifting");
const panel = document.querySelector("#shift .steered");

let say;
let load;
let shown = false;
let stale = false;
let suggested = [];
const ownPhotos = [];

export function openShift(complain) {
  say = complain;
  load = pagedWall({
    wall: document.getElementById("shift-wall"),
    found: document.getElementById("shift-found"),
    more: document.getElementById("shift-more"),
    deepest: DEEPEST,
    fetchPage: (page, signal) => send("/similar", { ...request(), page, page_size: PAGE_SIZE }, signal),
    cardOf,
    summary,
    say,
  });
  fillDropPlace(document.getElementById("shift-drop"), "a photo", takePhoto, { many: false });
  fillForm();
  whenTasteChanges(showStarts);
  whenQueryChanges(() => {
    stale = true;
    showQuery();
    showStarts();
    if (shown) refresh();
  });
}

export async function shiftIsShown(isShown) {
  shown = isShown;
  if (!shown) return;
  if (stale) refresh();
  if (!suggested.length) {
    try {
      suggested = await someItems();
    } catch (error) {
      say(error.message);
    }
  }
  showStarts();
  if (state.query === null) {
    const first = yours()[0] ?? suggested[0];
    if (first) setQuery(first);
  }
}

function refresh() {
  stale = false;
  load();
}

function request() {
  const { query } = state;
  const shifts = [...form.querySelectorAll("[data-class]")]
    .filter((input) => Number(input.value))
    .map((input) => ({
      attribute: input.dataset.attribute,
      class_name: input.dataset.class,
      strength: Number(input.value),
    }));
  const colour = form.elements["shift-colour"].value;
  const strength = Number(form.elements["shift-to-colour"].value);
  if (colour && strength) shifts.push({ attribute: "colour", class_name: colour, strength });
  return {
    ...(query.item === undefined ? { photo: query.photo } : { item: query.item }),
    shifts,
    colour: colour && form.elements["shift-only"].checked ? colour : null,
    filters: wantedFilters(form),
  };
}

async function takePhoto([file]) {
  if (!file) {
    say("This is no photo that can be read: JPEG, PNG, WebP, GIF, BMP or TIFF.");
    return;
  }
  const status = document.getElementById("shift-status");
  status.textContent = `Describing ${file.name}…`;
  try {
    const photo = await sendPhoto("/describe", file);
    const query = queryOfPhoto(photo, URL.createObjectURL(file));
    ownPhotos.unshift(query);
    say("");
    setQuery(query);
  } catch (error) {
    say(`${file.name}: ${error.message}`);
  }
  status.textContent = "";
}

function showQuery() {
  const { title, picture, classes, photo } = state.query;
  panel.hidden = false;
  document.getElementById("query").replaceChildren(
    element("img", { src: picture, alt: "" }),
    element(
      "div",
      {},
      element("h2", {}, title),
      element("p", { className: "soft" }, Object.values(classes).join(", ")),
      photo && !photo.relevant
        ? element("p", { className: "problem" }, "It shows no single garment that the network describes: expect little.")
        : "",
    ),
  );
  for (const input of form.querySelectorAll("[data-class]")) {
    const isOwn = classes[input.dataset.attribute] === input.dataset.class;
    input.parentElement.classList.toggle("own", isOwn);
  }
}

function showStarts() {
  if (!shown) return;
  const isChosen = (query) =>
    state.query !== null &&
    (query.item === undefined ? query.photo.sha256 === state.query.photo?.sha256 : query.item === state.query.item);
  const strips = [
    strip("Yours", [...ownPhotos, ...yours()], isChosen, setQuery),
    strip("Items", suggested, isChosen, setQuery),
  ];
  document.getElementById("starts").replaceChildren(...strips.filter(Boolean));
}

function fillForm() {
  const { attributes, columns } = state.facts;
  const groups = Object.entries(attributes).map(([attribute, classes]) => {
    const column = columns.find(({ name }) => name === attribute);
    const there = new Set(column?.values.map(({ value }) => value));
    const sliders = classes.filter((name) => there.has(name)).map((name) =>
      slider(`shift-${attribute}-${name}`, name, {
        min: -FARTHEST, max: FARTHEST, step: 0.5, value: 0, "data-attribute": attribute, "data-class": name,
      }, inWords),
    );
    const none = element("p", { className: "soft" }, "All items are alike in this: there is nowhere to walk.");
    return group(attribute, ...(sliders.length ? sliders : [none]));
  });
  const colours = element(
    "select",
    { id: "shift-colour", name: "shift-colour" },
    element("option", { value: "" }, "choose a colour"),
    ...state.facts.colours.map((name) => element("option", { value: name }, name.toLowerCase())),
  );
  const toColour = slider(
    "shift-to-colour", "of this colour", { min: -FARTHEST, max: FARTHEST, step: 0.5, value: 1.5 }, inWords,
  );
  const only = element(
    "label",
    { className: "choice" },
    element("input", { type: "checkbox", name: "shift-only" }),
    "only items mostly of it",
  );
  colours.setAttribute("aria-label", "colour");
  const reset = element("button", { type: "reset" }, "Start again");
  const onlyItems = element("h3", {}, "Only items with");
  form.append(...groups, group("colour", colours, toColour, only), reset, onlyItems, ...filterFields(columns, attributes));
  // A phone has room for one group at a time beside the wall.
  if (isNarrow) for (const other of [...form.querySelectorAll("details")].slice(1)) other.open = false;
  whenSteered(form, refresh, 120);
}

function group(name, ...fields) {
  return element("details", { className: "group", open: true }, element("summary", {}, name), ...fields);
}

function inWords(value) {
  if (!Number(value)) return "as it is";
  return Number(value) > 0 ? `more, ${value}` : `less, ${-value}`;
}

function summary(answer, count) {
  if (!answer.total) return NOTHING_MEETS;
  if (!count) return "No item is of this colour.";
  const wanted = request();
  const shifts = wanted.shifts.map(({ class_name: name, strength }) => `${strength > 0 ? "more" : "less"} ${name.toLowerCase()}`);
  const how = [`most like ${state.query.title}`, ...shifts].join(", ");
  return `${count.toLocaleString("en")} of ${counted(answer.total, "item")}, ${how}. ${answer.note}`;
}

function cardOf(item) {
  const lines = [
    scoreLine("likeness", item.likeness, 1),
    element("p", { className: "reason" }, item.reason === "no shared feature" ? item.reason : `both ${item.reason}`),
  ];
  const why = `Likeness to ${state.query.title}: ${number(item.likeness)}. In common: ${item.reason}.`;
  return card(item, lines, why);
}
