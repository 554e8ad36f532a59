// What the page knows of the visit: held in this tab alone, gone when it is closed.

export const state = {
  facts: null,
  // Photos: { key, address, problem, photo, used } with photo as the interface describes it.
  liked: [],
  disliked: [],
  // Items by id.
  likedItems: new Map(),
  dislikedItems: new Map(),
};

const listeners = [];

export function whenTasteChanges(listener) {
  listeners.push(listener);
}

export function tasteChanged() {
  for (const listener of listeners) listener();
}

function photosOf(tray) {
  return state[tray].filter((entry) => entry.photo && entry.used).map((entry) => entry.photo);
}

export function taste() {
  return {
    liked: photosOf("liked"),
    disliked: photosOf("disliked"),
    liked_items: [...state.likedItems.keys()],
    disliked_items: [...state.dislikedItems.keys()],
  };
}

export function likesAnything() {
  return photosOf("liked").length + state.likedItems.size > 0;
}

export function judge(item, opinion) {
  const wanted = { like: state.likedItems, dislike: state.dislikedItems }[opinion];
  const other = wanted === state.likedItems ? state.dislikedItems : state.likedItems;
  other.delete(item.id);
  if (wanted.has(item.id)) wanted.delete(item.id);
  else wanted.set(item.id, item);
  tasteChanged();
}
