/* The rating form of a participant's page. Nothing leaves the page but the file that is saved. */
'use strict';
(() => {
  const KEYS = {
    1: 'agree', a: 'agree', 2: 'disagree', d: 'disagree', 3: 'not sure', u: 'not sure',
  };
  /* What it means to disagree, by verdict. Without a verdict there are two ways to disagree. */
  const QUESTIONS = {
    'no findings': 'Is the verdict right? Disagree if you see a face, a part of one or cut brain.',
    'review': 'Is the verdict right? Disagree if you see no face, no part of one and no cut brain.',
  };
  const NO_VERDICT = 'Disagree only if you see no face, no part of one and no cut brain. ' +
    'If you see one, agree, and say so in the note: do not share the image.';
  const RATER = 'bids_reid/rater';
  const participant = document.querySelector('.rate-panel').dataset.participant;
  const byId = (id) => document.getElementById(id);

  /* The browser may refuse its storage: then a rating lasts as long as the page is open. */
  const memory = {
    get(key) {
      try { return localStorage.getItem(key); } catch { return null; }
    },
    set(key, value) {
      try { localStorage.setItem(key, value); } catch { /* see above */ }
    },
    remove(key) {
      try { localStorage.removeItem(key); } catch { /* see above */ }
    },
  };

  const parse = (text) => {
    try { return JSON.parse(text); } catch { return null; }
  };

  /* The image as the overview has it: its bytes, and the verdict that a rating is about. */
  const imageOf = (form) => {
    const cell = document.querySelector(`[data-rating="${form.dataset.for}"]`);
    if (!cell || !cell.dataset.sha256) { return null; }
    const { sha256, path, condition, verdict, partsLeft, brainLoss } = cell.dataset;
    return {
      sha256, path, condition, verdict, parts_left: partsLeft ?? null, brain_loss: brainLoss ?? null,
    };
  };

  const entries = [];
  for (const form of document.querySelectorAll('fieldset.rate')) {
    const image = imageOf(form);
    if (image) {
      const radios = [...form.querySelectorAll('input[type=radio]')];
      const note = form.querySelector('input[type=text]');
      const key = `bids_reid/rating/${image.condition}/${image.sha256}`;
      entries.push({ form, image, radios, note, key, date: null, by: '' });
    }
  }
  if (!entries.length) { return; }
  let current = entries[0];

  const chosen = (entry) => entry.radios.find((radio) => radio.checked)?.value;

  const tell = (before = '') => {
    const number = entries.filter(chosen).length;
    byId('progress').textContent = `${before}${number} of ${entries.length} rated`;
  };

  const show = (entry) => { entry.form.querySelector('button').hidden = !chosen(entry); };

  const keep = (entry) => {
    const rating = chosen(entry);
    show(entry);
    if (!rating) {
      memory.remove(entry.key);
    } else {
      const { verdict, parts_left, brain_loss } = entry.image;
      entry.date = new Date().toISOString();
      entry.by = byId('rater').value.trim();
      const { date, by } = entry;
      const kept = { rating, note: entry.note.value, date, by, verdict, parts_left, brain_loss };
      memory.set(entry.key, JSON.stringify(kept));
    }
    tell();
  };

  /* A rating of an earlier verdict is not shown again: the image has to be looked at again. */
  const recall = (entry) => {
    const kept = parse(memory.get(entry.key));
    const { verdict, parts_left, brain_loss } = entry.image;
    const same = kept && kept.verdict === verdict && kept.parts_left === parts_left &&
      kept.brain_loss === brain_loss;
    const radio = same && entry.radios.find((one) => one.value === kept.rating);
    if (radio) {
      radio.checked = true;
      entry.note.value = String(kept.note ?? '');
      entry.date = kept.date;
      entry.by = String(kept.by ?? '');
    }
  };

  const point = (entry) => {
    current.form.classList.remove('current');
    current = entry;
    current.form.classList.add('current');
  };

  const rate = (entry, rating) => {
    for (const radio of entry.radios) { radio.checked = radio.value === rating; }
    keep(entry);
  };

  const go = (step) => {
    const place = entries.indexOf(current) + step;
    if (place >= 0 && place < entries.length) {
      point(entries[place]);
      current.form.focus({ preventScroll: true });
      current.form.closest('article').scrollIntoView({ block: 'nearest' });
    }
  };

  /* The browser keeps ratings for whoever sits there next, who has not looked at the images. */
  let signedAs = '';
  const ratedByOthers = (by) => {
    const names = entries.filter(chosen).map((entry) => entry.by);
    return [...new Set(names.filter((name) => name && name.toLowerCase() !== by.toLowerCase()))];
  };

  const save = () => {
    const by = byId('rater').value.trim();
    if (!by) {
      tell('Fill in your name first. ');
      byId('rater').focus();
      return;
    }
    const ratings = entries.filter(chosen).map((entry) => ({
      ...entry.image, rating: chosen(entry), note: entry.note.value.trim(), by, date: entry.date,
    }));
    if (!ratings.length) {
      tell('Rate an image first. ');
      return;
    }
    const others = ratedByOthers(by);
    if (others.length && signedAs !== by) {
      signedAs = by;
      tell(`Some ratings are by ${others.join(', ')}. Rate these images yourself, or press again ` +
        `to sign as ${by}. `);
      return;
    }
    const content = { schema_version: 1, participant, ratings };
    const text = `${JSON.stringify(content, null, 2)}\n`;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
    link.download = `${participant}_ratings.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    tell('Saved. ');
  };

  for (const entry of entries) {
    recall(entry);
    show(entry);
    entry.form.querySelector('.question').textContent =
      QUESTIONS[entry.image.verdict] ?? NO_VERDICT;
    entry.form.hidden = false;
    entry.form.addEventListener('focusin', () => point(entry));
    entry.form.addEventListener('input', () => keep(entry));
    entry.form.querySelector('button').addEventListener('click', () => {
      entry.note.value = '';
      rate(entry, null);
    });
  }
  byId('rater').value = memory.get(RATER) ?? '';
  byId('rater').addEventListener('input', () => memory.set(RATER, byId('rater').value));
  byId('download').addEventListener('click', save);
  document.querySelector('.rate-panel').hidden = false;
  point(current);
  tell();

  document.addEventListener('keydown', (event) => {
    const typing = event.target.matches('input[type=text], textarea, select');
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !byId('keys').checked) {
      return;
    }
    const key = event.key.toLowerCase();
    if (Object.hasOwn(KEYS, key)) {
      rate(current, KEYS[key]);
    } else if (key === 'n') {
      go(1);
    } else if (key === 'p') {
      go(-1);
    } else {
      return;
    }
    event.preventDefault();
  });
})();
