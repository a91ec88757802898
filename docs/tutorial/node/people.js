// Three workspaces use the app for a moment: `node people.js app.log`.
import { once } from "node:events";
import { serve } from "./app.js";

const server = serve(process.argv[2]).listen(0, "127.0.0.1");
await once(server, "listening");
const base = `http://127.0.0.1:${server.address().port}`;

async function ask(method, path, body, who = {}) {
  const headers = { authorization: "Bearer of-an-example", ...who };
  const answer = await fetch(base + path, { method, headers, body: JSON.stringify(body) });
  return answer.json();
}

async function register(name, email, source) {
  const { workspace, user } = await ask("POST", "/workspaces", { name, email, source });
  return { "x-workspace": workspace, "x-user": user };
}

const acme = await register("Acme Räder", "grace.hopper@acme.example", "search");
const questions = ["How was it?", "May we call you?"];
const workspace = acme["x-workspace"];
const empty = await ask("POST", "/surveys", { workspace, template: "blank", questions: [] }, acme);
const survey = await ask("POST", "/surveys", { workspace, template: "nps", questions }, acme);
await ask("POST", `/surveys/${empty.survey}/publication`, {}, acme); // refused: it has no questions
await ask("POST", `/surveys/${survey.survey}/publication`, {}, acme);
await ask("POST", `/surveys/${survey.survey}/publication`, {}, acme); // again: a second click
await ask("POST", `/surveys/${survey.survey}/answers`, { email: "ada@customer.example", score: 9 });
await ask("POST", `/surveys/${survey.survey}/answers`, { email: "alan@customer.example", score: 3 });
await ask("PUT", "/subscription", { plan: "team", seats: 5, card: "4242 4242 4242 4242" }, acme);
await ask("PUT", "/subscription", { plan: "team", seats: 6, card: "4242 4242 4242 4242" }, acme);
await ask("GET", "/health", undefined);

const globex = await register("Globex", "hank@globex.example", "friend");
await ask("POST", "/surveys", { workspace: globex["x-workspace"], template: "Hank's own", questions }, globex);

await register("Initech", "bill@initech.example", "an ad that nobody listed");

server.close();
