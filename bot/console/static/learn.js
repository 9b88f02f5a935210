// The learn page while something runs: progress and loss come by themselves, and an end is told.
import { get, say, word } from '/static/console.js';

const OFTEN = 1500, SELDOM = 10000; // milliseconds
const works = (section) => [...section.querySelectorAll('[data-work]')].map((each) => each.dataset.work + each.dataset.state).join();
let touched = false;

async function look() {
  const now = document.getElementById('now');
  try {
    const fresh = new DOMParser().parseFromString(await get(now.dataset.now, 'text/html'), 'text/html').getElementById('now');
    if (works(fresh) === works(now)) {
      for (const part of now.querySelectorAll('[data-live]')) part.innerHTML = fresh.querySelector(`[data-live="${part.dataset.live}"]`).innerHTML;
    } else if (touched) { // a form that somebody fills in must not be lost
      now.replaceWith(fresh);
      say(word('ended'));
    } else {
      location.reload();
      return;
    }
  } catch (problem) { say(problem.message); }
  setTimeout(look, document.querySelector('#now [data-state="running"]') ? OFTEN : SELDOM);
}

export function learn() {
  document.addEventListener('input', () => { touched = true; });
  setTimeout(look, OFTEN);
}
