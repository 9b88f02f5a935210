// Prompts: shows how a preview goes on, and keeps a text that is not saved yet through a closed tab or a sign-in.
import { get } from '/static/console.js';

const EVERY = 1000; // milliseconds

async function follow(preview) {
  if (!preview.querySelector('[data-goes-on]')) return;
  try {
    preview.innerHTML = await get(preview.dataset.part, 'text/html'); // rendered and escaped by our own server
  } catch { return; } // the link to look again is still there
  setTimeout(() => follow(preview), EVERY);
}

function keep(form) {
  const key = `draft ${form.dataset.draft}`;
  const text = form.querySelector('textarea[name="text"]');
  const note = document.getElementById('draft');
  const kept = localStorage.getItem(key);
  if (kept && kept !== text.value) {
    note.hidden = false;
    note.querySelector('button').addEventListener('click', () => { text.value = kept; note.hidden = true; text.focus(); });
  }
  text.addEventListener('input', () => localStorage.setItem(key, text.value));
}

export function prompts() {
  const preview = document.getElementById('preview');
  const form = document.querySelector('form[data-draft]');
  if (preview) setTimeout(() => follow(preview), EVERY);
  if (form) keep(form);
}
