// Knowledge: shows how work on documents goes on, and the gaps once they are found.
import { get } from '/static/console.js';

const EVERY = 1000; // milliseconds

async function follow(works) {
  if (!works.querySelector('[data-goes-on]')) return;
  try {
    const text = await get(works.dataset.works, 'text/html');
    if (!works.contains(document.activeElement)) works.innerHTML = text; // rendered and escaped by our own server
  } catch { return; } // the link to look again is still there
  setTimeout(() => follow(works), EVERY);
}

async function fill(gaps) {
  try {
    gaps.innerHTML = await get(gaps.dataset.part, 'text/html');
  } catch (problem) { gaps.textContent = problem.message; }
}

export function knowledge() {
  const works = document.getElementById('works');
  const gaps = document.querySelector('#gaps[data-part]');
  if (works) setTimeout(() => follow(works), EVERY);
  if (gaps) fill(gaps);
}
