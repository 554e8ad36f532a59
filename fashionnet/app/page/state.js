// What the page knows of the visit: held in this tab alone, gone when it is closed.

export const state = {
  facts: null,
  // Photos: { key, file, address, problem, photo, used } with photo as the interface describes it.
  liked: [],
  disliked: [],
  // Items by id.
  likedItems: new Map(),
  dislikedItems: new Map(),
  // The item that the wall shows more of, in the place of the whole taste.
  moreOf: null,
  // What Shift starts from: { title, picture, classes } and either item, its id, or photo.
  query: null,
  // The scene whose look is completed: { title, picture } and either item, its id, or file.
  scene: null,
};

const tasteListeners = [];
const queryListeners = [];
const sceneListeners = [];

export function whenTasteChanges(listener) {
  tasteListeners.push(listener);
}

export function tasteChanged() {
  for (const listener of tasteListeners) listener();
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

// The taste that the wall answers to.
export function tasteOfWall() {
  return state.moreOf ? { ...taste(), liked: [], liked_items: [state.moreOf.id] } : taste();
}

export function knowsTaste() {
  return state.moreOf !== null || likesAnything();
}

export function judge(item, opinion) {
  const wanted = { like: state.likedItems, dislike: state.dislikedItems }[opinion];
  const other = wanted === state.likedItems ? state.dislikedItems : state.likedItems;
  other.delete(item.id);
  if (wanted.has(item.id)) wanted.delete(item.id);
  else wanted.set(item.id, item);
  tasteChanged();
}

export function moreOf(item) {
  state.moreOf = item;
  tasteChanged();
  location.hash = "#for-me";
  window.scrollTo(0, 0);
}

export function whenQueryChanges(listener) {
  queryListeners.push(listener);
}

export function setQuery(query) {
  state.query = query;
  for (const listener of queryListeners) listener();
}

export function queryOfItem(item) {
  return { title: item.title, picture: item.picture, classes: item.classes, item: item.id };
}

export function similarTo(item) {
  setQuery(queryOfItem(item));
  location.hash = "#shift";
  window.scrollTo(0, 0);
}

export function whenSceneChanges(listener) {
  sceneListeners.push(listener);
}

export function setScene(scene) {
  state.scene = scene;
  for (const listener of sceneListeners) listener();
}

export function completeWith(item) {
  setScene(queryOfItem(item));
  location.hash = "#look";
  window.scrollTo(0, 0);
}
