// The map of the catalogue, in the Catalogue tab: made when it is asked for.

import { counted, element } from "./build.js";
import { showItem } from "./cards.js";
import { ask } from "./interface.js";
import { showMap } from "./map.js";

const BETWEEN_LOOKS = 500;

let shownAtlas = "";
let following = false;

export async function showCatalogueMap(say) {
  if (following) return;
  following = true;
  try {
    await follow(say);
  } catch (error) {
    say(error.message);
  } finally {
    following = false;
  }
}

async function follow(say) {
  const place = document.getElementById("map-place");
  for (;;) {
    const status = await ask("/map");
    if (status.state === "done") {
      await draw(place, say);
      return;
    }
    shownAtlas = "";
    if (status.state !== "working") {
      const failed = status.state === "failed" ? `It could not be made: ${status.step}` : "";
      place.replaceChildren(...offer(failed, say));
      return;
    }
    showProgress(place, status);
    await new Promise((done) => setTimeout(done, BETWEEN_LOOKS));
  }
}

function offer(failed, say) {
  const make = async (event) => {
    event.currentTarget.disabled = true;
    try {
      await ask("/map", { method: "POST" });
      await showCatalogueMap(say);
    } catch (error) {
      say(error.message);
    }
  };
  const text = "All items on one picture, like beside like. It is made once, in the background: a few thousand items take about a minute.";
  return [
    element("p", { className: "soft" }, text),
    failed && element("p", { className: "problem" }, failed),
    element("button", { type: "button", id: "draw-map", onclick: make }, "Draw the map"),
  ].filter(Boolean);
}

function showProgress(place, { step, done, total }) {
  let bar = place.querySelector("progress");
  if (!bar) {
    bar = element("progress", { "aria-label": "The map is being made" });
    place.replaceChildren(bar, element("p", { role: "status" }));
  }
  // A bar without a value says that it is not known how long it takes.
  if (done < total) {
    bar.max = total;
    bar.value = done;
  } else {
    bar.removeAttribute("value");
  }
  const count = done < total ? `${done.toLocaleString("en")} of ${counted(total, "item")}` : counted(total, "item");
  place.querySelector("p").textContent = `Map: ${step}, ${count}`;
}

async function draw(place, say) {
  const data = await ask("/map/items");
  if (data.atlas === shownAtlas) return;
  shownAtlas = data.atlas;
  const open = async (place) => {
    try {
      showItem(await ask(`/items/${encodeURIComponent(data.ids[place])}`));
    } catch (error) {
      say(error.message);
    }
  };
  const map = element("div", { className: "map", id: "map" });
  const help = "Drag to move; click into it, then turn the wheel to zoom; on a phone with two fingers. Click on a picture to open it.";
  place.replaceChildren(map, element("p", { className: "soft" }, help));
  showMap(map, data, { isPart: true, choose: open });
}
