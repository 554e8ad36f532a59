// My style: the trays of photos, their Fashion Vectors, the style profile.

import { counted, element, percent, styled } from "./build.js";
import { fillDropPlace } from "./choosing.js";
import { Refused, ask, send, sendPhoto } from "./interface.js";
import { likesAnything, state, taste, tasteChanged, whenTasteChanges } from "./state.js";

const AT_ONCE = 3;
const MOST_PHOTOS = 200;
const MOST_BYTES = 20 * 2 ** 20;

const waiting = [];
let atWork = 0;
let nextKey = 0;
let say;

export function openStyle(complain) {
  say = complain;
  for (const tray of document.querySelectorAll(".tray")) {
    const name = tray.dataset.tray;
    fillDropPlace(tray.querySelector(".drop"), "photos", (files) => addPhotos(name, files));
  }
  document.getElementById("save-profile").addEventListener("click", saveProfile);
  document.getElementById("open-profile").addEventListener("change", openProfile);
  whenTasteChanges(showProfile);
  showProfile();
}

function addPhotos(tray, files) {
  if (!files.length) {
    say("None of these is a photo that can be read: JPEG, PNG, WebP, GIF, BMP or TIFF.");
    return;
  }
  say("");
  const room = MOST_PHOTOS - state[tray].length;
  if (files.length > room) say(`A tray holds ${MOST_PHOTOS} photos: the others were left.`);
  for (const file of files.slice(0, Math.max(room, 0))) {
    const entry = { key: nextKey++, name: file.name, file, address: URL.createObjectURL(file), used: false };
    state[tray].push(entry);
    trayList(tray).append(card(tray, entry));
    waiting.push({ tray, entry, file });
  }
  work();
}

function work() {
  while (atWork < AT_ONCE && waiting.length) {
    atWork += 1;
    describe(waiting.shift()).finally(() => {
      atWork -= 1;
      work();
    });
  }
  showProgress();
}

function showProgress() {
  const left = waiting.length + atWork;
  document.getElementById("describing").textContent = left
    ? `Describing: ${counted(left, "photo")} to go.`
    : "";
}

async function describe({ tray, entry, file }) {
  try {
    if (file.size > MOST_BYTES) throw new Refused(`larger than ${MOST_BYTES / 2 ** 20} MiB`);
    const photo = await sendPhoto("/describe", file);
    if (state[tray].some((other) => other.photo?.sha256 === photo.sha256)) {
      throw new Refused("it is here already");
    }
    entry.photo = photo;
    entry.said = entry.photo.classes;
    entry.used = entry.photo.relevant;
  } catch (error) {
    entry.problem = error.message;
  }
  // It may have been removed meanwhile.
  if (!state[tray].includes(entry)) return;
  refresh(tray, entry);
  if (entry.used) tasteChanged();
}

function trayList(tray) {
  return document.querySelector(`[data-tray="${tray}"] .photos`);
}

function refresh(tray, entry) {
  document.getElementById(`photo-${entry.key}`).replaceWith(card(tray, entry));
}

function card(tray, entry) {
  const picture = entry.address
    ? element("img", { src: entry.address, alt: entry.name })
    : element("div", { className: "no-picture" }, "photo not kept");
  const remove = element(
    "button",
    {
      type: "button",
      className: "remove",
      onclick: () => removePhoto(tray, entry),
      "aria-label": `Remove ${entry.name}`,
      title: "Remove",
    },
    "×",
  );
  const node = element("li", { id: `photo-${entry.key}`, className: "photo" }, picture, remove);
  if (entry.problem) {
    node.append(element("p", { className: "problem" }, `Left out: ${entry.problem}`));
  } else if (!entry.photo) {
    node.append(element("p", { className: "soft" }, "describing…"));
  } else {
    if (!entry.used) node.append(...passedOver(tray, entry));
    node.append(vector(tray, entry));
  }
  return node;
}

function passedOver(tray, entry) {
  const use = () => {
    entry.used = true;
    refresh(tray, entry);
    document.querySelector(`#photo-${entry.key} select`).focus();
    tasteChanged();
  };
  return [
    element(
      "p",
      { className: "problem" },
      `Not used: shows no single garment that the network describes (relevance ${percent(entry.photo.relevance)}).`,
    ),
    element("button", { type: "button", onclick: use }, "Use it anyway"),
  ];
}

function vector(tray, entry) {
  const rows = Object.entries(entry.photo.probabilities).map(([attribute, shares], place) => {
    const chosen = entry.photo.classes[attribute];
    const said = entry.said[attribute];
    const options = Object.entries(shares)
      .sort((one, other) => other[1] - one[1])
      .map(([name, share]) =>
        element("option", { value: name, selected: name === chosen }, `${name} ${percent(share)}`),
      );
    const choice = element(
      "select",
      { "aria-label": `${attribute} of ${entry.name}`, onchange: () => correct(choice.value) },
      ...options,
    );
    const correct = (name) => {
      entry.photo = { ...entry.photo, classes: { ...entry.photo.classes, [attribute]: name } };
      refresh(tray, entry);
      document.querySelectorAll(`#photo-${entry.key} select`)[place].focus();
      if (entry.used) tasteChanged();
    };
    const isCorrected = chosen !== said;
    const share = isCorrected ? 1 : shares[chosen];
    const bar = styled(element("span", { className: "bar" }), { "--share": percent(share) });
    return element(
      "div",
      { className: isCorrected ? "attribute corrected" : "attribute" },
      element("span", { className: "attribute-name" }, attribute),
      choice,
      bar,
      isCorrected ? element("span", { className: "by-you" }, `corrected by you, was ${said}`) : "",
    );
  });
  return element("div", { className: "vector" }, ...rows);
}

function removePhoto(tray, entry) {
  state[tray] = state[tray].filter((other) => other !== entry);
  const place = waiting.findIndex((job) => job.entry === entry);
  if (place >= 0) waiting.splice(place, 1);
  if (entry.address) URL.revokeObjectURL(entry.address);
  document.getElementById(`photo-${entry.key}`).remove();
  document.querySelector(`[data-tray="${tray}"] .drop input`).focus();
  showProgress();
  if (entry.used) tasteChanged();
}

let latest = 0;

async function showProfile() {
  const place = document.getElementById("profile");
  document.getElementById("save-profile").disabled = !likesAnything();
  const mine = ++latest;
  if (!likesAnything()) {
    const hint = "Nothing yet. It is made of the photos above and of the items that you like.";
    place.replaceChildren(element("p", { className: "soft" }, hint));
    return;
  }
  try {
    const profile = await send("/profile", taste());
    if (mine === latest) place.replaceChildren(matrix(profile));
  } catch (error) {
    if (mine === latest) say(error.message);
  }
}

function matrix(profile) {
  const rows = profile.attributes.map((attribute) => {
    const cells = attribute.classes
      .filter(({ liked, disliked }) => attribute.classes.length <= 12 || liked + disliked > 0)
      .map(({ name, liked, disliked }) => {
        const share = liked / profile.liked;
        const node = element(
          "li",
          { className: liked ? "cell" : "cell none" },
          element("b", {}, name),
          element("span", {}, `${liked} of ${profile.liked}`),
          disliked ? element("span", { className: "against" }, `${disliked} disliked`) : "",
        );
        return styled(node, { "--share": percent(share) });
      });
    return element(
      "div",
      { className: "row" },
      element("h3", {}, attribute.name),
      element("ul", { "aria-label": attribute.name }, ...cells),
    );
  });
  const from = `Each class and how often it occurs in ${counted(profile.liked, "liked picture")}.`;
  return element("div", { className: "matrix" }, element("p", { className: "soft" }, from), ...rows);
}

async function saveProfile() {
  try {
    const kept = await send("/profile/document", taste());
    const file = new Blob([JSON.stringify(kept, null, 1)], { type: "application/json" });
    const address = URL.createObjectURL(file);
    element("a", { href: address, download: "my-style-profile.json" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  } catch (error) {
    say(error.message);
  }
}

async function openProfile(event) {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  try {
    const opened = await ask("/profile/open", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: await file.text(),
    });
    for (const tray of ["liked", "disliked"]) {
      for (const photo of opened[tray].slice(0, MOST_PHOTOS - state[tray].length)) {
        const entry = { key: nextKey++, name: photo.name, photo, said: photo.classes, used: true };
        state[tray].push(entry);
        trayList(tray).append(card(tray, entry));
      }
    }
    say("");
    tasteChanged();
  } catch (error) {
    say(error.message);
  }
}
