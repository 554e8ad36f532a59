// A wall of cards, fetched page by page; a newer question makes an older one void.

export const PAGE_SIZE = 60;

// `fetchPage(page, signal)` answers, `cardOf(item, answer)` shows an item, `summary(answer, count)`
// says in a line what is shown.
export function pagedWall({ wall, found, more, deepest, fetchPage, cardOf, summary, say }) {
  let page = 1;
  let running;

  async function load() {
    running?.abort();
    const mine = (running = new AbortController());
    wall.setAttribute("aria-busy", "true");
    try {
      const answer = await fetchPage(page, mine.signal);
      if (mine !== running) return;
      say("");
      const shown = new Map([...wall.children].map((card) => [card.dataset.id, card]));
      const cards = answer.items.map((item) => withPictureOf(shown.get(item.id), cardOf(item, answer)));
      if (page === 1) wall.replaceChildren(...cards);
      else wall.append(...cards);
      found.textContent = summary(answer, wall.children.length);
      more.hidden = !answer.has_more || (page + 1) * PAGE_SIZE > deepest;
    } catch (error) {
      if (error.name === "AbortError") return;
      if (mine === running) say(error.message);
    } finally {
      if (mine === running) wall.removeAttribute("aria-busy");
    }
  }

  more.addEventListener("click", async () => {
    page += 1;
    const first = wall.children.length;
    await load();
    wall.children[first]?.querySelector("button").focus();
  });

  return () => {
    page = 1;
    return load();
  };
}

// A picture that is there already must not blink.
function withPictureOf(before, card) {
  const picture = before?.querySelector("img");
  if (picture) card.querySelector("img").replaceWith(picture);
  return card;
}
