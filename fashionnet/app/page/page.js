// The page: which tab is shown, and what went wrong.

import { counted } from "./build.js";
import { openCards } from "./cards.js";
import { catalogueIsShown, openCatalogue } from "./catalogue.js";
import { ask } from "./interface.js";
import { lookIsShown, lookIsStale, openLook } from "./look.js";
import { openShift, shiftIsShown } from "./shift.js";
import { state } from "./state.js";
import { openStyle } from "./style.js";
import { openWall, wallIsShown, wallIsStale } from "./wall.js";

const TABS = ["my-style", "for-me", "shift", "look", "catalogue"];

function say(message) {
  const trouble = document.getElementById("trouble");
  trouble.textContent = message;
  trouble.hidden = !message;
}

function showTab() {
  const wanted = location.hash.slice(1);
  const name = TABS.includes(wanted) ? wanted : TABS[0];
  for (const tab of TABS) {
    document.getElementById(tab).hidden = tab !== name;
    const link = document.querySelector(`nav a[href="#${tab}"]`);
    if (tab !== name) link.removeAttribute("aria-current");
    else {
      link.setAttribute("aria-current", "page");
      // On a phone the tabs are wider than the window.
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }
  document.title = `${document.querySelector(`#${name} h1`).textContent} · FashionNet`;
  window.scrollTo(0, 0);
  wallIsShown(name === "for-me");
  shiftIsShown(name === "shift");
  lookIsShown(name === "look");
  catalogueIsShown(name === "catalogue");
}

function showSource() {
  const { is_sample: isSample, items, name } = state.facts;
  document.getElementById("source").textContent = isSample
    ? `${counted(items, "item")} drawn by FashionNet itself. Start with --repository to see your own.`
    : `${counted(items, "item")} of ${name}.`;
}

async function start() {
  try {
    state.facts = await ask("/repository");
  } catch (error) {
    say(error.message);
    return;
  }
  showSource();
  openCards();
  openStyle(say);
  openWall(say);
  openShift(say);
  openLook(say);
  openCatalogue(say, () => {
    showSource();
    wallIsStale();
    lookIsStale();
  });
  window.addEventListener("hashchange", showTab);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  // A photo that is dropped beside its place must not take the page's.
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => event.preventDefault());
  }
  showTab();
  document.documentElement.dataset.ready = "yes";
}

start();
