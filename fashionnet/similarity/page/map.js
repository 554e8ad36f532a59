// The map of a catalogue: pictures that look alike lie close. Drag, zoom, point.

const CARD = 180;
const STEP = 60;

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Draws `data` into `place`. Within a longer page the wheel and one finger scroll that page, until
// the map has the focus. `choose`, where given, is called with the number of an item that is opened.
export function showMap(place, data, { isPart = false, choose } = {}) {
  const count = data.ids.length;
  const { side, per_row: perRow } = data;
  const canvas = make("canvas", { tabIndex: 0 });
  const keys = "Arrows move, plus and minus zoom, 0 shows all, Enter shows the item in the middle.";
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", `Map of the catalogue: items that look alike lie close. ${keys}`);
  canvas.style.touchAction = isPart ? "pan-y" : "none";
  const pen = canvas.getContext("2d");
  const cardPicture = make("canvas", { width: CARD, height: CARD });
  const cardPen = cardPicture.getContext("2d");
  const cardTitle = make("b");
  const cardText = make("span");
  const card = make("div", { className: "map-card", hidden: true }, cardPicture, cardTitle, cardText);
  card.setAttribute("aria-live", "polite");
  const chooser = make("select");
  const legend = make("ul");
  const aside = make(
    "div",
    { className: "map-legend" },
    make("p", { textContent: data.summary }),
    make("label", {}, "Coloured by ", chooser),
    legend,
  );
  place.replaceChildren(canvas, aside, card);

  const atlas = new Image();
  // The view is not there until the pictures are.
  let view = null;
  let column = null;
  let ratio = 1;
  let waiting = false;
  let shown = [];

  function fit() {
    // On a wide map the legend stands beside the items, on a narrow one above them.
    const isWide = canvas.width > 760 * ratio;
    const beside = isWide ? 240 * ratio : 0;
    const above = isWide ? 0 : 0.36 * canvas.height;
    const across = canvas.width - beside;
    const down = canvas.height - above;
    const scale = 0.92 * Math.min(across, down);
    view = { scale, left: beside + (across - scale) / 2, top: above + (down - scale) / 2 };
  }

  function redraw() {
    if (waiting || !view) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  function resize() {
    // A map that is not shown has no size; pictures that could not be loaded have none either.
    if (!canvas.clientWidth || !atlas.complete || !atlas.naturalWidth) return;
    ratio = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    fit();
    redraw();
  }

  function colourOf(item) {
    const code = column.codes[item];
    return code < 0 ? data.other_colour : column.colours[code];
  }

  function drawPicture(on, item, left, top, width) {
    // Half a pixel is left out all around: a picture that is drawn larger takes in its neighbours'.
    const x = (item % perRow) * side + 0.5;
    const y = Math.floor(item / perRow) * side + 0.5;
    on.drawImage(atlas, x, y, side - 1, side - 1, left, top, width, width);
  }

  function draw() {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    shown = [];
    const zoom = view.scale / Math.min(canvas.width, canvas.height);
    const size = Math.min(side * 2, 26 * Math.sqrt(Math.max(zoom, 0.2))) * ratio;
    const placed = new Map();
    const dot = 2.2 * ratio;
    const frame = 2 * ratio;
    const covered = (x, y) => {
      const column = Math.floor(x / size);
      const row = Math.floor(y / size);
      for (let right = column - 1; right <= column + 1; right += 1) {
        for (let down = row - 1; down <= row + 1; down += 1) {
          const other = placed.get(`${right}:${down}`);
          if (other && Math.abs(other[0] - x) < size && Math.abs(other[1] - y) < size) return true;
        }
      }
      placed.set(`${column}:${row}`, [x, y]);
      return false;
    };
    const pictures = [];
    for (let item = 0; item < count; item += 1) {
      const x = view.left + data.x[item] * view.scale;
      const y = view.top + data.y[item] * view.scale;
      if (x < -size || y < -size || x > canvas.width + size || y > canvas.height + size) continue;
      if (!covered(x, y)) {
        pictures.push([item, x, y, size / 2]);
        continue;
      }
      shown.push([item, x, y, dot]);
      pen.fillStyle = colourOf(item);
      pen.beginPath();
      pen.arc(x, y, dot, 0, 7);
      pen.fill();
    }
    for (const [item, x, y] of pictures) {
      pen.fillStyle = colourOf(item);
      pen.fillRect(x - size / 2, y - size / 2, size, size);
      drawPicture(pen, item, x - size / 2 + frame, y - size / 2 + frame, size - 2 * frame);
    }
    shown.push(...pictures);
  }

  function zoomAt(x, y, factor) {
    const smallest = 0.3 * Math.min(canvas.width, canvas.height);
    const scale = Math.max(smallest, Math.min(view.scale * factor, smallest * 1000));
    view.left = x - (x - view.left) * (scale / view.scale);
    view.top = y - (y - view.top) * (scale / view.scale);
    view.scale = scale;
    card.hidden = true;
    redraw();
  }

  function move(right, down) {
    view.left += right;
    view.top += down;
    card.hidden = true;
    redraw();
  }

  function colourBy(number) {
    column = data.columns[number];
    const entries = column.names.map((name, code) => entry(name, column.colours[code]));
    if (column.codes.some((code) => code < 0)) entries.push(entry("others", data.other_colour));
    legend.replaceChildren(...entries);
    redraw();
  }

  function entry(name, colour) {
    const line = make("li", { textContent: name });
    line.style.setProperty("--colour", colour);
    return line;
  }

  function itemAt(x, y, within = 6 * ratio) {
    let best = null;
    let nearest = Infinity;
    for (const [item, left, top, reach] of shown) {
      const away = Math.hypot(left - x, top - y);
      if (away < Math.max(reach, within) && away < nearest) {
        nearest = away;
        best = item;
      }
    }
    return best;
  }

  function look(item, x, y) {
    card.hidden = item === null;
    if (item === null) return;
    drawPicture(cardPen, item, 0, 0, CARD);
    cardTitle.textContent = data.titles[item];
    const code = column.codes[item];
    cardText.textContent = `${column.name}: ${code < 0 ? "other" : column.names[code]}`;
    const isRight = x / ratio + 220 > canvas.clientWidth;
    const isLow = y / ratio + 280 > canvas.clientHeight;
    card.style.left = `${Math.max(8, x / ratio + (isRight ? -236 : 16))}px`;
    card.style.top = `${Math.max(8, y / ratio + (isLow ? -280 : 16))}px`;
  }

  const pointers = new Map();
  let moved = false;

  function between() {
    const [one, two] = [...pointers.values()];
    return { x: (one.x + two.x) / 2, y: (one.y + two.y) / 2, apart: Math.hypot(one.x - two.x, one.y - two.y) };
  }

  function placeOf(event) {
    return { x: event.offsetX * ratio, y: event.offsetY * ratio };
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, placeOf(event));
    moved = false;
  });
  canvas.addEventListener("pointermove", (event) => {
    const { x, y } = placeOf(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      look(itemAt(x, y), x, y);
      return;
    }
    if (Math.hypot(x - before.x, y - before.y) > 3 * ratio) moved = true;
    const pinch = pointers.size === 2 ? between() : null;
    pointers.set(event.pointerId, { x, y });
    if (!view) return;
    if (pinch) {
      const now = between();
      zoomAt(now.x, now.y, now.apart / Math.max(pinch.apart, 1));
      move(now.x - pinch.x, now.y - pinch.y);
    } else {
      move(x - before.x, y - before.y);
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    const { x, y } = placeOf(event);
    const wasAlone = pointers.size === 1;
    pointers.delete(event.pointerId);
    if (moved || !wasAlone) return;
    const item = itemAt(x, y);
    look(item, x, y);
    if (item !== null) choose?.(item);
  });
  canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => { card.hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    if (!view || (isPart && !event.ctrlKey && document.activeElement !== canvas)) return;
    event.preventDefault();
    zoomAt(event.offsetX * ratio, event.offsetY * ratio, Math.exp(-event.deltaY / 400));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (!view) return;
    const step = STEP * ratio;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    const middle = { x: canvas.width / 2, y: canvas.height / 2 };
    if (moves[event.key]) {
      move(...moves[event.key]);
    } else if (event.key === "+" || event.key === "-") {
      zoomAt(middle.x, middle.y, event.key === "+" ? 1.3 : 1 / 1.3);
    } else if (event.key === "0") {
      fit();
      redraw();
    } else if (event.key === "Enter") {
      const item = itemAt(middle.x, middle.y, Infinity);
      look(item, middle.x, middle.y);
      if (item !== null) choose?.(item);
    } else return;
    event.preventDefault();
  });

  data.columns.forEach((each, number) => chooser.append(new Option(each.name, number)));
  chooser.addEventListener("change", () => colourBy(Number(chooser.value)));
  new ResizeObserver(resize).observe(canvas);
  atlas.onload = () => {
    resize();
    place.dataset.ready = "yes";
  };
  colourBy(0);
  atlas.src = data.atlas;
}
