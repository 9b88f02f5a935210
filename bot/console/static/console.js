// What the pages can do beyond links and forms. Without it everything still works, with a page load for each step.
const csrf = document.querySelector('meta[name="csrf"]').content;
const saying = document.getElementById('say');
document.documentElement.classList.add('js');

export function say(text) {
  saying.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { saying.textContent = ''; }, 4000);
}

export function word(name, values = {}) {
  const found = document.getElementById('words')?.content.querySelector(`[data-word="${name}"]`)?.textContent ?? '';
  return Object.entries(values).reduce((text, [key, value]) => text.replace(`%(${key})s`, value), found);
}

// Sends a form as a script does: JSON comes back, and where somebody was signed out, the page is loaded anew.
export async function post(address, fields, accept = 'application/json') {
  const answer = await fetch(address, { method: 'POST', body: new URLSearchParams(fields), headers: { 'X-CSRF-Token': csrf, Accept: accept } })
    .catch(() => { throw new Error(word('failed')); });
  return read(answer, accept);
}

export async function get(address, accept = 'application/json') {
  const answer = await fetch(address, { headers: { Accept: accept } }).catch(() => { throw new Error(word('failed')); });
  return read(answer, accept);
}

async function read(answer, accept) {
  if (answer.status === 401 || (answer.redirected && new URL(answer.url).pathname === '/signin')) {
    location.reload();
    throw new Error('');
  }
  if (accept !== 'application/json' && answer.ok) return answer.text();
  if (accept !== 'application/json') {
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    throw new Error(page.querySelector('[role="alert"] p')?.textContent ?? word('failed'));
  }
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error ?? word('failed'));
  return data;
}

for (const form of document.querySelectorAll('form[data-quick]')) {
  form.addEventListener('change', () => form.requestSubmit());
}

if (document.getElementById('works') || document.querySelector('#gaps[data-part]')) {
  import('/static/knowledge.js').then(({ knowledge }) => knowledge()); // not awaited, as below
}
if (document.querySelector('#preview, form[data-draft]')) {
  import('/static/prompts.js').then(({ prompts }) => prompts()); // the same
}
if (document.getElementById('list') || document.getElementById('single')) {
  import('/static/review.js').then(({ review }) => review()); // not awaited: it imports this file, which has to end first
}

if (document.getElementById('now')) {
  import('/static/learn.js').then(({ learn }) => learn());
}
