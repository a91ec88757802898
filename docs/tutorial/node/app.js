// Surveys as a small Node app that logs with pino: nothing in it knows of extractor. `people.js` uses it.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import pino from "pino";
import { pinoHttp } from "pino-http";

const surveys = new Map();

const routes = [
  ["POST", /^\/workspaces$/, registerWorkspace],
  ["POST", /^\/surveys$/, createSurvey],
  ["POST", /^\/surveys\/([^/]+)\/publication$/, publishSurvey],
  ["POST", /^\/surveys\/([^/]+)\/answers$/, receiveAnswer],
  ["PUT", /^\/subscription$/, changePlan],
];

function registerWorkspace(req, asked) {
  req.workspace = randomUUID();
  req.user = randomUUID();
  // The one thing that the app says by itself; everything else shows in the lines of requests.
  req.log.info({ workspaceId: req.workspace, userId: req.user, name: asked.name, email: asked.email,
    source: asked.source }, "workspace registered");
  return [201, { workspace: req.workspace, user: req.user }];
}

function createSurvey(req, asked) {
  const survey = randomUUID();
  surveys.set(survey, asked);
  req.result = { surveyId: survey, template: asked.template, questions: asked.questions.length };
  return [201, { survey }];
}

function publishSurvey(req, _asked, survey) {
  if (!surveys.get(survey)?.questions.length) return [409, { error: "a survey without questions" }];
  req.result = { surveyId: survey };
  return [200, {}];
}

function receiveAnswer(req, asked, survey) {
  req.workspace = surveys.get(survey).workspace;
  req.result = { surveyId: survey, answerId: randomUUID(), respondent: asked.email };
  return [201, {}];
}

function changePlan(req, asked) {
  req.result = { plan: asked.plan, seats: asked.seats, card: asked.card };
  return [200, {}];
}

export function serve(logFile) {
  const logger = pino({ base: { service: "surveys" } }, pino.destination({ dest: logFile, sync: true }));
  const logged = pinoHttp({
    logger,
    // What a request was about, beside what pino-http says of it.
    customProps: (req) => ({ workspaceId: req.workspace, userId: req.user, result: req.result }),
    redact: ["req.headers.authorization"],
  });
  return createServer(async (req, res) => {
    logged(req, res);
    req.workspace = req.headers["x-workspace"];
    req.user = req.headers["x-user"];
    let body = "";
    for await (const chunk of req) body += chunk;
    let [status, answer] = [404, {}];
    for (const [method, pattern, handle] of routes) {
      const found = req.method === method && pattern.exec(req.url);
      if (found) [status, answer] = handle(req, JSON.parse(body || "{}"), ...found.slice(1));
    }
    res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
}
