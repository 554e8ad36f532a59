// Complete the look: a photo of oneself, a category, where the model looked, the products.

import { counted, element, number, percent, withCommands } from "./build.js";
import { card, scoreLine } from "./cards.js";
import { fillDropPlace } from "./choosing.js";
import { ask, sendPhoto } from "./interface.js";
import { someItems, strip, yours } from "./starts.js";
import { setScene, state, whenSceneChanges } from "./state.js";
import { NOTHING_MEETS, filterFields, isNarrow, wantedFilters, whenSteered } from "./steering.js";

const TOP = 24;
const BETWEEN_LOOKS = 500;

const chooser = document.getElementById("look-category");
const wall = document.getElementById("look-wall");
const found = document.getElementById("look-found");
const figures = document.getElementById("look-figures");
const form = document.getElementById("look-steering");
const ownPhotos = [];

let say;
let shown = false;
let ready = false;
let stale = false;
let latest = 0;
let items = [];
let overlayAddress = "";

export function openLook(complain) {
  say = complain;
  fillDropPlace(document.getElementById("look-drop"), "a photo of yourself", takePhoto, { many: false });
  if (isNarrow) document.querySelector("#look .steering").open = false;
  chooser.addEventListener("change", complete);
  whenSteered(form, complete);
  whenSceneChanges(() => {
    stale = true;
    showStarts();
    if (shown && ready) complete();
  });
}

export async function lookIsShown(isShown) {
  shown = isShown;
  if (!shown) return;
  try {
    if (!ready) await prepare();
    if (!ready) return;
    items = await someItems();
    showStarts();
    if (stale) complete();
  } catch (error) {
    say(error.message);
  }
}

// The catalogue has changed: its products are read again.
export function lookIsStale() {
  ready = false;
  stale = state.scene !== null;
}

// Products are read once; until then there is nothing to choose.
async function prepare() {
  const place = document.getElementById("look-state");
  let facts = await ask("/complete-look");
  if (facts.why_not) {
    place.replaceChildren(element("p", { className: "notice" }, ...withCommands(facts.why_not)));
    return;
  }
  if (facts.products.state !== "done") facts = await ask("/complete-look/products", { method: "POST" });
  const bar = element("progress", { "aria-label": "Products read" });
  const line = element("p", { role: "status" });
  place.replaceChildren(bar, line);
  while (facts.products.state === "working") {
    const { step, done, total } = facts.products;
    if (total) {
      bar.max = total;
      bar.value = done;
    }
    line.textContent = `Once before the first look: ${step}, ${done.toLocaleString("en")} of ${counted(total, "product")}`;
    await new Promise((go) => setTimeout(go, BETWEEN_LOOKS));
    if (!shown) return;
    facts = await ask("/complete-look");
  }
  if (facts.products.state === "failed") {
    place.replaceChildren(element("p", { className: "notice problem" }, ...withCommands(facts.products.step)));
    return;
  }
  place.replaceChildren();
  fillCategories(facts.categories);
  form.replaceChildren(...filterFields(facts.columns), element("button", { type: "reset" }, "Start again"));
  document.getElementById("look-choices").hidden = false;
  ready = true;
}

function fillCategories(categories) {
  const option = ({ column, value, count }) =>
    element("option", { value: JSON.stringify([column, value]) }, `${value} (${count.toLocaleString("en")})`);
  const group = (label, those) => those.length && element("optgroup", { label }, ...those.map(option));
  const trained = categories.filter((category) => category.trained);
  const columns = [...new Set(categories.map(({ column }) => column))];
  const others = columns.map((name) =>
    group(name, categories.filter(({ column, trained: known }) => column === name && !known)));
  chooser.replaceChildren(...[group("the model was trained on", trained), ...others].filter(Boolean));
}

function takePhoto([file]) {
  if (!file) {
    say("This is no photo that can be read: JPEG, PNG, WebP, GIF, BMP or TIFF.");
    return;
  }
  const scene = { title: file.name, picture: URL.createObjectURL(file), file };
  ownPhotos.unshift(scene);
  setScene(scene);
}

function showStarts() {
  if (!shown || !ready) return;
  const isChosen = ({ file, item }) =>
    state.scene !== null && (item === undefined ? file === state.scene.file : item === state.scene.item);
  const photos = yours().filter(({ file, item }) => file || item);
  const strips = [
    strip("Yours", [...ownPhotos, ...photos], isChosen, setScene),
    strip("Items", items, isChosen, setScene),
  ];
  document.getElementById("look-starts").replaceChildren(...strips.filter(Boolean));
}

async function complete() {
  const { scene } = state;
  if (!scene || !chooser.value) return;
  stale = false;
  const mine = ++latest;
  const [column, category] = JSON.parse(chooser.value);
  const filters = JSON.stringify(wantedFilters(form));
  const query = new URLSearchParams({ category, column, top: TOP, filters });
  wall.setAttribute("aria-busy", "true");
  try {
    const answer = await completed(scene, query);
    if (mine !== latest) return;
    say("");
    showFigures(scene, answer);
    wall.replaceChildren(...answer.items.map(productCard));
    found.textContent = answer.total
      ? `${answer.items.length} of ${counted(answer.total, "item")} of ${category}, what goes best with ${scene.title} first.`
      : NOTHING_MEETS;
  } catch (error) {
    if (mine === latest) say(error.message);
  } finally {
    if (mine === latest) wall.removeAttribute("aria-busy");
  }
}

function completed(scene, query) {
  if (scene.item === undefined) return sendPhoto("/complete-look", scene.file, query);
  query.set("item", scene.item);
  return ask(`/complete-look?${query}`, { method: "POST" });
}

function productCard(item) {
  const why = `Compatibility with ${state.scene.title}: ${number(item.compatibility)}, from 0 to 1.`;
  return card(item, [scoreLine("compatibility", item.compatibility, 1)], why);
}

function showFigures(scene, answer) {
  URL.revokeObjectURL(overlayAddress);
  const bytes = Uint8Array.from(atob(answer.overlay), (letter) => letter.charCodeAt(0));
  overlayAddress = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  const figure = (picture, alt, caption) =>
    element("figure", {}, element("img", { src: picture, alt }), element("figcaption", {}, caption));
  figures.replaceChildren(
    figure(scene.picture, scene.title, "The photo"),
    figure(overlayAddress, whereLooked(answer.attention), "Where the model looked: the warmer, the more"),
    ...answer.notes.map((note) => element("p", { className: "problem" }, ...withCommands(note))),
  );
}

// The overlay in words.
function whereLooked(attention) {
  const rows = attention.map((row) => row.reduce((sum, share) => sum + share, 0));
  const third = Math.ceil(rows.length / 3);
  const part = (start, end) => percent(rows.slice(start, end).reduce((sum, share) => sum + share, 0));
  return `Attention over the photo: ${part(0, third)} on its upper third, ${part(third, rows.length - third)} in the middle, ${part(rows.length - third)} below`;
}
