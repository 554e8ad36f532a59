// Catalogue: what the repository holds, what was left out, photos to be added.

import { counted, element, percent, styled, withCommands } from "./build.js";
import { fillDropPlace, tableType } from "./choosing.js";
import { ask, sendPhoto, sendTable } from "./interface.js";
import { showCatalogueMap } from "./mapped.js";
import { state } from "./state.js";

const LEFT_OUT_PAGE = 50;
const BETWEEN_LOOKS = 500;

let say;
let factsChanged;
let leftOutPage = 1;
let opened = false;

export function openCatalogue(complain, whenChanged) {
  say = complain;
  factsChanged = whenChanged;
}

export async function catalogueIsShown(isShown) {
  if (!isShown) return;
  if (!opened) {
    opened = true;
    showAdding();
    follow().catch((error) => say(error.message));
  }
  showCatalogueMap(say);
  await showHoldings();
  await showLeftOut();
}

async function showHoldings() {
  try {
    state.facts = await ask("/repository");
  } catch (error) {
    say(error.message);
    return;
  }
  const facts = state.facts;
  const figures = [
    [facts.items, facts.items === 1 ? "item to recommend" : "items to recommend"],
    [facts.irrelevant, "irrelevant: no garment of the schema to be seen"],
    [facts.vanished, "vanished: the photo is gone"],
    [facts.left_out, "left out"],
  ].map(([count, what]) =>
    element("div", {}, element("dt", {}, what), element("dd", {}, count.toLocaleString("en"))),
  );
  const shares = facts.columns
    .filter((column) => column.name in facts.attributes)
    .map((column) => {
      const cells = column.values.map(({ value, count }) =>
        styled(
          element("li", { className: "cell" }, element("b", {}, value), element("span", {}, count.toLocaleString("en"))),
          { "--share": percent(count / facts.items) },
        ),
      );
      return element("div", { className: "row" }, element("h3", {}, column.name), element("ul", { "aria-label": column.name }, ...cells));
    });
  document.getElementById("holdings").replaceChildren(
    element("p", { className: "soft" }, `Repository: ${facts.name}. Described by model ${facts.model}.`),
    element("dl", { className: "figures" }, ...figures),
    element("div", { className: "matrix" }, ...shares),
  );
}

async function showLeftOut() {
  const place = document.getElementById("left-out");
  try {
    const answer = await ask(`/catalogue/left-out?page=${leftOutPage}&page_size=${LEFT_OUT_PAGE}`);
    if (!answer.total) {
      place.replaceChildren(element("p", { className: "soft" }, "Nothing: every photo became an item."));
      return;
    }
    const rows = answer.left_out.map(({ image, reason }) =>
      element("tr", {}, element("td", {}, image), element("td", {}, reason)),
    );
    const head = element("thead", {}, element("tr", {}, element("th", {}, "photo or row"), element("th", {}, "why")));
    place.replaceChildren(
      element("div", { className: "scrolled", tabIndex: 0, role: "region", "aria-label": "Left out" },
        element("table", {}, head, element("tbody", {}, ...rows))),
      ...turning(answer),
    );
  } catch (error) {
    say(error.message);
  }
}

function turning({ total, page, page_size }) {
  const last = Math.ceil(total / page_size);
  if (last < 2) return [];
  const turn = (label, to) =>
    element("button", { type: "button", disabled: to < 1 || to > last, onclick: () => { leftOutPage = to; showLeftOut(); } }, label);
  return [
    element("div", { className: "line" }, turn("Before", page - 1), element("span", {}, `page ${page} of ${last}`), turn("Next", page + 1)),
  ];
}

function showAdding() {
  const place = document.getElementById("adding");
  if (!state.facts.can_add) {
    place.replaceChildren(element("p", { className: "soft" }, ...withCommands(state.facts.why_not)));
    return;
  }
  const drop = element("div", { className: "drop" });
  fillDropPlace(drop, "photos of items, and a table of them", addFiles, { tables: true });
  place.replaceChildren(
    element("p", { className: "soft" }, "They are copied into the folder “fashionnet-added” of the catalogue and described. You may close this page meanwhile. A table beside them (CSV, TSV or JSON lines) tells more of each: its column “image” names the photo, also one that lies in the catalogue's folder already, “id” the item, and every other column can be filtered by."),
    drop,
    element("progress", { id: "added", hidden: true, "aria-label": "Photos added" }),
    element("p", { id: "addition", role: "status" }),
    element("ul", { id: "refused" }),
  );
}

async function addFiles(given) {
  // A table first: a photo that is described is an item with what was known of it by then.
  const files = [...given].sort((one, other) => Boolean(tableType(other)) - Boolean(tableType(one)));
  const bar = document.getElementById("added");
  const refused = document.getElementById("refused");
  refused.replaceChildren();
  bar.hidden = false;
  let put = 0;
  for (const [place, file] of files.entries()) {
    bar.max = files.length;
    bar.value = place;
    document.getElementById("addition").textContent = `Copying ${place + 1} of ${files.length}`;
    try {
      const type = tableType(file);
      if (type) await sendTable("/catalogue/manifests", file, type);
      else await sendPhoto("/catalogue/photos", file);
      put += 1;
    } catch (error) {
      refused.append(element("li", { className: "problem" }, `${file.name}: ${error.message}`));
    }
  }
  bar.hidden = true;
  if (!put) {
    document.getElementById("addition").textContent = "Nothing could be added.";
    return;
  }
  try {
    await ask("/catalogue/addition", { method: "POST" });
    await follow();
  } catch (error) {
    say(error.message);
  }
}

// Shows work that is going on, begun here, in another tab or before the server was started again.
async function follow() {
  if (!state.facts.can_add) return;
  const bar = document.getElementById("added");
  const line = document.getElementById("addition");
  let wasWorking = false;
  for (;;) {
    const addition = await ask("/catalogue/addition");
    if (addition.state !== "working") {
      bar.hidden = true;
      if (addition.state === "failed") line.textContent = `Stopped: ${addition.message}`;
      if (addition.state === "done") {
        line.textContent = addition.message;
        document.getElementById("refused").append(
          ...addition.left_out.map(({ image, reason }) =>
            element("li", { className: "problem" }, `${image}: ${reason}`)),
        );
      }
      break;
    }
    wasWorking = true;
    bar.hidden = false;
    bar.max = addition.total || 1;
    bar.value = addition.done;
    line.textContent = `Describing ${addition.done} of ${counted(addition.total, "photo")}`;
    await new Promise((done) => setTimeout(done, BETWEEN_LOOKS));
  }
  if (wasWorking) {
    showCatalogueMap(say);
    await showHoldings();
    await showLeftOut();
    factsChanged();
  }
}
