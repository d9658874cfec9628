'use strict';
// Tables with data-tools get a search box, lists of the values of some columns, and headings that
// sort. Without this script they are plain tables.
(() => {
  const text = (cell) => cell.textContent.replace(/\s+/g, ' ').trim();
  const make = (name, values, ...children) => {
    const node = Object.assign(document.createElement(name), values);
    node.append(...children);
    return node;
  };
  const number = (value) => parseFloat(value.replace(/[,<>+]/g, '').replace('\u2212', '-'));
  const compare = (a, b) => {
    const [x, y] = [number(a), number(b)];
    if (!isNaN(x) && !isNaN(y) && x !== y) return x - y;
    return a.localeCompare(b, 'en', {numeric: true});
  };
  const missing = (value) => value === '' || value === 'n/a' || value === '\u2013';

  const sort = (table, column, sign) => {
    for (const body of table.tBodies) {
      // a heading of a group has one cell, and stays above its rows
      const rows = [...body.rows].filter((row) => row.cells.length > Math.max(1, column));
      const key = new Map(rows.map((row) => [row, text(row.cells[column])]));
      rows.sort((a, b) => {
        const [x, y] = [key.get(a), key.get(b)];
        return missing(x) - missing(y) || sign * compare(x, y);
      });
      body.append(...rows);
    }
  };

  for (const table of document.querySelectorAll('table[data-tools]')) {
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    const lines = rows.filter((row) => row.cells.length === heads.length);
    if (lines.length < 2) continue;

    heads.forEach((head, column) => {
      if (head.hasAttribute('data-plain')) return;
      const button = make('button', {type: 'button', className: 'sort'}, ...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const up = head.getAttribute('aria-sort') !== 'ascending';
        heads.forEach((other) => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        sort(table, column, up ? 1 : -1);
      });
    });

    if (lines.length < 6) continue;
    const search = make('input', {type: 'search', autocomplete: 'off', spellcheck: false});
    const status = make('p', {className: 'small quiet'});
    status.setAttribute('role', 'status');
    const filters = [];
    const tools = make('div', {className: 'tools'}, make('label', {}, 'Search ', search));
    heads.forEach((head, column) => {
      if (!head.hasAttribute('data-filter')) return;
      const values = [...new Set(lines.map((row) => text(row.cells[column])))].sort(compare);
      if (values.length < 2) return;
      const select = make('select', {}, make('option', {value: ''}, 'all'),
        ...values.map((value) => make('option', {value}, value)));
      filters.push([select, column]);
      tools.append(make('label', {}, text(head) + ' ', select));
    });
    const show = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      for (const row of lines) {
        const all = text(row).toLowerCase();
        row.hidden = !(words.every((word) => all.includes(word)) && filters.every(
          ([select, column]) => !select.value || text(row.cells[column]) === select.value));
        n += !row.hidden;
      }
      status.textContent = `${n} of ${lines.length} rows`;
    };
    tools.addEventListener('input', show);
    tools.append(status);
    show();
    (table.closest('.scroll') || table).before(tools);
  }
})();
