// Knowledge: shows how work on documents goes on, and the gaps once they are found.
import { get, word } from '/static/console.js';

const EVERY = 1000; // milliseconds

// How long it takes yet, by the pace since this page was opened: the server does not know when work was begun.
const begun = new Map();

function tell(works) {
  for (const bar of works.querySelectorAll('progress[data-work][value]')) {
    const first = begun.get(bar.dataset.work) ?? { at: Date.now(), place: bar.value };
    begun.set(bar.dataset.work, first);
    const done = bar.value - first.place, seconds = (Date.now() - first.at) / 1000;
    if (done <= 0 || seconds < 5) continue;
    const left = (bar.max - bar.value) * seconds / done;
    bar.parentElement.querySelector('[data-left]').textContent = left > 90 ? word('minutes', { n: Math.round(left / 60) }) : word('seconds', { n: Math.round(left) });
  }
}

async function follow(works) {
  if (!works.querySelector('[data-goes-on]')) return;
  try {
    const text = await get(works.dataset.works, 'text/html');
    if (!works.contains(document.activeElement)) works.innerHTML = text; // rendered and escaped by our own server
    tell(works);
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
