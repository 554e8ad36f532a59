// Where photos come in: dropped, chosen, a whole folder, or taken with a phone's camera.

import { element } from "./build.js";

const TYPES = "image/jpeg,image/png,image/webp,image/gif,image/bmp,image/tiff";
const TABLES = { csv: "text/csv", tsv: "text/tab-separated-values", jsonl: "application/x-ndjson" };
const SUFFIX = /\.(jpe?g|jfif|png|webp|gif|bmp|tiff?)$/i;

function pickerOf(label, properties, take) {
  const input = element("input", { type: "file", multiple: true, accept: TYPES, ...properties });
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  return element("label", { className: "button" }, input, label);
}

// The type of a table of items, by its suffix; nothing for any other file.
export function tableType(file) {
  return TABLES[file.name.toLowerCase().split(".").pop()];
}

function isPhoto(file) {
  return SUFFIX.test(file.name) || TYPES.split(",").includes(file.type);
}

export function fillDropPlace(place, what, take, { many = true, tables = false } = {}) {
  const isWanted = (file) => isPhoto(file) || (tables && tableType(file));
  const picker = (label, properties) => pickerOf(label, properties, (files) => take(files.filter(isWanted)));
  const onPhone = window.matchMedia("(pointer: coarse)").matches;
  place.append(element("p", {}, onPhone ? `Add ${what}:` : `Drop ${what} here, or`));
  place.append(picker(many ? "Choose photos" : "Choose a photo", { multiple: many }));
  if (onPhone) place.append(picker("Take a photo", { capture: "environment", multiple: false }));
  else if (many) place.append(picker("Choose a folder", { webkitdirectory: true }));
  if (tables) place.append(picker("Choose a table", { accept: Object.keys(TABLES).map((suffix) => `.${suffix}`).join(",") }));
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", async (event) => {
    event.preventDefault();
    place.classList.remove("over");
    // The entries must be asked for before the event is over.
    const entries = [...event.dataTransfer.items]
      .map((item) => item.webkitGetAsEntry())
      .filter((entry) => entry !== null);
    const files = (await Promise.all(entries.map(filesBelow))).flat();
    take(files.filter(isWanted));
  });
}

async function filesBelow(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    const part = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!part.length) return files;
    for (const child of part) files.push(...(await filesBelow(child)));
  }
}
