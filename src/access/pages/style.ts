/**
 * How pages of the gateway look: one style sheet inside each page, allowed by its hash and nothing else.
 *
 * Made for 360 pixels first, for both colour schemes and for people who use the keyboard. Contrast is at least 4.5 to 1.
 */
import { createHash } from 'node:crypto';

/** The style sheet. */
export const STYLE = `:root{color-scheme:light dark;--back:#f3f5f8;--card:#fff;--ink:#18202c;--soft:#535d6e;--line:#d8dde6;--field:#8a94a6;
--act:#1f5fd0;--act-over:#194fae;--act-ink:#fff;--bad:#b3261e;--bad-back:#fdecea}
@media(prefers-color-scheme:dark){:root{--back:#11141a;--card:#1a1f28;--ink:#e9edf4;--soft:#a3aec0;--line:#303947;--field:#77839a;
--act:#8ab4ff;--act-over:#a9c8ff;--act-ink:#0d1b33;--bad:#ffb4ab;--bad-back:#3a1d1b}}
*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
body{margin:0;min-height:100vh;display:flex;flex-direction:column;align-items:center;justify-content:center;padding:1.25rem;
background:var(--back);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:27rem;padding:2rem 1.75rem;background:var(--card);border:1px solid var(--line);border-radius:.875rem}
main.wide{max-width:38rem}
h1{margin:0 0 .5rem;font-size:1.5rem;line-height:1.25;overflow-wrap:anywhere}h2{margin:2rem 0 .5rem;font-size:1.0625rem}
p{margin:.5rem 0;overflow-wrap:anywhere}.soft{color:var(--soft)}.small{font-size:.875rem}
form{margin:1.25rem 0 0}label{display:block;margin:1rem 0 .375rem;font-weight:600;font-size:.9375rem}
input,textarea{width:100%;min-height:2.875rem;padding:.625rem .75rem;font:inherit;color:inherit;background:var(--card);
border:1px solid var(--field);border-radius:.5rem}textarea{min-height:6rem;resize:vertical}
input.code{font-size:1.375rem;letter-spacing:.3em;font-variant-numeric:tabular-nums}
button,a.button{display:flex;align-items:center;justify-content:center;width:100%;min-height:2.875rem;margin-top:1.25rem;padding:.5rem 1rem;
font:inherit;font-weight:600;text-align:center;text-decoration:none;overflow-wrap:anywhere;cursor:pointer;color:var(--act-ink);background:var(--act);
border:1px solid transparent;border-radius:.5rem}button:hover,a.button:hover{background:var(--act-over)}
button.plain,a.plain{color:var(--ink);background:transparent;border-color:var(--field)}button.plain:hover,a.plain:hover{background:var(--back)}
a{color:var(--act)}:focus-visible{outline:3px solid var(--act);outline-offset:2px}
ul.choices{list-style:none;margin:1.25rem 0 0;padding:0}ul.choices li+li{margin-top:.75rem}ul.choices a.button{margin:0}
.problem{margin:1rem 0 0;padding:.75rem .875rem;color:var(--bad);background:var(--bad-back);border-radius:.5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.375rem 1rem;margin:1.25rem 0 0;padding-top:1.25rem;border-top:1px solid var(--line);
font-size:.9375rem}dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
ul.sessions{list-style:none;margin:0;padding:0}ul.sessions li{display:flex;gap:1rem;align-items:center;justify-content:space-between;padding:.75rem 0;
border-top:1px solid var(--line)}ul.sessions p{margin:0}ul.sessions div{min-width:0}ul.sessions form{margin:0;flex:none}
ul.sessions button{width:auto;margin:0;min-height:2.5rem;font-size:.875rem}
@media(max-width:24rem){main{padding:1.5rem 1.25rem}dl{grid-template-columns:1fr}dl dd+dt{margin-top:.5rem}}`;

/** What a Content-Security-Policy allows it by. */
export const STYLE_SOURCE = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;
