/**
 * What is wrong with the page it runs in, as a list of sentences; accessibility.ts. An expression, evaluated in the browser.
 */
(() => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  if (document.documentElement.lang === '') faults.push('no language');
  if (document.title === '') faults.push('no title');
  if (all('h1').length !== 1) faults.push(`${all('h1').length} main headings`);
  if (all('main').length !== 1) faults.push('no main part');
  for (const field of all('input:not([type=hidden]), textarea, select')) {
    const { labels } = field;
    if (labels === null || labels.length === 0) faults.push(`${field.outerHTML} has no label`);
  }
  for (const control of all('button, a')) {
    const name = control.getAttribute('aria-label') ?? control.textContent;
    if (name === null || name.trim() === '') faults.push(`${control.outerHTML} has no name`);
    const { height } = control.getBoundingClientRect();
    if (height < 24) faults.push(`${control.outerHTML} is ${height} pixels high`);
  }
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`${scrollWidth - clientWidth} pixels too wide`);
  const first = document.querySelector('input:not([type=hidden])');
  if (first !== null && !(document.activeElement instanceof HTMLInputElement)) {
    faults.push('no field has the focus');
  }
  return [...faults, ...contrastFaults()];

  /** Text against its background, by WCAG 2 "AA". */
  function contrastFaults() {
    return all('h1, h2, p, label, a, button, dt, dd, li').flatMap((element) => {
      const style = getComputedStyle(element);
      const ratio = contrast(style.color, backgroundOf(element));
      return ratio < 4.5 ? [`${element.tagName} has contrast ${ratio.toFixed(2)}`] : [];
    });
  }

  function backgroundOf(element) {
    for (let one = element; one !== null; one = one.parentElement) {
      const { backgroundColor } = getComputedStyle(one);
      if (backgroundColor !== 'rgba(0, 0, 0, 0)') return backgroundColor;
    }
    return 'rgb(255, 255, 255)';
  }

  function contrast(a, b) {
    const [light = 1, dark = 1] = [luminance(a), luminance(b)].toSorted((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  }

  function luminance(color) {
    const [red = 0, green = 0, blue = 0] = (color.match(/[\d.]+/g) ?? []).map((part) => {
      const value = Number(part) / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
})();
