// The review page by keyboard: j and k choose, one key decides, the answer stands beside the list.
import { get, post, say, word } from '/static/console.js';

const list = document.getElementById('list');
const pane = document.getElementById('pane') ?? document.getElementById('single');
const keys = document.getElementById('keys');
const keysOn = document.getElementById('keys-on');
const wide = matchMedia('(min-width: 62rem)');
const decided = []; // lists of replies, the latest last
let loading = 0;
let busy = false; // a decision is on its way, or the answer after it
let loaded = Promise.resolve(); // once the chosen answer stands in the pane

const lines = () => [...(list?.querySelectorAll('li[data-reply]') ?? [])];
const current = () => list?.querySelector('li[aria-current]');
const article = () => pane?.querySelector('article');
const ticked = () => lines().filter((line) => line.querySelector('input')?.checked);
const at = () => current()?.dataset.reply ?? article()?.dataset.reply;

async function choose(line, { focus = true } = {}) {
  if (!line) return;
  current()?.removeAttribute('aria-current');
  line.setAttribute('aria-current', 'true');
  if (focus) {
    line.querySelector('a').focus();
    line.scrollIntoView({ block: 'nearest' });
  }
  if (wide.matches) {
    loaded = show(line.dataset.reply);
    await loaded;
  }
}

async function show(reply) {
  const mine = ++loading;
  try {
    const back = encodeURIComponent(location.pathname + location.search);
    const text = await get(`/review/${reply}?part=1&back=${back}`, 'text/html');
    if (mine !== loading) return; // somebody went on meanwhile
    pane.innerHTML = text; // rendered and escaped by our own server
    pane.scrollTop = 0;
    restore();
  } catch (problem) { say(problem.message); }
}

function step(by) {
  const all = lines(), now = all.indexOf(current());
  const next = all[now + by];
  if (next) return choose(next);
  if (by > 0) say(word('end'));
}

// What is typed and not kept is remembered by this tab, so that no key and no click loses it.
const box = () => pane?.querySelector('#right-answer');
const remembered = (reply) => `draft ${reply}`;

function unkept(reply) {
  return box() && article().dataset.reply === reply ? box().value !== box().defaultValue : sessionStorage.getItem(remembered(reply)) !== null;
}

function remember() {
  const reply = article().dataset.reply, typed = unkept(reply);
  if (typed) sessionStorage.setItem(remembered(reply), box().value); else sessionStorage.removeItem(remembered(reply));
  pane.querySelector('#draft').hidden = !typed;
}

function restore() {
  if (!box()) return;
  box().value = sessionStorage.getItem(remembered(article().dataset.reply)) ?? box().value;
  remember();
}

function drop() {
  box().value = box().defaultValue;
  remember();
  box().focus();
}

// The latest decision that stood on the page: whoever decided after it must not be overruled unseen.
const place = (reply) => list?.querySelector(`[name="seen.${reply}"]`);
const seen = (reply) => [`seen.${reply}`, (pane?.querySelector(`[name="seen.${reply}"]`) ?? place(reply))?.value ?? ''];

function stands(times) {
  for (const [reply, at] of Object.entries(times)) {
    for (const field of document.querySelectorAll(`[name="seen.${reply}"]`)) field.value = at;
  }
}

// One after the other: a key that is pressed twice must not decide on the next answer too.
async function alone(work) {
  if (busy) return;
  busy = true;
  pane?.setAttribute('aria-busy', 'true');
  try { await work(); } catch (problem) { refused(problem.message); }
  busy = false;
  pane?.removeAttribute('aria-busy');
}

function refused(reason) {
  if (!article() || !reason) { say(reason); return; }
  const told = article().querySelector('.refused') ?? document.createElement('p');
  told.className = 'bad refused';
  told.setAttribute('role', 'alert');
  article().prepend(told);
  told.textContent = reason;
  told.scrollIntoView({ block: 'nearest' });
}

function mark(replies, state) {
  for (const line of lines().filter((each) => replies.includes(each.dataset.reply))) {
    line.dataset.state = state;
    const badge = line.querySelector('.badge[class*="state-"]');
    badge.className = `badge state-${state}`;
    badge.textContent = word(`state-${state}`);
    const tick = line.querySelector('input');
    if (tick) tick.checked = false;
  }
  count();
}

async function decide(action, more = {}) {
  if (!pane?.querySelector('#decide') && !list?.querySelector('.bulk')) return; // who only looks has no such form
  const chosen = action === 'correct' ? [] : ticked();
  const replies = chosen.length ? chosen.map((line) => line.dataset.reply) : [at()].filter(Boolean);
  if (!replies.length) return;
  if (action !== 'correct' && replies.length === 1 && unkept(replies[0])) {
    say(word('typed'));
    pane?.querySelector('#draft')?.scrollIntoView({ block: 'center' });
    return;
  }
  const fields = [...replies.map((reply) => ['reply', reply]), ...replies.map(seen), ['action', action], ...Object.entries(more)];
  await alone(async () => {
    const { state, seen: times } = await post('/review/decide', fields);
    if (action === 'correct') sessionStorage.removeItem(remembered(replies[0]));
    stands(times);
    decided.push(replies);
    mark(replies, state);
    say(word(state));
    const last = !chosen.length && current() === lines().at(-1);
    if (list) await step(chosen.length ? 0 : 1);
    if (!list || (last && wide.matches)) await show(replies[0]);
  });
}

// The latest decision of this page; or, where an answer's own button is pressed, the one about that answer alone.
async function undo(own = null) {
  if (busy) return;
  const replies = own ?? decided.pop() ?? (!list && at() ? [at()] : null);
  if (!replies) { say(word('nothing')); return; }
  await alone(async () => {
    const { state, seen: times } = await post('/review/undo', [...replies.map((reply) => ['reply', reply]), ...replies.map(seen)]);
    stands(times);
    decided.splice(0, decided.length, ...decided.map((some) => some.filter((reply) => !replies.includes(reply))).filter((some) => some.length));
    mark(replies, state);
    say(word('undone'));
    if (list) await choose(lines().find((line) => line.dataset.reply === replies[0])); else await show(replies[0]);
  });
}

function count() {
  const some = ticked().length, label = document.getElementById('chosen');
  if (label) label.textContent = some ? word('chosen', { n: some }) : word('tick');
}

async function askAgain(form) {
  const outcome = form.parentElement.querySelector('.outcome');
  const button = form.querySelector('button');
  button.disabled = true;
  outcome.textContent = word('waiting');
  try {
    outcome.innerHTML = await post(form.action, [...new FormData(form), ['part', '1']], 'text/html');
  } catch (problem) { outcome.textContent = problem.message; }
  button.disabled = false;
}

function home() {
  if (list) (current()?.querySelector('a') ?? list).focus(); else document.getElementById('question')?.focus();
}

// A field of the chosen answer; where there is no room beside the list, it is on the answer's own page.
async function field(name) {
  if (list && !wide.matches) open();
  await loaded;
  return pane?.querySelector(`#${name}`);
}

function open() {
  const link = current()?.querySelector('a');
  if (link) location.href = link.href;
}

const KEYS = {
  j: () => step(1), k: () => step(-1),
  a: () => decide('approve'), x: () => decide('reject'), p: () => decide('pass'), u: () => undo(),
  e: async () => { const text = await field('right-answer'); text?.focus(); text?.setSelectionRange(text.value.length, text.value.length); },
  r: async () => (await field('right-route'))?.focus(),
  b: async () => (await field('fault'))?.focus(),
  m: () => { const tick = current()?.querySelector('input'); if (tick) { tick.checked = !tick.checked; count(); } },
  o: open,
  g: async () => { const box = await field('again-box'); if (box) { box.open = true; box.querySelector('select').focus(); } },
  '/': () => document.getElementById('text')?.focus(),
  '?': () => keys.showModal(),
};

function pressed(event) {
  if (event.ctrlKey && event.key === 'Enter' && event.target.id === 'right-answer') {
    event.preventDefault();
    decide('correct', { answer: event.target.value });
    return;
  }
  if (event.key === 'Escape' && !keys.open) { home(); return; }
  if (event.key === 'Enter' && event.target.id === 'right-route' && event.target.value) {
    event.preventDefault();
    decide('reroute', { route: event.target.value });
  } else if (event.key === 'Enter' && event.target.id === 'fault' && event.target.value) {
    event.preventDefault();
    decide('reject', { fault: event.target.value });
  }
  const typing = event.target.matches('input:not([type="checkbox"]), select, textarea');
  if (typing || keys.open || event.ctrlKey || event.metaKey || event.altKey || !keysOn.checked) return;
  const action = KEYS[event.key];
  if (action) { event.preventDefault(); if (!busy) action(); }
}

function submitted(event) {
  const form = event.target;
  if (form.matches('.again')) { event.preventDefault(); askAgain(form); return; }
  if (!form.matches('#decide, #list')) return;
  event.preventDefault();
  if (event.submitter?.hasAttribute('data-undo')) { undo([form.elements.reply.value]); return; }
  const fields = new FormData(form), one = form.id === 'decide';
  if (!event.submitter?.value || (!one && !ticked().length && !current())) return;
  const more = Object.fromEntries(['route', 'fault', ...(one ? ['answer'] : [])].map((name) => [name, fields.get(name) ?? '']));
  decide(event.submitter.value, more);
}

async function hints() {
  const known = new Map(lines().map((line) => [line.dataset.reply, line]));
  if (!known.size) return;
  const found = await get(`${list.dataset.hints}?${new URLSearchParams([...known.keys()].map((reply) => ['reply', reply]))}`).catch(() => ({}));
  for (const [reply, { group, personal }] of Object.entries(found)) {
    const line = known.get(reply);
    if (group !== reply) { line.classList.add('alike'); badge(line, word('alike')); }
    if (personal.length) badge(line, `${word('personal')}: ${personal.join(', ')}`);
  }
}

function badge(line, text) {
  const one = document.createElement('span');
  one.className = 'badge hint';
  one.textContent = text;
  line.querySelector('.meta').append(one);
}

export function review() {
  keysOn.checked = localStorage.getItem('keys') !== 'off';
  keysOn.addEventListener('change', () => localStorage.setItem('keys', keysOn.checked ? 'on' : 'off'));
  document.addEventListener('keydown', pressed);
  document.addEventListener('submit', submitted);
  document.addEventListener('input', (event) => { if (event.target === box()) remember(); });
  document.addEventListener('click', (event) => { if (event.target.matches('[data-drop]')) drop(); });
  restore();
  document.getElementById('open-keys')?.addEventListener('click', () => keys.showModal());
  document.getElementById('open-keys')?.removeAttribute('hidden');
  if (!list) return;
  list.addEventListener('change', count);
  list.addEventListener('click', (event) => {
    const link = event.target.closest('.queue a');
    if (!link || !wide.matches || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(link.closest('li'));
  });
  choose(lines()[0], { focus: false });
  wide.addEventListener('change', () => { if (wide.matches && current()) show(at()); });
  const shown = document.getElementById('count');
  get(shown.dataset.count).then(({ count: n }) => { shown.textContent = word(n === 1 ? 'count-one' : 'count', { n: n.toLocaleString(document.documentElement.lang) }); }).catch(() => {});
  loaded.then(hints); // models are loaded for them: whatever is needed at once goes first
}
