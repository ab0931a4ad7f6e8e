/** The labelling page: finds out who labels, in which language, and opens the desk. */

import "./app.ts";
import { Desk, type Me, Refused } from "./api.ts";
import { at } from "./dialogs.ts";
import { LANGUAGES, choose, dress, keep, spoken } from "./texts.ts";
import { made } from "./views.ts";
import { Workplace } from "./workplace.ts";

const NAME = "loopline.annotator";
const AGAIN_MS = 3000;

const UNKNOWN: Me = {
  name: "",
  roles: [],
  answered: 0,
  today: 0,
  quota: 0,
  days: [],
  agreement: null,
  pace_seconds: null,
  left: { tasks: 0, seconds: null },
};

/** How far this person has come; asked for until it is known, unless nobody may know. */
async function progressOf(desk: Desk): Promise<Me> {
  for (;;) {
    try {
      return await desk.me();
    } catch (error) {
      if (error instanceof Refused && error.status === 401) location.reload(); // the door asks to sign in
      if (error instanceof Refused) return UNKNOWN;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** The name that answers carry where the door was opened by a token and nobody signed in by name. */
async function asked(): Promise<string> {
  const known = localStorage.getItem(NAME);
  if (known) return known;
  at("who").hidden = false;
  at<HTMLInputElement>("who-name").focus();
  return new Promise((resolve) => {
    at("who-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const given = at<HTMLInputElement>("who-name").value.trim();
      if (!given) return;
      localStorage.setItem(NAME, given);
      at("who").hidden = true;
      resolve(given);
    });
  });
}

function offerLanguages(): void {
  const select = at<HTMLSelectElement>("language");
  for (const [tag, [name]] of Object.entries(LANGUAGES)) {
    const option = made("option", name);
    option.value = option.lang = tag;
    select.append(option);
  }
  select.value = spoken();
  select.addEventListener("change", () => {
    keep(select.value);
    location.reload();
  });
}

async function begin(): Promise<void> {
  const { loop = "", person = "" } = at("desk").dataset;
  const known = person ? progressOf(new Desk(person)) : null;
  await choose(navigator.languages);
  dress();
  offerLanguages();
  at("rename").hidden = person !== "";
  at("rename").addEventListener("click", () => {
    localStorage.removeItem(NAME);
    location.reload();
  });
  const name = person || (await asked());
  const desk = new Desk(name);
  const me = await (known ?? progressOf(desk));
  if (me.language) await choose([me.language, ...navigator.languages]).then(dress);
  new Workplace(loop, { ...me, name }, desk);
}

/** A page that came only in part, since the server went away meanwhile, comes again. */
begin().catch(() => setTimeout(() => location.reload(), AGAIN_MS));
