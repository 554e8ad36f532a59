// Ask the server; wait and ask again where it says that too much is waiting.

const BASE = "/api/v1";
const PATIENCE = 20;

export class Refused extends Error {}

export async function ask(path, options = {}) {
  for (let attempt = 0; ; attempt += 1) {
    let answer;
    try {
      answer = await fetch(BASE + path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused("The server does not answer. Is it still running?");
    }
    if (answer.status === 429 && attempt < PATIENCE) {
      const seconds = Number(answer.headers.get("retry-after")) || 1;
      await new Promise((done) => setTimeout(done, 1000 * seconds));
      continue;
    }
    if (answer.ok) return answer.json();
    const problem = await answer.json().catch(() => ({}));
    throw new Refused(problem.detail || `The server answered ${answer.status}.`);
  }
}

export function send(path, content, signal) {
  const headers = { "content-type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(content), signal });
}

export function sendPhoto(path, file, query = nameOf(file)) {
  // A photo without a type is one whose suffix the browser does not know: the server looks inside.
  return sendFile(path, file, query, file.type || "image/jpeg");
}

export function sendTable(path, file, type) {
  return sendFile(path, file, nameOf(file), type);
}

function nameOf(file) {
  return new URLSearchParams({ name: file.name.slice(0, 200) || "file" });
}

function sendFile(path, file, query, type) {
  return ask(`${path}?${query}`, { method: "POST", headers: { "content-type": type }, body: file });
}
