// Make elements: text goes in as text, so that no name from outside becomes markup.

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else if (value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== ""));
  return node;
}

// A sentence as elements, what stands in backquotes as a command to copy.
export function withCommands(text) {
  const sentence = text.slice(0, 1).toUpperCase() + text.slice(1);
  return sentence.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part));
}

export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

export function percent(share) {
  return `${Math.round(100 * share)}%`;
}

export function number(value) {
  return String(Math.round(100 * value) / 100);
}

// A shop's "baseColour" and "article_type" as words.
export function words(name) {
  return name.replace(/_/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}

// The size of a bar or the colour of a swatch: set as properties, which the page's policy allows.
export function styled(node, properties) {
  for (const [name, value] of Object.entries(properties)) node.style.setProperty(name, value);
  return node;
}
