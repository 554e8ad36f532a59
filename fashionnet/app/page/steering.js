// What steers the wall: weights, scoring, diversity, and filters made from the repository.

import { element, styled, withCommands, words } from "./build.js";

export const NOTHING_MEETS = "No item meets these filters: take some of them back.";

export const isNarrow = window.matchMedia("(max-width: 760px)").matches;

const SHOWN_AT_FIRST = 8;

export function fillSteering(form, facts, changed) {
  form.append(...weights(facts), ...choices(), ...filterFields(facts.columns, facts.attributes));
  form.append(element("button", { type: "reset" }, "Start again"));
  whenSteered(form, changed);
}

// Says that a form's fields were changed, once for changes that follow one another.
export function whenSteered(form, changed, pause = 200) {
  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(changed, pause);
  });
  // The fields have their first values again only after the event.
  form.addEventListener("reset", () => setTimeout(() => {
    showAsIs(form);
    changed();
  }));
  form.addEventListener("submit", (event) => event.preventDefault());
}

export function steering(form) {
  const weightOf = {};
  for (const slider of form.querySelectorAll("[data-weight]")) {
    weightOf[slider.dataset.weight] = Number(slider.value);
  }
  return {
    weights: weightOf,
    diversity: Number(form.elements["steer-diversity"].value),
    scoring: form.elements["steer-scoring"].value,
    filters: wantedFilters(form),
  };
}

export function filterFields(columns, attributes = {}) {
  const fields = columns.map(filter);
  if (columns.every(({ name }) => name in attributes)) {
    const hint = "This repository holds no columns of the catalogue to filter by. They come with `python build_repository.py --catalogue PHOTOS --metadata items.csv --repository REPO`.";
    fields.push(element("p", { className: "soft hint" }, ...withCommands(hint)));
  }
  return fields;
}

export function wantedFilters(form) {
  return [...form.querySelectorAll("[data-filter]")].map(wanted).filter(Boolean);
}

// `inWords` says what a value of the slider means.
export function slider(name, label, properties, inWords = String) {
  const output = element("output", {});
  const input = element("input", { type: "range", name, id: name, ...properties });
  input.defaultValue = properties.value;
  const show = () => {
    output.textContent = inWords(input.value);
    input.setAttribute("aria-valuetext", inWords(input.value));
  };
  input.addEventListener("input", show);
  input.addEventListener("reset", show);
  show();
  return element("div", { className: "slider" }, element("label", { htmlFor: name }, label), output, input);
}

function showAsIs(form) {
  for (const count of form.querySelectorAll(".count")) count.textContent = "";
  for (const input of form.querySelectorAll("input[type=range]")) {
    input.dispatchEvent(new Event("reset"));
  }
}

function weights(facts) {
  const sliders = Object.keys(facts.attributes).map((name) =>
    slider(`weight-${name}`, name, { min: 0, max: 3, step: 0.5, value: 1, "data-weight": name }),
  );
  return [
    element(
      "fieldset",
      {},
      element("legend", {}, "What counts how much"),
      ...sliders,
    ),
  ];
}

function choices() {
  const scoring = element(
    "select",
    { id: "steer-scoring", name: "steer-scoring" },
    element("option", { value: "matches" }, "count feature matches"),
    element("option", { value: "expected" }, "weigh probabilities"),
  );
  return [
    element(
      "fieldset",
      {},
      element("legend", {}, "How to choose"),
      slider("steer-diversity", "diversity", { min: 0, max: 1, step: 0.1, value: 0 }),
      element("label", { htmlFor: "steer-scoring" }, "scoring"),
      scoring,
    ),
  ];
}

function filter(column) {
  const fill = { choice: choiceFilter, colour: choiceFilter, range: rangeFilter, text: textFilter };
  const count = element("span", { className: "count" });
  const details = element(
    "details",
    { className: "filter", "data-filter": column.kind, "data-column": column.name },
    element("summary", {}, words(column.name), count),
    fill[column.kind](column),
  );
  details.addEventListener("input", () => {
    const chosen = wanted(details);
    count.textContent = !chosen ? "" : chosen.any_of ? ` (${chosen.any_of.length})` : " (on)";
  });
  return details;
}

function choiceFilter(column) {
  const boxes = column.values.map(({ value, count }) => {
    const box = element("input", { type: "checkbox", value });
    const swatch = column.kind === "colour" ? swatchOf(value) : "";
    return element("label", { className: "choice" }, box, swatch, `${value} `, element("i", {}, String(count)));
  });
  const group = element("div", { role: "group", "aria-label": words(column.name), className: "choices" });
  group.append(...boxes.slice(0, SHOWN_AT_FIRST));
  const rest = boxes.slice(SHOWN_AT_FIRST);
  if (rest.length) {
    const all = element("button", { type: "button", className: "plain" }, `${rest.length} more`);
    all.addEventListener("click", () => {
      all.replaceWith(...rest);
      rest[0].querySelector("input").focus();
    });
    group.append(all);
  }
  return group;
}

function swatchOf(value) {
  const whole = value.toLowerCase().replace(/[^a-z]/g, "");
  const names = [whole, value.toLowerCase().split(/[^a-z]/)[0], value.toLowerCase().split(/[^a-z]/).pop()];
  const known = names.find((name) => CSS.supports("color", name));
  if (!known) return "";
  return styled(element("span", { className: "swatch", "aria-hidden": "true" }), { "--colour": known });
}

function rangeFilter(column) {
  const end = (which, limit) =>
    element(
      "label",
      {},
      `${which} `,
      element("input", { type: "number", step: "any", placeholder: String(limit), "data-end": which }),
    );
  return element("div", { className: "range" }, end("from", column.minimum), end("to", column.maximum));
}

function textFilter(column) {
  const input = element("input", { type: "search", maxLength: 100 });
  return element("label", {}, "contains ", input);
}

function wanted(details) {
  const { column, filter: kind } = details.dataset;
  if (kind === "range") {
    const [minimum, maximum] = ["from", "to"].map((which) => {
      const { value } = details.querySelector(`[data-end=${which}]`);
      return value === "" ? null : Number(value);
    });
    return minimum === null && maximum === null ? null : { column, minimum, maximum };
  }
  if (kind === "text") {
    const { value } = details.querySelector("input");
    return value ? { column, contains: value } : null;
  }
  const chosen = [...details.querySelectorAll("input:checked")].map((box) => box.value);
  return chosen.length ? { column, any_of: chosen } : null;
}
